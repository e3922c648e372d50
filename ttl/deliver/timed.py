"""What there is to time in a run folder: the two ONNX files, and the models that they were exported from."""

from __future__ import annotations

import json
from pathlib import Path

from ttl.cost.subject import COMPILED, EAGER, Subject
from ttl.cut.points import point_from_json
from ttl.deliver.deliverable import REPORT
from ttl.deliver.latency import CHOSEN, FULL
from ttl.errors import RunFolderError
from ttl.export.bundle import DESCRIPTION
from ttl.study.folder import Study

MODELS = {"chosen": CHOSEN, "full": FULL}
"""Section of report.json -> the file exported from the trial that it names."""


def subjects_of(folder: Path, *, compiled: bool = True) -> tuple[Subject, ...]:
    """The chosen model and the whole network of a run: in onnxruntime, in PyTorch eager, and compiled.

    Args:
        folder: of a finished run.
        compiled: whether to time what `torch.compile` makes of them, too; compiling takes minutes.

    Raises:
        RunFolderError: it isn't one.
    """
    study = Study(folder)
    content = study.read(REPORT) or {}
    named = all("trial" in content.get(section, {}) for section in MODELS)
    if not named or not all((folder / file).is_file() for file in MODELS.values()):
        raise RunFolderError(
            f"{folder} is no folder of a finished run with {CHOSEN} and {FULL}: finish the run, or name ONNX files."
        )
    trials = {MODELS[section]: study.trial_folder(content[section]["trial"]) for section in MODELS}
    files = [Subject(name, folder / name) for name in trials]
    runtimes = (EAGER, COMPILED) if compiled else (EAGER,)
    return (*files, *(_module(name, trial, runtime) for runtime in runtimes for name, trial in trials.items()))


def _module(name: str, trial: Path, runtime: str) -> Subject:
    try:
        bundle = json.loads((trial / DESCRIPTION).read_text(encoding="utf-8"))
        shape = (point_from_json(bundle["point"]).image_channels, bundle["image_size"], bundle["image_size"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunFolderError(
            f"{trial} holds no model that can be read, from which {name} was exported: name the ONNX files instead."
        ) from error
    return Subject(name, trial, runtime, "ttl.export.bundle:load_bundle", shape)
