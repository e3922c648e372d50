"""Tiny exported files with worked-out answers, and `ttl predict` on them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from PIL import Image
from typer.testing import CliRunner, Result

from ttl.cli import app
from ttl.data.kind import KINDS
from ttl.export.contract import Contract, Decoding, Provenance, to_properties
from ttl.stats import Aim, DecisionRule

CONTRACT = Contract(
    kind=KINDS["binary"],
    class_names=("dark", "bright"),
    sides=(4, 4),
    channels=3,
    mean=(0.5, 0.5, 0.5),
    std=(0.5, 0.5, 0.5),
    decoding=Decoding("bilinear"),
    provenance=Provenance("mean", "none", "mean", 1, 6, 6, "ab" * 32, "0.1.0"),
)
GRADES = replace(CONTRACT, kind=KINDS["multiclass"], class_names=("none", "mild", "grave"))
SLOPES = (-1.0, 0.9, 1.0)  # of the grades
LABELS = replace(CONTRACT, kind=KINDS["multilabel"])
MASKS = replace(CONTRACT, kind=KINDS["segmentation"], class_names=("ground", "cell"), free_sides=True)


def network(contract: Contract, slopes: Sequence[float] = (-1.0, 1.0)) -> onnx.ModelProto:
    """For every class the mean of the pixels times its slope; of masks each pixel by itself."""
    weight = np.array([slopes] * 3, np.float32)
    sides: list[Any] = [4, 4]
    if contract.per_pixel:
        nodes, sides = [helper.make_node("Conv", ["image", "weight"], ["logits"])], ["height", "width"]
        tensor, shape = weight.T[:, :, None, None], ["batch", len(slopes), *sides]
    else:
        nodes = [
            helper.make_node("GlobalAveragePool", ["image"], ["mean"]),
            helper.make_node("Flatten", ["mean"], ["flat"]),
            helper.make_node("MatMul", ["flat", "weight"], ["logits"]),
        ]
        tensor, shape = weight, ["batch", len(slopes)]
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 3, *sides])
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, shape)
    graph = helper.make_graph(nodes, "mean", [image], [logits], [numpy_helper.from_array(tensor, "weight")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    helper.set_model_props(model, to_properties(contract))
    return model


def bright(level: int) -> float:
    """The logit of slope 1 of an image of one grey."""
    return 3 * (level / 127.5 - 1)


def grey(path: Path, level: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (4, 4), level).save(path)
    return path


def predicted(
    folder: Path, contract: Contract, images: Path | Sequence[Path], *options: str, slopes: Any = (-1.0, 1.0)
) -> Result:
    onnx.save(network(contract, slopes), folder / "model.onnx")
    places = [images] if isinstance(images, Path) else images
    return CliRunner().invoke(app, ["predict", str(folder / "model.onnx"), *map(str, places), *options])


def rows_of(*arguments: Any, **options: Any) -> list[dict[str, Any]]:
    result = predicted(*arguments, "--json", **options)
    assert result.exit_code == 0, result.output
    rows: list[dict[str, Any]] = json.loads(result.stdout)
    return rows


def ruled(contract: Contract, *thresholds: float, finding: tuple[str, ...] = (), **more: Any) -> Contract:
    return replace(contract, decision=DecisionRule(finding, thresholds, Aim("threshold", thresholds[0]), **more))
