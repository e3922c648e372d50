"""What there is to time in a run folder: the two ONNX files, and the models that they were exported from."""

from __future__ import annotations

from pathlib import Path

from ttl.cost.subject import COMPILED, EAGER, Subject
from ttl.errors import RunFolderError
from ttl.export.bundle import read_bundle
from ttl.export.digest import check_digests
from ttl.report.schema import REPORT, read_report
from ttl.run.exporting_flow import CHOSEN, FULL
from ttl.study.folder import Study

FILES = (CHOSEN, FULL)


def subjects_of(folder: Path, *, compiled: bool = True) -> tuple[Subject, ...]:
    """The chosen model and the whole network of a run: in onnxruntime, in PyTorch eager, and compiled.

    Args:
        folder: of a finished run.
        compiled: whether to time what `torch.compile` makes of them, too; compiling takes minutes.

    Raises:
        RunFolderError: it isn't one.
        ExportError: a file is damaged.
    """
    study = Study(folder)
    report = read_report(folder) if (folder / REPORT).is_file() else None
    results = {CHOSEN: report.chosen, FULL: report.full} if report else {}
    trials = {file: study.trial_folder(result.trial) for file, result in results.items() if result is not None}
    if len(trials) < len(FILES) or not all((folder / file).is_file() for file in FILES):
        raise RunFolderError(
            f"{folder} is no folder of a finished run with {CHOSEN} and {FULL}: finish the run, or name ONNX files."
        )
    for file in FILES:
        check_digests(folder / file)
    files = [Subject(name, folder / name) for name in trials]
    runtimes = (EAGER, COMPILED) if compiled else (EAGER,)
    return (*files, *(_module(name, trial, runtime) for runtime in runtimes for name, trial in trials.items()))


def _module(name: str, trial: Path, runtime: str) -> Subject:
    bundle = read_bundle(trial)
    shape = (bundle.point.image_channels, *bundle.contract.sides)
    return Subject(name, trial, runtime, "ttl.export.bundle:load_bundle", shape)
