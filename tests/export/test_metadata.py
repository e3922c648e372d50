from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

from ttl.errors import ExportError
from ttl.export.metadata import Metadata, from_properties, read_metadata, to_properties

FILE = Path("m.onnx")


def test_round_trip(metadata: Metadata) -> None:
    assert from_properties(to_properties(metadata), FILE) == metadata


def test_properties_are_json_under_ttl_keys(metadata: Metadata) -> None:
    properties = to_properties(metadata)
    assert set(properties) == {f"ttl.{field.name}" for field in dataclasses.fields(Metadata)}
    assert json.loads(properties["ttl.class_names"]) == ["normal", "pneumonie é"]
    assert properties["ttl.image_size"] == "32"


def test_nan_is_written_as_null(metadata: Metadata) -> None:
    undefined = {"test": {"auroc": {"value": float("nan"), "ci_low": None, "ci_high": 1.0}}}
    properties = to_properties(dataclasses.replace(metadata, metrics=undefined))
    assert "NaN" not in properties["ttl.metrics"]
    assert from_properties(properties, FILE).metrics["test"]["auroc"]["value"] is None


def test_what_a_later_version_adds_is_left_alone(metadata: Metadata) -> None:
    later = to_properties(metadata) | {"ttl.colour": '"none"', "author": "someone"}
    assert from_properties(later, FILE) == metadata


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"ttl.image_size": '"large"'},
            "m.onnx has ttl metadata that can't be read: image_size: input should be",
        ),
        ({"ttl.mean": "[0.5]"}, "mean"),
        ({"ttl.kind": '"other"'}, "kind: input should be 'binary'"),
        ({"ttl.params": "{"}, "a value isn't JSON"),
    ],
)
def test_damaged(metadata: Metadata, change: dict[str, str], message: str) -> None:
    with pytest.raises(ExportError, match=message):
        from_properties(to_properties(metadata) | change, FILE)


def test_missing_value_is_named(metadata: Metadata) -> None:
    properties = to_properties(metadata)
    del properties["ttl.std"]
    with pytest.raises(ExportError, match="std: field required"):
        from_properties(properties, FILE)


def test_foreign_file(tmp_path: Path) -> None:
    image = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3])
    out = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 3])
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "foreign", [image], [out])
    onnx.save(helper.make_model(graph), tmp_path / "foreign.onnx")
    with pytest.raises(ExportError, match=r"foreign\.onnx has no ttl metadata: write it with `ttl export`"):
        read_metadata(tmp_path / "foreign.onnx")


def test_not_an_onnx_file(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("hello, this is not a model")
    with pytest.raises(ExportError, match=r"notes\.txt isn't an ONNX file"):
        read_metadata(path)


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"none\.onnx can't be read: No such file"):
        read_metadata(tmp_path / "none.onnx")
