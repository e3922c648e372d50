"""Layers of 8-bit integers: quantised on training images, accepted or refused by the task metric."""

from __future__ import annotations

from dataclasses import dataclass

import onnx

from ttl.export.quantize import Quantized, quantize
from ttl.export.targets.target import OnnxTarget, Order


@dataclass(frozen=True)
class _Int8(OnnxTarget):
    def quantized(self, graph: onnx.ModelProto, order: Order) -> Quantized | None:
        """Static QDQ, per channel."""
        given = order.calibration
        assert given is not None  # `export_model` asked for it
        return quantize(graph, given.images.numpy(), given.accept, weight_bits=given.weight_bits)

    def tolerance(self, plain: float, rounding: float) -> float | None:
        """How far the logits are says little: the metric decides."""
        return None


TARGET = _Int8("int8", ("int8", "onnx"), is_exact=False, is_calibrated=True)
