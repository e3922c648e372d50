"""A file that anybody may have made: it is right, or refused in one sentence, before anything is asked of it."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import NodeProto, TensorProto, helper, numpy_helper
from PIL import Image
from typer.testing import CliRunner

from ttl.cli import app
from ttl.data.kind import KINDS
from ttl.errors import ExportError
from ttl.export import run
from ttl.export.contract import Contract
from ttl.export.run import OnnxModel

from .hand_made import linear, written

PIXELS = np.random.default_rng(0).integers(0, 256, (3, 1, 32, 32), dtype=np.uint8)


def opened(path: Path) -> OnnxModel:
    return OnnxModel(path, threads=1)


def test_a_sound_one_is_opened_and_run(contract: Contract, tmp_path: Path) -> None:
    found = opened(written(tmp_path / "x.onnx", linear(), contract)).predict(PIXELS)
    normalised = (PIXELS / 255 - np.reshape(contract.mean, (3, 1, 1))) / np.reshape(contract.std, (3, 1, 1))
    powers = np.exp(normalised.mean((2, 3)) @ np.arange(6).reshape(3, 2))
    np.testing.assert_allclose(found, powers / powers.sum(1, keepdims=True), rtol=1e-5)


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"std": [0, 0, 0]}, "the field std.0: input should be greater than 0"),
        ({"std": [1, 1]}, "the field std: tuple should have at least 3 items"),
        ({"mean": [0, float("nan"), 0]}, "the field mean.1: input should be a finite number"),
        ({"class_names": ["a"]}, "the field outputs is 2, and binary with 1 classes has 1"),
        ({"class_names": ["a", "b", "c"], "outputs": 3}, "the field class_names has 3 names, and binary has 2 classes"),
        ({"class_names": ["a", "a"]}, "the field class_names has a name twice, or none"),
        ({"class_names": []}, "the field class_names: tuple should have at least 1 item"),
        ({"image_size": 1000000000, "sides": None}, "the field sides.0: input should be less than or equal to 65536"),
        ({"image_size": 1e9, "sides": None}, "the field sides.0: input should be a valid integer"),
        ({"sides": [65536, 65536]}, "the field sides is 65536 x 65536"),
        ({"divisor": 10**9}, "divisor 1000000000, which no network has"),
        ({"channels": 2}, "the field channels: input should be 1 or 3"),
        ({"kind": '"regression"'}, "the field kind: "),
        (
            {"embeds_preprocessing": True},
            r"takes 'image' \(float\) of shape \(batch, 3, 32, 32\), and its metadata are ",
        ),
        ({"sides": [33, 33]}, r"takes 'image' \(float\) of shape \(batch, 3, 32, 32\), and its metadata are of one "),
        ({"free_sides": True}, r"of one that takes 'image' \(float\) of shape \(any, 3, any, any\)"),
        (
            {"kind": '"multilabel"', "class_names": ["a"], "outputs": 1, "activation": '"sigmoid"'},
            "its graph gives 'logits'",
        ),
        ({"std": "[" * 100_000}, "a value isn't JSON"),
        ({"std": "9" * 5000}, "a value isn't JSON"),
    ],
)
def test_metadata_that_disagree(contract: Contract, tmp_path: Path, changed: Mapping[str, object], why: str) -> None:
    path = written(tmp_path / "x.onnx", linear(), contract, changed)
    with pytest.raises(ExportError, match=rf"^\S+x\.onnx (can't be trusted: |has ttl metadata ).*{why}") as caught:
        opened(path)
    assert str(caught.value).endswith("export it again.")
    assert len(str(caught.value)) < 400


def with_input(model: onnx.ModelProto) -> None:
    model.graph.input.append(helper.make_tensor_value_info("more", TensorProto.FLOAT, ["batch", 3]))


def with_output(model: onnx.ModelProto) -> None:
    model.graph.node.append(helper.make_node("Neg", ["logits"], ["more"]))
    model.graph.output.append(helper.make_tensor_value_info("more", TensorProto.FLOAT, ["batch", 2]))


def renamed(model: onnx.ModelProto) -> None:
    model.graph.node[0].input[0] = model.graph.input[0].name = "pixels"


def flat(model: onnx.ModelProto) -> None:
    model.graph.node[1].attribute[1].i = 1  # keepdims
    model.graph.output[0].type.tensor_type.shape.dim.add().dim_value = 2


@pytest.mark.parametrize(
    ("model", "change", "why"),
    [
        (linear(), with_input, r"takes 'image' \(float\) of shape \(batch, 3, 32, 32\) and 'more' \(float\)"),
        (linear(), with_output, r"gives 'logits' \(float\) of shape \(batch, 2\) and 'more' \(float\)"),
        (linear(), renamed, r"takes 'pixels' \(float\)"),
        (linear(3), None, r"gives 'logits' \(float\) of shape \(batch, 3\)"),
        (linear(side=33), None, r"takes 'image' \(float\) of shape \(batch, 3, 33, 33\)"),
        (linear(batch=1), None, r"takes 'image' \(float\) of shape \(1, 3, 32, 32\)"),
        (linear(kind=TensorProto.DOUBLE), None, r"takes 'image' \(double\) of shape \(batch, 3, 32, 32\)"),
    ],
)
def test_a_graph_that_disagrees(
    contract: Contract, tmp_path: Path, model: onnx.ModelProto, change: Callable[..., None] | None, why: str
) -> None:
    if change:
        change(model)
    with pytest.raises(ExportError, match=rf"x\.onnx can't be trusted: its graph {why}.*; export it again\.$"):
        opened(written(tmp_path / "x.onnx", model, contract))


def shaped(node: NodeProto) -> onnx.ModelProto:
    """The output made of `given` and of `one`, a length of 1 that is known when the graph runs and not before."""
    model = linear()
    model.graph.node[2].output[0] = "given"
    constants = {"zero": np.float32(0), "half": np.full(1, 0.5, np.float32), "first": np.zeros(1, np.int64)}
    constants["axis"] = np.ones(1, np.int64)
    model.graph.initializer.extend(
        numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()
    )
    last = helper.make_node("ReduceMax", ["real"], ["most"], keepdims=0)
    made = [helper.make_node("Mul", ["most", "zero"], ["nothing"]), helper.make_node("Add", ["nothing", "half"], ["h"])]
    up = [helper.make_node("Ceil", ["h"], ["c"]), helper.make_node("Cast", ["c"], ["one"], to=TensorProto.INT64)]
    model.graph.node.extend([last, *made, *up, helper.make_node("Concat", ["one", "one"], ["ones"], axis=0), node])
    return model


def test_a_width_that_the_graph_leaves_open_is_seen_when_it_runs(contract: Contract, tmp_path: Path) -> None:
    model = shaped(helper.make_node("Slice", ["given", "first", "one", "axis"], ["logits"]))
    model.graph.output[0].type.tensor_type.shape.dim[1].dim_param = "classes"
    file = opened(written(tmp_path / "x.onnx", model, contract))
    with pytest.raises(ExportError, match=r"gave \(3, 1\) for images \(3, 3, 32, 32\), and by .* give \(3, 2\)"):
        file.predict(PIXELS)


@pytest.mark.parametrize("weight", [float("nan"), float("inf")])
def test_output_that_is_not_finite_is_no_decision(contract: Contract, tmp_path: Path, weight: float) -> None:
    path = written(tmp_path / "x.onnx", linear(weight=weight), contract)
    with pytest.raises(ExportError, match=r"x\.onnx gives NaN or infinity: nothing can be decided by that"):
        opened(path).predict(PIXELS)


def test_a_graph_that_fails_while_it_runs(contract: Contract, tmp_path: Path) -> None:
    model = shaped(helper.make_node("Reshape", ["given", "ones"], ["logits"]))
    with pytest.raises(ExportError, match=r"x\.onnx can't be run on images \(3, 3, 32, 32\): .*Reshape"):
        opened(written(tmp_path / "x.onnx", model, contract)).predict(PIXELS)


def test_weights_in_another_file_are_not_read(contract: Contract, tmp_path: Path) -> None:
    onnx.save(linear(), tmp_path / "own.onnx", save_as_external_data=True, location="w.bin", size_threshold=0)
    model = onnx.load(tmp_path / "own.onnx", load_external_data=False)
    with pytest.raises(ExportError, match=r"x\.onnx can't be run as an ONNX model: "):
        opened(written(tmp_path / "x.onnx", model, contract))


def test_the_bytes_that_run_are_those_that_were_looked_at(
    contract: Contract, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, read = written(tmp_path / "x.onnx", linear(), contract), run.read_whole
    wanted = opened(path).predict(PIXELS)

    def then_replaced(path: Path) -> tuple[bytes, dict[str, str]]:
        found = read(path)
        written(path, linear(weight=-1), contract)
        return found

    monkeypatch.setattr(run, "read_whole", then_replaced)
    np.testing.assert_array_equal(opened(path).predict(PIXELS), wanted)


def test_large_images_are_run_a_few_at_a_time(
    contract: Contract, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, sizes = opened(written(tmp_path / "x.onnx", linear(), contract)), []
    wanted, call = file.predict(PIXELS), file._call
    monkeypatch.setattr(file, "_call", lambda batch: sizes.append(len(batch)) or call(batch))
    monkeypatch.setattr(run, "PIXELS_A_CALL", 2 * 32 * 32)
    np.testing.assert_array_equal(file.predict(PIXELS), wanted)
    assert sizes == [2, 1]


def test_damage_ends_in_a_sentence_and_status_1(contract: Contract, tmp_path: Path) -> None:
    path = written(tmp_path / "x.onnx", linear(), replace(contract, kind=KINDS["multilabel"]))
    Image.fromarray(PIXELS[0, 0]).save(tmp_path / "scan.png")
    content, drawn = path.read_bytes(), random.Random(0)
    damaged = [content[: drawn.randrange(len(content))] for _ in range(4)]
    damaged += [
        bytes([*content[:at], content[at] ^ 4, *content[at + 1 :]]) for at in drawn.sample(range(len(content)), 4)
    ]
    for each in (b"", *damaged):
        path.write_bytes(each)
        done = CliRunner().invoke(app, ["predict", str(path), str(tmp_path / "scan.png")])
        assert (done.exit_code, done.stdout) == (1, "")
        assert done.stderr.startswith(f"ttl: {path} ")
        assert done.stderr.count("\n") == 1
