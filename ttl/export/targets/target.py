"""What every target says of itself, and what it does; and what those that are ONNX files share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import onnx
import torch
from torch import nn

from ttl.cost.session import available_threads, open_session
from ttl.errors import ExportError
from ttl.export.contract import Contract, to_properties
from ttl.export.digest import check_digests, seal
from ttl.export.onnx_graph import translate
from ttl.export.quantize import Quantized, Verdict
from ttl.export.run import FileModel, OnnxModel

FloatArray = npt.NDArray[np.floating[Any]]
ONE_FILE_LIMIT_BYTES = 2**31 - 1  # protobuf's limit for a message
Run = Callable[[FloatArray], FloatArray]
"""Logits of normalised images `(n, 3, h, w)` float32."""


@dataclass(frozen=True)
class Calibration:
    """What a calibrated target is made with, see `ttl.export.quantize.quantize`."""

    images: torch.Tensor
    accept: Callable[[onnx.ModelProto], Verdict]
    weight_bits: Literal[7, 8] = 7


@dataclass(frozen=True)
class Order:
    """What a file is to be like: see `export_model`; `images` are those that it is checked on."""

    images: torch.Tensor
    contract: Contract | None = None
    opset: int | None = None
    divisor: int | None = None
    calibration: Calibration | None = None


@dataclass(frozen=True)
class Target(ABC):
    """One way in which a model leaves, under its name in `TARGETS`."""

    name: str
    suffixes: tuple[str, ...]
    """Of its files' names, what comes behind the stem."""
    label: str = ""
    """What records call its precision; its name where empty."""
    words: str = "its own precision"
    """What its precision is called in a sentence."""
    how_run: str = "Run with graph optimisation off and on"
    slack: float | None = 0.0
    """A logit may differ from PyTorch's in float32 by so many times PyTorch's own rounding in the file's precision, on
    top of what float32 may; None where how far logits are says little, and the metric alone decides."""
    is_calibrated: bool = False

    @property
    def is_exact(self) -> bool:
        """Whether it has to give PyTorch's metrics; else it has to be shown not to be inferior."""
        return self.slack == 0

    @property
    def is_onnx(self) -> bool:
        """Whether it is an ONNX file: only then it may take decoded images."""
        return self.suffixes[-1] == "onnx"

    @property
    def is_described(self) -> bool:
        """Whether its file says what it is: only then it is judged on data, and has a card."""
        return self.is_onnx

    def file_name(self, stem: str, *, embedded: bool) -> str:
        """`model.onnx`, `model.int8.onnx`, `model.embedded.onnx`, `model.int8.embedded.onnx`, `model.pt2`."""
        *middle, extension = self.suffixes
        return ".".join([stem, *middle, *(["embedded"] if embedded and self.is_onnx else []), extension])

    @abstractmethod
    def write(self, model: nn.Module, path: Path, order: Order) -> Quantized | None:
        """Write the file of a model, which is on the CPU and in eval mode; what became integers, if anything did.

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

    def opened(self, path: Path) -> FileModel:
        """The file with its contract, where it is described.

        Raises:
            ExportError: it is damaged, or disagrees with its contract.
        """
        raise NotImplementedError(self.name)

    def properties(self, path: Path) -> dict[str, str]:
        """The metadata of a file that is described.

        Raises:
            ExportError: it is damaged.
        """
        raise NotImplementedError(self.name)

    def seal(self, path: Path, properties: Mapping[str, str]) -> None:
        """Put these metadata into a file that is described, and its digests."""
        raise NotImplementedError(self.name)

    def files(self, path: Path) -> tuple[Path, ...]:
        """All files of the one of that name, which comes first; most have no other."""
        return (path,)

    def beside(self, unchecked: Path, path: Path) -> AbstractContextManager[None]:
        """What becomes of the other files of this one while it is written under another name; most have none."""
        return nullcontext()


@dataclass(frozen=True)
class OnnxTarget(Target):
    """An ONNX file: input `image`, output `logits`, any batch size, weights inside."""

    def write(self, model: nn.Module, path: Path, order: Order) -> Quantized | None:
        """See `Target`."""
        graph = translate(self.rounded(model), order.images, opset=order.opset, divisor=order.divisor)
        if order.contract is not None:
            onnx.helper.set_model_props(graph, to_properties(order.contract))
        quantized = self.quantized(graph, order)
        write_graph(graph if quantized is None else quantized.graph, path)
        return quantized

    def quantized(self, graph: onnx.ModelProto, order: Order) -> Quantized | None:
        """The graph with integer layers, where it is a target of those."""
        return None

    def open(self, path: Path, device: str) -> Sequence[Run]:
        """With onnxruntime's graph optimisation off, and on."""
        threads = available_threads()
        return [_run_of(open_session(path, threads=threads, optimize=each, device=device)) for each in (False, True)]

    def opened(self, path: Path) -> FileModel:
        """In onnxruntime."""
        return OnnxModel(path)

    def properties(self, path: Path) -> dict[str, str]:
        """See `Target`."""
        return check_digests(path)

    def seal(self, path: Path, properties: Mapping[str, str]) -> None:
        """See `Target`."""
        path.write_bytes(seal(path.read_bytes(), properties))


def _run_of(session: Any) -> Run:
    name = session.get_inputs()[0].name
    return lambda images: np.asarray(session.run(None, {name: images})[0])


def write_graph(graph: onnx.ModelProto, path: Path) -> None:
    """Write a graph as one file; an ExportError where it is too large for that."""
    if graph.ByteSize() > ONE_FILE_LIMIT_BYTES:
        raise ExportError(f"The file would be {graph.ByteSize()} bytes: one ONNX file holds 2 GB; cut the model lower.")
    path.write_bytes(graph.SerializeToString())
