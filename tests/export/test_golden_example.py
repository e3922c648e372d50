"""A file holds an input and its output: any runtime's answer is compared with that in two lines."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from math import gcd
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from PIL import Image
from torch import fx, nn
from typer.testing import CliRunner

from ttl.cli import app
from ttl.data.kind import KINDS
from ttl.errors import ExportError, GateError
from ttl.export import golden
from ttl.export.contract import Contract
from ttl.export.digest import check_digests, seal
from ttl.export.example import EXAMPLE, Example, example_image, example_in, example_of
from ttl.export.file_check import check_exported
from ttl.export.run import OnnxModel
from ttl.export.to_file import ExportResult, export_model

from .hand_made import linear, written

DOC = Path(__file__).parents[2] / "docs" / "deployment.md"
STATES = ["right", "right", "right"]


def held(path: Path) -> Example:
    found = example_in(check_digests(path), path)
    assert found is not None
    return found


def states(path: Path) -> list[str]:
    return [step.state for step in check_exported(path)]


def test_it_is_what_pytorch_gives(exported: ExportResult, network: fx.GraphModule, contract: Contract) -> None:
    example = held(exported.path)
    assert (example.type, example.shape, example.step) == ("float32", (1, 3, 32, 32), 1)
    np.testing.assert_array_equal(example.image, example_image(contract))
    with torch.no_grad():
        wanted = network(torch.from_numpy(example.image)).numpy()
    assert 0 < example.difference(wanted) + 1e-12 < example.tolerance < 1e-2
    assert example.difference(wanted + 2 * example.tolerance) > example.tolerance
    assert example.difference(wanted[:, :1]) == np.inf
    assert 0.5 < example.image.std() < 2  # as large as normalised images
    assert "Golden example against PyTorch" in {check.name for check in exported.checks}


def test_the_two_lines_of_the_documentation_find_a_changed_file(
    exported: ExportResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = DOC.read_text(encoding="utf-8")
    (snippet,) = [each for each in re.findall(r"```python\n(.*?)```", text, re.DOTALL) if "ttl.example" in each]
    monkeypatch.chdir(tmp_path)

    def agrees(model: onnx.ModelProto) -> bool:
        onnx.save(model, "model.onnx")
        session = ort.InferenceSession("model.onnx", providers=["CPUExecutionProvider"])
        names = {"session": session, "metadata": session.get_modelmeta().custom_metadata_map, "json": json, "np": np}
        exec(compile(snippet, str(DOC), "exec"), names)
        return bool(names["agrees"])

    model = onnx.load(exported.path)
    assert agrees(model)
    weights = next(each for each in model.graph.initializer if list(each.dims) == [2])
    weights.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(weights) + np.float32(0.01), weights.name))
    assert not agrees(model)


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_of_an_embedded_file_it_is_a_picture_of_another_size(
    network: fx.GraphModule, images: torch.Tensor, contract: Contract, tmp_path: Path, interpolation: str
) -> None:
    own = replace(contract, decoding=replace(contract.decoding, interpolation=interpolation))
    pictures = [Image.effect_noise((50, 41), 60), Image.effect_noise((20, 60), 60)]
    path = export_model(network, tmp_path / "x.onnx", check_on=images, contract=own, decoded=pictures).path
    example, plain = held(path), export_model(network, tmp_path / "plain.onnx", check_on=images, contract=own).path
    assert (example.type, example.shape) == ("uint8", (1, 63, 69, 3))
    wanted = OnnxModel(plain, threads=1).predict_images([Image.fromarray(example.image[0])])
    assert example.difference(wanted) <= example.tolerance == (1e-4 if interpolation == "bilinear" else 0.01)
    assert states(path) == STATES


@pytest.mark.parametrize(("classes", "embeds"), [(2, False), (3, False), (2, True)])
def test_of_masks_some_numbers_are_kept(
    drawing: Callable[[int], nn.Module], contract: Contract, tmp_path: Path, classes: int, embeds: bool
) -> None:
    kind = KINDS["segmentation"]
    own = replace(contract, kind=kind, class_names=tuple("abc"[:classes]), sides=(80, 64), divisor=8)
    pictures = [Image.effect_noise((50, 41), 60)] if embeds else []
    check_on = torch.randn(2, 3, 80, 64, generator=torch.Generator().manual_seed(0))
    network = drawing(own.outputs).eval()
    result = export_model(network, tmp_path / "x.onnx", check_on=check_on, contract=own, divisor=8, decoded=pictures)
    example = held(result.path)
    assert example.shape == ((1, 67, 69, 3) if embeds else (1, 3, 64, 64))
    assert 500 < len(example.output) <= 1024
    width = 69 if embeds else 64
    assert gcd(example.step, width) == 1  # all columns of a mask come in, not some
    assert states(result.path) == STATES
    assert len(check_digests(result.path)[EXAMPLE]) < 64 * 1024


def test_it_is_small_whatever_the_sides_and_the_outputs(contract: Contract) -> None:
    image = example_image(replace(contract, sides=(1000, 1100), embeds_preprocessing=True))
    assert image.shape == (1, 1031, 2205, 3)
    example = example_of(image, np.random.default_rng(0).random((1, 21841), np.float32), 1e-4)
    assert len(json.dumps([example.values, example.output])) < 32 * 1024
    np.testing.assert_array_equal(example.image, image)


def test_a_file_that_gives_something_else_than_training_is_refused(
    network: fx.GraphModule, images: torch.Tensor, contract: Contract, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(golden, "ROUNDED", -1.0)
    pictures = [Image.effect_noise((50, 41), 60)]
    with pytest.raises(GateError, match=r"golden example that differ from training's by .*, more than -1: export"):
        export_model(network, tmp_path / "x.onnx", check_on=images, contract=contract, decoded=pictures)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"shape": [1, 3, 10**5, 10**5]}, "the shape is larger than any input"),
        ({"shape": [1, 3, 32]}, "the field shape: tuple should have at least 4 items"),
        ({"values": []}, "the field values: tuple should have at least 1 item"),
        ({"type": "uint8"}, "a value isn't a whole number of 0 to 255"),
        ({"type": "int4"}, "the field type: "),
        ({"tolerance": 0}, "the field tolerance: input should be greater than 0"),
        ({"output": [float("nan")]}, "the field output.0: input should be a finite number"),
        ({"shape": [1, 3, 33, 33]}, r"can't be run on images \(1, 3, 33, 33\)"),
        ({"output": [0.5]}, "this runtime doesn't compute what the exported file did"),
    ],
)
def test_one_that_makes_no_sense_is_wrong_in_a_sentence(
    contract: Contract, tmp_path: Path, change: Mapping[str, object], why: str
) -> None:
    path = tmp_path / "x.onnx"
    made = {
        "type": "float32",
        "shape": [1, 3, 32, 32],
        "values": [1.0],
        "output": [9.0, 9.0],
        "step": 1,
        "tolerance": 1,
    }
    written(path, linear(), contract, {"example": made | change})
    *before, last = check_exported(path)
    assert [step.state for step in before] == ["right", "right"]
    assert (last.name, last.state) == ("golden example", "wrong")
    assert re.search(why, last.why)


@pytest.mark.parametrize("text", ["{", "[" * 100_000, "9" * 5000])
def test_one_that_is_not_json_is_a_sentence(text: str) -> None:
    with pytest.raises(ExportError, match=r"^x has an example that can't be read: it isn't JSON; export it again\.$"):
        example_in({EXAMPLE: text}, Path("x"))


def test_check_says_what_was_found(exported: ExportResult) -> None:
    done = CliRunner().invoke(app, ["check", str(exported.path)])
    assert done.exit_code == 0, done.output
    first, second, third = done.stdout.splitlines()
    assert (first, second) == ("right  digests", "right  contract and graph")
    assert re.fullmatch(r"right  golden example: largest difference \S+, allowed \S+", third)
    rows = json.loads(CliRunner().invoke(app, ["check", str(exported.path), "--json"]).stdout)
    assert [row["state"] for row in rows] == STATES
    assert 0 <= rows[2]["difference"] <= rows[2]["tolerance"]


def test_check_of_a_file_that_is_not_right_fails(exported: ExportResult, contract: Contract, tmp_path: Path) -> None:
    path, content = tmp_path / "x.onnx", exported.path.read_bytes()
    path.write_bytes(content[:-9])
    done = CliRunner().invoke(app, ["check", str(path)])
    assert (done.exit_code, done.stdout[:14]) == (1, "wrong  digests")
    model, properties = onnx.load(exported.path), check_digests(exported.path)
    path.write_bytes(seal(model.SerializeToString(), properties | {"ttl.sides": "[33, 33]", "ttl.image_size": "33"}))
    assert states(path) == ["right", "wrong"]
    weights = next(each for each in model.graph.initializer if list(each.dims) == [2])
    weights.CopyFrom(onnx.numpy_helper.from_array(np.array([0, 1], np.float32), weights.name))
    path.write_bytes(seal(model.SerializeToString(), properties))
    assert states(path) == ["right", "right", "wrong"]
    assert CliRunner().invoke(app, ["check", str(path)]).exit_code == 1


def test_check_of_an_older_file_says_what_it_has_not(contract: Contract, tmp_path: Path) -> None:
    path = tmp_path / "x.onnx"
    written(path, linear(), contract)
    model = onnx.load(path)
    kept = [item for item in model.metadata_props if not item.key.startswith("ttl.sha256")]
    del model.metadata_props[:]
    model.metadata_props.extend(kept)
    onnx.save(model, path)
    assert states(path) == ["not there", "right", "not there"]
    with pytest.raises(ExportError, match=r"none\.onnx doesn't exist"):
        check_exported(tmp_path / "none.onnx")
