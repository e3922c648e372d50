"""What is timed, how it is called, and what a process that did so answers: plain values that go from one to another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ttl.words.sides import Sides

ONNXRUNTIME, OPENVINO, EAGER, COMPILED = "onnxruntime", "openvino", "eager", "compiled"
LIBRARIES = {ONNXRUNTIME: "onnxruntime", OPENVINO: "OpenVINO", EAGER: "PyTorch", COMPILED: "PyTorch"}
"""What is imported for a runtime."""
CPU, CUDA = "cpu", "cuda"
Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Subject:
    """A model that is timed; the same model in another runtime has the same `name`."""

    name: str
    path: Path  # the ONNX file, the `.xml` of an IR, or what the loader of a PyTorch module is given
    runtime: str = (
        ONNXRUNTIME  # `onnxruntime`, `openvino`, `eager` or `compiled` (`torch.compile`, its default backend)
    )
    # of a PyTorch module, `package.module:function`. It takes the path and returns the module in eval mode, or a tuple
    # that begins with it.
    loader: str = ""
    shape: tuple[int, ...] = ()  # of a PyTorch module, that of one image: channels, height, width


@dataclass(frozen=True)
class Setting:
    """How models are called: images a call, CPU threads, `cpu` or `cuda`, the sides of images where a file leaves them
    open; none says that no file does."""

    batch: int
    threads: int
    device: str = CPU
    sides: Sides = ()


@dataclass(frozen=True)
class Request:
    """What one fresh process does, with subjects that are all of one library.

    Of each there are so many timed `runs`; the wall-clock limit `seconds` is for warming up and timing, opening and
    compiling come on top; the `seed` is that of the order and of the images.
    """

    subjects: tuple[Subject, ...]
    setting: Setting
    runs: int = 1
    seconds: float = 1.0
    seed: tuple[int, ...] = (0,)


@dataclass(frozen=True)
class ModelTimes:
    """What a process measured of one model, in a `runtime` with its version.

    A cold start is opening it and calling it once; `times_ms` are `(rounds,)` for each way to be called, without rounds
    where it `failed`, which says why.
    """

    runtime: str
    cold_start_ms: float
    times_ms: Mapping[str, Array]
    failed: str = ""


@dataclass(frozen=True)
class Timed:
    """What a process that timed models answers: of each subject; whether times had settled when timing began; and the
    seconds that warming up and timing took."""

    models: tuple[ModelTimes, ...]
    warm: bool
    seconds: float


@dataclass(frozen=True)
class Inspected:
    """What a process with one model alone answers; no memory where it can't be measured."""

    peak_memory_bytes: int | None
    provider: str
