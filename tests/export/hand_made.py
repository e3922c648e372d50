"""Exported files as a stranger might make them: a network of one layer, a contract, and digests that fit."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from ttl.export.contract import Contract, to_properties
from ttl.export.digest import seal

Dims = list[int | str]


def linear(
    classes: int = 2, side: int | str = 32, *, batch: int | str = "batch", weight: float = 1.0, kind: int = 1
) -> onnx.ModelProto:
    """The mean of each channel, times 0, 1, 2 ...; the last of these numbers times `weight`."""
    weights = np.arange(3 * classes, dtype=np.float32).reshape(3, classes)
    weights[-1, -1] *= weight
    nodes = [
        helper.make_node("Cast", ["image"], ["real"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["real"], ["means"], axes=[2, 3], keepdims=0),
        helper.make_node("MatMul", ["means", "w"], ["logits"]),
    ]
    graph = helper.make_graph(
        nodes,
        "linear",
        [helper.make_tensor_value_info("image", kind, [batch, 3, side, side])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [batch, classes])],
        [numpy_helper.from_array(weights, "w")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)


def written(
    path: Path, model: onnx.ModelProto, contract: Contract, changed: Mapping[str, object] | None = None
) -> Path:
    """The file of a graph with the metadata of a contract, some changed: a text is JSON; None leaves one out."""
    properties = to_properties(contract)
    for key, value in (changed or {}).items():
        properties[f"ttl.{key}"] = value if isinstance(value, str) else json.dumps(value)
    path.write_bytes(seal(model.SerializeToString(), {k: v for k, v in properties.items() if v != "null"}))
    return path
