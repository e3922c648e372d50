"""`ttl predict` on a file that takes normalised images and on one that takes decoded ones."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image
from typer.testing import CliRunner

from ttl.cli import app
from ttl.data.kind import KINDS
from ttl.export.contract import Contract, Decoding, Provenance, to_properties
from ttl.export.embed.preprocessing import embed_preprocessing

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


def network() -> onnx.ModelProto:
    """The mean of the pixels for, and against, the second class."""
    weight = numpy_helper.from_array(np.array([[-1, 1]] * 3, np.float32), "weight")
    nodes = [
        helper.make_node("GlobalAveragePool", ["image"], ["mean"]),
        helper.make_node("Flatten", ["mean"], ["flat"]),
        helper.make_node("MatMul", ["flat", "weight"], ["logits"]),
    ]
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 3, 4, 4])
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 2])
    graph = helper.make_graph(nodes, "mean", [image], [logits], [weight])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    helper.set_model_props(model, to_properties(CONTRACT))
    return model


def test_both_files_give_the_same(tmp_path: Path) -> None:
    images = tmp_path / "images"
    images.mkdir()
    # Of one grey, so that resizing changes nothing: 255 is 1 after normalising, and its logits are -3 and 3.
    Image.new("L", (9, 5), 255).save(images / "white.png")
    Image.new("RGB", (2, 30), (0, 0, 0)).save(images / "black.png")
    onnx.save(network(), tmp_path / "plain.onnx")
    onnx.save(embed_preprocessing(network(), CONTRACT), tmp_path / "embedded.onnx")
    for name in ("plain.onnx", "embedded.onnx"):
        result = CliRunner().invoke(app, ["predict", str(tmp_path / name), str(images), "--json"])
        assert result.exit_code == 0, result.output
        rows = {Path(row["image"]).name: row for row in json.loads(result.output)}
        assert {name: row["class"] for name, row in rows.items()} == {"white.png": "bright", "black.png": "dark"}
        for image, sure in (("white.png", "bright"), ("black.png", "dark")):
            assert rows[image]["probabilities"][sure] == pytest.approx(1 / (1 + np.exp(-6)), abs=1e-6)
