"""What is timed, and how it is called: plain values that go to a fresh process as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

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
    """How models are called: images a call, CPU threads, `cpu` or `cuda`, the side of images where a file leaves it."""

    batch: int
    threads: int
    device: str = CPU
    image_size: int | None = None


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

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        content = asdict(self)
        for subject in content["subjects"]:
            subject["path"] = str(subject["path"])
        return content

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Self:
        """What `to_json` gave."""
        subjects = tuple(
            Subject(**{**each, "path": Path(each["path"]), "shape": tuple(each["shape"])}) for each in told["subjects"]
        )
        more = {name: told[name] for name in ("runs", "seconds", "alone")}
        return cls(subjects, Setting(**told["setting"]), seed=tuple(told["seed"]), **more)
