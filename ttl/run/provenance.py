"""run.json: what was asked for and what it ran on, and whether a folder belongs to a command."""

from __future__ import annotations

import os
import platform
import shlex
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import torch

from ttl import __version__, processes
from ttl.config import RunConfig
from ttl.cost.session import hardware
from ttl.data import write_splits
from ttl.errors import RunFolderError
from ttl.run.prepared import Prepared
from ttl.study.study import RUN, Study

SPLITS = "splits.csv"
RECORDED = ("torch", "torchvision", "timm", "onnx", "onnxruntime", "scikit-learn", "numpy", "accelerate")


def open_run(prepared: Prepared, study: Study) -> dict[str, Any]:
    """Write run.json and splits.csv into a new run folder, or check that the folder's are of the same command.

    Raises:
        RunFolderError: the folder is of another command; the sentence names the options that differ.
    """
    known = known_run(prepared, study)
    if known is not None:
        return known
    content = describe_run(prepared)
    if processes.is_main():
        write_splits(prepared.task, study.folder / SPLITS)
    study.write(RUN, content)
    return content


def known_run(prepared: Prepared, study: Study) -> dict[str, Any] | None:
    """The content of run.json; None in a new run folder.

    Raises:
        RunFolderError: the folder is of another command; the sentence names the options that differ.
    """
    known = study.read(RUN)
    if known is None:
        return None
    differing = prepared.config.differences(RunConfig.from_json(known["config"]))
    if known["data"]["fingerprint"] != prepared.task.fingerprint:
        differing.append("the images themselves")
    if known["weights"]["sha256"] != prepared.backbone.weights.sha256:
        differing.append("the weights themselves")
    if differing:
        raise RunFolderError(
            f"The run folder {study.folder} was made with other options ({', '.join(dict.fromkeys(differing))}): "
            "give the same ones, or another folder with --out"
        )
    return known


def describe_run(prepared: Prepared) -> dict[str, Any]:
    """The content of run.json."""
    return {
        "schema": 1,
        "command": shlex.join(["ttl", *sys.argv[1:]]),
        "config": prepared.config.to_json(),
        "seed": prepared.config.seed,
        "resolved": {**prepared.definition(), "seeds": list(prepared.seeds), "device": prepared.device},
        "data": {"fingerprint": prepared.task.fingerprint, "name": prepared.task.name},
        "weights": {
            "sha256": prepared.backbone.weights.sha256,
            "summary": prepared.backbone.weights.summary(),
        },
        **describe_machine(),
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def describe_machine() -> dict[str, Any]:
    """What it is computed with: `versions` and `hardware`."""
    machine = hardware()
    return {
        "versions": {"ttl": __version__, "python": platform.python_version()}
        | {name: version(name) for name in RECORDED},
        "hardware": {
            "cpu": machine.cpu,
            "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
            "gpu": torch.cuda.get_device_name(0) if torch.cuda.is_available() else None,
            "platform": platform.platform(),
            "torch_threads": torch.get_num_threads(),
        },
    }
