"""A float graph made ready, the ranges of its tensors on training images, and the graph of integer layers (QDQ)."""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnxruntime.quantization import QuantType
from onnxruntime.quantization.calibrate import create_calibrator
from onnxruntime.quantization.onnx_model import ONNXModel
from onnxruntime.quantization.qdq_quantizer import QDQQuantizer
from onnxruntime.quantization.quant_utils import add_infer_metadata
from onnxruntime.quantization.shape_inference import quant_pre_process

from ttl.errors import ExportError
from ttl.export.onnx_graph import lowest_ir_version, strip
from ttl.export.quiet import first_line, quiet

WEIGHTED = ("Conv", "ConvTranspose", "Gemm", "MatMul")
CARRIED = (
    *("Add", "Mul", "Concat", "Split", "Slice", "Pad", "Resize"),
    *("Relu", "Clip", "LeakyRelu", "Sigmoid"),
    *("MaxPool", "AveragePool", "GlobalAveragePool"),
    *("Reshape", "Flatten", "Transpose", "Squeeze", "Unsqueeze"),
)
"""What onnxruntime's CPU kernels also do on integers, so that tensors stay in 8 bits from layer to layer."""
QUANTISABLE = [*WEIGHTED, *CARRIED]
BATCH = 8
"""Images a run: all tensors of a run are in memory at once."""

Images = npt.NDArray[np.float32]
Unit = tuple[str, ...]
"""Names of what is quantised, or kept in float, as one: a weighted node, and behind it what is done to its output."""


@dataclass(frozen=True)
class Calibrated:
    """A preprocessed graph, the units that it consists of, and onnxruntime's `TensorsData`: the ranges of tensors."""

    graph: onnx.ModelProto
    units: tuple[Unit, ...]
    ranges: Any


def calibrate(graph: onnx.ModelProto, images: Images, **how: Any) -> Calibrated:
    """Preprocess a copy of a float graph and run it on normalised images `(n, 3, h, w)`.

    Ranges go from the smallest value to the largest, found within the graph, in little memory. Entropy and percentiles
    (options `how` of onnxruntime's `create_calibrator`) gave no consistent gain: docs/quantization.md.

    Raises:
        ExportError: the graph has nothing to quantise, can't be run on the images, or gives NaN or infinity.
    """
    with tempfile.TemporaryDirectory(prefix="ttl-int8-") as name:
        folder = Path(name)
        ready = _preprocessed(graph, folder)
        found = units(ready)
        if not found:
            raise ExportError(f"The graph has no {', '.join(WEIGHTED[:-1])} or {WEIGHTED[-1]}: keep it in fp32.")
        ranges = _ranges(ready, images, folder, how)
    broken = [name for name, seen in ranges.items() if not np.isfinite(seen.range_value).all()]
    if broken:
        raise ExportError(
            f"The tensor {broken[0]!r} is NaN or infinite on a training image: the weights are broken; fine-tune again."
        )
    return Calibrated(ready, found, ranges)


def _preprocessed(graph: onnx.ModelProto, folder: Path) -> onnx.ModelProto:
    """Batch norms folded, constants computed, shapes inferred, every node named."""
    given, ready = folder / "given.onnx", folder / "ready.onnx"
    onnx.save(graph, str(given))
    with quiet():
        # Symbolic shape inference adds only shapes, which aren't needed, and where it gives up it writes a file to the
        # working directory.
        quant_pre_process(str(given), str(ready), skip_symbolic_shape=True)
    result = onnx.load(str(ready))
    for index, node in enumerate(result.graph.node):
        node.name = node.name or f"{node.op_type}_{index}"
    add_infer_metadata(result)  # else the quantiser infers shapes again for every trial
    return result


def _ranges(graph: onnx.ModelProto, images: Images, folder: Path, how: Mapping[str, Any]) -> Any:
    named, augmented, name = folder / "named.onnx", folder / "augmented.onnx", graph.graph.input[0].name
    onnx.save(graph, str(named))
    try:
        with quiet():
            calibrator = create_calibrator(named, QUANTISABLE, str(augmented), **how)
            # A reader each, since the calibrator holds what a whole reader gave until its end.
            for start in range(0, len(images), BATCH):
                feeds = iter([{name: images[start : start + BATCH]}])
                calibrator.collect_data(SimpleNamespace(get_next=partial(next, feeds, None)))
            return calibrator.compute_data()
    except Exception as error:  # onnxruntime has a dozen unrelated exception classes and exports no base
        raise ExportError(f"The file can't be run on the calibration images: {first_line(error)}") from error


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
    return tuple(tuple(nodes) for nodes in names)


def quantised(graph: onnx.ModelProto, ranges: Any, chosen: Collection[Unit], *, weight_bits: int) -> onnx.ModelProto:
    """A copy of a preprocessed float graph with tensors rounded between layers, and with int8 weights (QDQ).

    Its output is left in float: two logits beyond the calibrated range would else be the same number, and the order of
    the surest cases lost. The `ranges`, smallest and largest value of each tensor, are onnxruntime's `TensorsData`.
    """
    with quiet():
        quantizer = QDQQuantizer(
            copy.deepcopy(graph),
            per_channel=True,
            reduce_range=weight_bits == 7,
            weight_qType=QuantType.QInt8,
            activation_qType=QuantType.QUInt8,
            tensors_range=ranges,
            nodes_to_quantize=[name for unit in chosen for name in unit],
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
    """Make of what `quantised` returned, in place, what is shipped: sorted, nothing unused, described as the `origin`,
    the float graph before it was preprocessed."""
    ONNXModel(result).topological_sort()
    strip(result)
    del result.graph.value_info[:]
    domains = {node.domain for node in result.graph.node}
    opsets = [item for item in result.opset_import if item.domain in domains]
    del result.opset_import[:], result.metadata_props[:]
    result.opset_import.extend(opsets)
    result.ir_version = lowest_ir_version(result)
    result.metadata_props.extend(origin.metadata_props)
    result.producer_name, result.producer_version = origin.producer_name, origin.producer_version
    result.doc_string, result.graph.doc_string = origin.doc_string, origin.graph.doc_string
