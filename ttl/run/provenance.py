"""run.json: what was asked for and what it ran on, and whether a folder belongs to a command; and its images."""

from __future__ import annotations

import platform
import shlex
import sys
import uuid
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import version

import torch

from ttl import __version__, processes
from ttl.config import RunConfig
from ttl.cost.session import hardware
from ttl.data import write_splits
from ttl.data.fingerprints import image_fingerprints
from ttl.errors import RunFolderError
from ttl.files import sha256
from ttl.run.setting import RunSetting
from ttl.study.folder import RUN, Study
from ttl.study.run_record import SCHEMA, DataRecord, Machine, RunRecord, WeightsRecord

SPLITS, FINGERPRINTS = "splits.csv", "fingerprints.json"
RECORDED = ("torch", "torchvision", "timm", "onnx", "onnxruntime", "scikit-learn", "numpy", "accelerate")


def open_run(setting: RunSetting, study: Study) -> RunRecord:
    """Write run.json, splits.csv and fingerprints.json into a new run folder, or check that it is of the same command.

    Raises:
        RunFolderError: the folder is of another command (the sentence names the options that differ), or of an
            older version.
    """
    known = known_run(setting, study)
    if known is not None:
        if RunConfig.from_json(known.config) != setting.config:
            # What may differ: decisions, machine, output.
            command = shlex.join(["ttl", *sys.argv[1:]])
            known = replace(known, config=setting.config.to_json(), command=command)
            study.write(RUN, known)
        return known
    weights = setting.network.weights
    record = RunRecord(
        schema=SCHEMA,
        command=shlex.join(["ttl", *sys.argv[1:]]),
        config=setting.config.to_json(),
        seed=setting.config.seed,
        resolved={**setting.definition(), "seeds": list(setting.seeds), "device": setting.device},
        data=DataRecord(setting.task.fingerprint, setting.task.name),
        weights=WeightsRecord(weights.sha256, weights.summary()),
        versions=versions(),
        hardware=machine(),
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        id=uuid.uuid4().hex,
    )
    if processes.is_main():
        write_splits(setting.data, study.folder / SPLITS)
        study.write(FINGERPRINTS, image_fingerprints(setting.data))
        record = replace(record, splits_sha256=sha256(study.folder / SPLITS))
    study.write(RUN, record)
    return record


def known_run(setting: RunSetting, study: Study) -> RunRecord | None:
    """What run.json holds; None in a new run folder.

    Raises:
        RunFolderError: as `open_run`.
    """
    known = study.run()
    if known is None:
        return None
    if known.schema < SCHEMA:
        raise RunFolderError(
            f"The run folder {study.folder} was made by ttl {known.versions.get('ttl', 'of an older version')}, which "
            "named its fine-tunes otherwise: its report and files can be used, but to go on give another folder with "
            "--out"
        )
    differing = setting.config.differences(RunConfig.from_json(known.config))
    if known.data.fingerprint != setting.task.fingerprint:
        differing.append("the images themselves")
    if known.weights.sha256 != setting.network.weights.sha256:
        differing.append("the weights themselves")
    if differing:
        raise RunFolderError(
            f"The run folder {study.folder} was made with other options ({', '.join(dict.fromkeys(differing))}): "
            "give the same ones, or another folder with --out"
        )
    return known


def versions() -> dict[str, str]:
    """Of this tool, Python and the libraries that decide what is computed."""
    return {"ttl": __version__, "python": platform.python_version()} | {name: version(name) for name in RECORDED}


def machine() -> Machine:
    """What it is computed on."""
    return Machine(
        cpu=hardware().cpu,
        cores=processes.available_cores(),
        gpu=torch.cuda.get_device_name(0) if torch.cuda.is_available() else None,
        platform=platform.platform(),
        torch_threads=torch.get_num_threads(),
    )
