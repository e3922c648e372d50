"""What every target says of itself, and what it does."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import onnx
import torch
from torch import nn

from ttl.export.checks import Check
from ttl.export.contract import Contract
from ttl.export.quantize import Quantized, Verdict

FloatArray = npt.NDArray[np.floating[Any]]
Run = Callable[[FloatArray], FloatArray]
"""Logits of normalised images `(n, 3, h, w)` float32."""


@dataclass(frozen=True)
class Calibration:
    """What a calibrated target is made with."""

    images: torch.Tensor
    """`(n, 3, h, w)` float32, normalised training images: no other data may shape the file."""
    accept: Callable[[onnx.ModelProto], Verdict]
    """Recomputes the metric on validation data from a candidate; where it refuses, layers stay in float."""
    weight_bits: Literal[7, 8] = 7
    """8, or 7 for processors whose 16-bit sums would overflow (x86 without VNNI)."""


@dataclass(frozen=True)
class Order:
    """What a file is to be like: see `export_model`; `images` are those that it is checked on."""

    images: torch.Tensor
    contract: Contract | None = None
    opset: int | None = None
    divisor: int | None = None
    calibration: Calibration | None = None


@dataclass(frozen=True)
class Made:
    """What was found while a file was written."""

    checks: tuple[Check, ...] = ()
    opset: int | None = None
    quantized: Quantized | None = None


@dataclass(frozen=True)
class Target(ABC):
    """One way in which a model leaves.

    Attributes:
        name: its row in `TARGETS`.
        suffixes: of its files' names, what comes behind the stem.
        label: what records call its precision; its name where empty.
        words: what its precision is called in a sentence.
        how_run: what is said of how `open` runs it.
        is_exact: whether it has to give PyTorch's metrics; else it has to be shown not to be inferior.
        is_calibrated: whether it needs a `Calibration`.
    """

    name: str
    suffixes: tuple[str, ...]
    label: str = ""
    words: str = "its own precision"
    how_run: str = "Run with graph optimisation off and on"
    is_exact: bool = True
    is_calibrated: bool = False

    @property
    def is_onnx(self) -> bool:
        """Whether its file says what it is: only then it is judged on data, may take decoded images, has a card."""
        return self.suffixes[-1] == "onnx"

    def file_name(self, stem: str, *, embedded: bool) -> str:
        """`model.onnx`, `model.int8.onnx`, `model.embedded.onnx`, `model.int8.embedded.onnx`, `model.pt2`."""
        *middle, extension = self.suffixes
        return ".".join([stem, *middle, *(["embedded"] if embedded and self.is_onnx else []), extension])

    @abstractmethod
    def write(self, model: nn.Module, path: Path, order: Order) -> Made:
        """Write the file of a model, which is on the CPU and in eval mode.

        Raises:
            ExportError: the model can't be exported so.
        """

    @abstractmethod
    def open(self, path: Path, device: str) -> Sequence[Run]:
        """The file ready to run, once for each way in which its runtime may run it.

        Raises:
            ExportError: it can't be run.
            LatencyError: the device can't be had.
        """

    def rounded(self, model: nn.Module) -> nn.Module:
        """The model in the precision of the file."""
        return model

    def tolerance(self, plain: float, rounding: float) -> float | None:
        """The largest difference of a logit from PyTorch in float32; None where the metric alone decides.

        Args:
            plain: what is allowed of float32.
            rounding: how far PyTorch in the file's precision is from float64.
        """
        return plain
