"""A float graph and the ranges of its tensors as a graph of integer layers (QDQ)."""

from __future__ import annotations

import copy
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import onnx
from onnxruntime.quantization import QuantType
from onnxruntime.quantization.onnx_model import ONNXModel
from onnxruntime.quantization.qdq_quantizer import QDQQuantizer

from ttl.export.quiet import quiet
from ttl.export.structure import strip

WEIGHTED = ("Conv", "ConvTranspose", "Gemm", "MatMul")
CARRIED = (
    *("Add", "Mul", "Concat", "Split", "Slice", "Pad", "Resize"),
    *("Relu", "Clip", "LeakyRelu", "Sigmoid"),
    *("MaxPool", "AveragePool", "GlobalAveragePool"),
    *("Reshape", "Flatten", "Transpose", "Squeeze", "Unsqueeze"),
)
"""What onnxruntime's CPU kernels also do on integers, so that tensors stay in 8 bits from layer to layer."""

QUANTISABLE = [*WEIGHTED, *CARRIED]


@dataclass(frozen=True)
class Unit:
    """What is quantised, or kept in float, as one: a weighted node, and what is done to its output.

    `name` is the weighted node's; `nodes` the names of all of them.
    """

    name: str
    nodes: tuple[str, ...]


def units(graph: onnx.ModelProto) -> tuple[Unit, ...]:
    """The units of a graph in execution order.

    A node without weights belongs to the last weighted node that it depends on: an activation to its convolution, the
    addition that ends a residual block to the block's last convolution. In none, and so always float, are those above
    the first weighted node, and products of two activations (attention).
    """
    constants = {tensor.name for tensor in graph.graph.initializer}
    names: list[list[str]] = []
    made_by: dict[str, int] = {}
    for node in graph.graph.node:
        if node.op_type in WEIGHTED and node.input[1] in constants:
            owner = len(names)
            names.append([node.name])
        else:
            owner = max((made_by.get(tensor, -1) for tensor in node.input), default=-1)
            if owner >= 0 and node.op_type not in WEIGHTED:
                names[owner].append(node.name)
        made_by |= dict.fromkeys(node.output, owner)
    return tuple(Unit(nodes[0], tuple(nodes)) for nodes in names)


def quantised(graph: onnx.ModelProto, ranges: Any, chosen: Collection[Unit], *, weight_bits: int) -> onnx.ModelProto:
    """A copy of `graph` with tensors rounded between layers (QuantizeLinear, DequantizeLinear) and int8 weights.

    Its output is left in float: two logits beyond the calibrated range would else be the same number, and the order of
    the surest cases lost.

    Args:
        graph: float, preprocessed.
        ranges: onnxruntime's `TensorsData`: smallest and largest value of each tensor.
        chosen: what to quantise, at least one.
        weight_bits: 7 or 8.
    """
    with quiet():
        quantizer = QDQQuantizer(
            copy.deepcopy(graph),
            per_channel=True,
            reduce_range=weight_bits == 7,
            weight_qType=QuantType.QInt8,
            activation_qType=QuantType.QUInt8,
            tensors_range=ranges,
            nodes_to_quantize=[name for unit in chosen for name in unit.nodes],
            nodes_to_exclude=[],
            op_types_to_quantize=QUANTISABLE,
            extra_options={},
        )
        result: onnx.ModelProto = quantizer.quantize_model()
    _leave_output_in_float(result.graph)
    return result


def _leave_output_in_float(graph: onnx.GraphProto) -> None:
    """Take out, in place, the pair of nodes that would round the graph's output."""
    output = graph.output[0].name
    made_by = {tensor: node for node in graph.node for tensor in node.output}
    dequantize = made_by[output]
    if dequantize.op_type != "DequantizeLinear":
        return
    quantize = made_by[dequantize.input[0]]
    source = quantize.input[0]
    for node in (quantize, dequantize):
        graph.node.remove(node)
    for node in graph.node:
        for names in (node.input, node.output):
            names[:] = [output if name == source else name for name in names]


def finish(result: onnx.ModelProto, origin: onnx.ModelProto) -> None:
    """Make of a quantised graph, in place, what is shipped: sorted, nothing unused, described as the float one.

    Args:
        result: what `quantised` returned.
        origin: the float graph before it was preprocessed.
    """
    ONNXModel(result).topological_sort()
    strip(result)
    del result.graph.value_info[:]
    domains = {node.domain for node in result.graph.node}
    opsets = [item for item in result.opset_import if item.domain in domains]
    del result.opset_import[:], result.metadata_props[:]
    result.opset_import.extend(opsets)
    result.metadata_props.extend(origin.metadata_props)
    result.producer_name, result.producer_version = origin.producer_name, origin.producer_version
    result.doc_string, result.graph.doc_string = origin.doc_string, origin.graph.doc_string
