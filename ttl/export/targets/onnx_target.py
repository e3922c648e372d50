"""What the targets that are ONNX files share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import onnx
from torch import nn

from ttl.cost.session import available_threads, open_session
from ttl.errors import ExportError
from ttl.export.checks import Check
from ttl.export.contract import to_properties
from ttl.export.quantize import Quantized
from ttl.export.targets.target import FloatArray, Made, Order, Run, Target
from ttl.export.translate import opset_of, translate

ONE_FILE_LIMIT_BYTES = 2**31 - 1  # protobuf's limit for a message


@dataclass(frozen=True)
class OnnxTarget(Target):
    """An ONNX file: input `image`, output `logits`, any batch size, weights inside."""

    def write(self, model: nn.Module, path: Path, order: Order) -> Made:
        """See `Target`."""
        graph = translate(self.rounded(model), order.images, opset=order.opset, divisor=order.divisor)
        if order.contract is not None:
            onnx.helper.set_model_props(graph, to_properties(order.contract))
        quantized = self.quantized(graph, order)
        write_graph(graph if quantized is None else quantized.graph, path)
        if quantized is None:
            return Made((), opset_of(graph))
        kept = f"{len(quantized.kept_in_float)} of {quantized.of_nodes}, by the metric on the validation images"
        return Made((Check("Layers kept in float", kept),), opset_of(graph), quantized)

    def quantized(self, graph: onnx.ModelProto, order: Order) -> Quantized | None:
        """The graph with integer layers, where it is a target of those."""
        return None

    def open(self, path: Path, device: str) -> Sequence[Run]:
        """With onnxruntime's graph optimisation off, and on."""
        opened = (
            open_session(path, threads=available_threads(), optimize=optimize, device=device)
            for optimize in (False, True)
        )
        return [partial(_run, session) for session in opened]


def _run(session: Any, images: FloatArray) -> FloatArray:
    result: FloatArray = session.run(None, {session.get_inputs()[0].name: images})[0]
    return result


def write_graph(graph: onnx.ModelProto, path: Path) -> None:
    """Write a graph as one file.

    Raises:
        ExportError: it is too large for that.
    """
    if graph.ByteSize() > ONE_FILE_LIMIT_BYTES:
        raise ExportError(f"The file would be {graph.ByteSize()} bytes: one ONNX file holds 2 GB; cut the model lower.")
    path.write_bytes(graph.SerializeToString())
