"""What is timed, and how it is called: plain values that go to a fresh process as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ttl.words.sides import Sides

ONNXRUNTIME, EAGER, COMPILED = "onnxruntime", "eager", "compiled"
PYTORCH = (EAGER, COMPILED)
CPU, CUDA = "cpu", "cuda"


@dataclass(frozen=True)
class Subject:
    """A model that is timed.

    Attributes:
        name: what rows and messages call it; the same model in another runtime has the same name.
        path: the ONNX file, or what the loader of a PyTorch module is given.
        runtime: `onnxruntime`, or `eager` or `compiled` (`torch.compile`, its default backend).
        loader: of a PyTorch module, `package.module:function`. It takes the path and returns the module in eval
            mode, or a tuple that begins with it.
        shape: of a PyTorch module, that of one image: channels, height, width.
    """

    name: str
    path: Path
    runtime: str = ONNXRUNTIME
    loader: str = ""
    shape: tuple[int, ...] = ()


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
    """What one fresh process does.

    Attributes:
        subjects: timed in turns; all of onnxruntime, or all of PyTorch.
        setting: how they are called.
        runs: timed calls of each.
        seconds: wall-clock limit for warming up and timing; opening and compiling come on top.
        seed: of the order, and of the images.
        alone: instead of timing, measure the memory of the one subject, and see where it runs.
    """

    subjects: tuple[Subject, ...]
    setting: Setting
    runs: int = 1
    seconds: float = 1.0
    seed: tuple[int, ...] = (0,)
    alone: bool = False


@dataclass(frozen=True)
class ModelAnswer:
    """What a process found of one model.

    Attributes:
        runtime: with its version.
        cold_start_ms: of opening it and calling it once.
        times_ms: way to be called -> a time a round; nothing but the ways where it failed.
        failed: why it can't be called; empty where it can.
    """

    runtime: str
    cold_start_ms: float
    times_ms: Mapping[str, tuple[float, ...]]
    failed: str = ""


@dataclass(frozen=True)
class Timed:
    """What a process that timed models answers.

    Attributes:
        models: in the order of the request's subjects.
        warm: whether times had settled when timing began.
        seconds: that warming up and timing took.
    """

    models: tuple[ModelAnswer, ...]
    warm: bool
    seconds: float


@dataclass(frozen=True)
class Inspected:
    """What a process with one model alone answers.

    Attributes:
        peak_memory_bytes: see `ttl.cost.worker`; None where it can't be known.
        provider: where it ran, in words.
    """

    peak_memory_bytes: int | None
    provider: str


@dataclass(frozen=True)
class Refused:
    """What a process answers that found an error which a user can cause: its class in `ttl.errors`, and its text."""

    error: str
    text: str


@dataclass(frozen=True)
class Answer:
    """One of the three."""

    timed: Timed | None = None
    inspected: Inspected | None = None
    refused: Refused | None = None
