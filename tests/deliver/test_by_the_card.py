"""What the card and the file alone give is what `ttl predict` gives: a program without ttl follows the card."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import ExifTags, Image
from typer.testing import CliRunner

import by_the_card
from ttl.cli import app
from ttl.data.kind import KINDS
from ttl.deliver.exporting import describe
from ttl.deliver.file_record import FileRecord
from ttl.errors import ExportError
from ttl.export.contract import Contract, Decoding, Provenance, to_properties
from ttl.export.digest import seal
from ttl.export.embed.preprocessing import embed_preprocessing
from ttl.stats import DecisionRule

RECORD = FileRecord(file="model.onnx", state="passed", precision="fp32", trial="", sha256="ab" * 32, opset=20)
NAMES = ('gr"ey, dark', "pneumonie é", "third")
DEEP_NAMES = ("deep.png", "deep.tiff")


def contract_of(kind: str, classes: int, **changes: Any) -> Contract:
    made = Contract(
        kind=KINDS[kind],
        class_names=NAMES[:classes],
        sides=(24, 20),
        channels=3,
        mean=(0.485, 0.456, 0.406),
        std=(0.229, 0.224, 0.225),
        decoding=Decoding("bilinear", stretch="percentiles"),
        provenance=Provenance("toy", "none", "toy", 1, 1, 1, "ab" * 32, "0.1.0"),
    )
    return replace(made, **changes)


def graph_of(contract: Contract) -> onnx.ModelProto:
    """A convolution; of a classifier the means of its map, squared so that they depend on every pixel's place."""
    noise, outputs = np.random.default_rng(3), contract.outputs
    weights = {
        "w": noise.normal(0, 0.6, (outputs, 3, 3, 3)).astype(np.float32),
        "b": noise.normal(0, 0.2, outputs).astype(np.float32),
    }
    drawn = "logits" if contract.per_pixel else "map"
    nodes = [helper.make_node("Conv", ["image", "w", "b"], [drawn], pads=[1, 1, 1, 1])]
    if not contract.per_pixel:
        weights["axes"] = np.array([2, 3], np.int64)
        nodes.append(helper.make_node("Mul", ["map", "map"], ["squares"]))
        nodes.append(helper.make_node("ReduceMean", ["squares", "axes"], ["logits"], keepdims=0))
    sides = ["height", "width"] if contract.free_sides else list(contract.sides)
    taken = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 3, *sides])
    given = ["batch", outputs, *(sides if contract.per_pixel else [])]
    initializers = [numpy_helper.from_array(value, name) for name, value in weights.items()]
    graph = helper.make_graph(
        nodes, "toy", [taken], [helper.make_tensor_value_info("logits", TensorProto.FLOAT, given)], initializers
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def written(contract: Contract, folder: Path) -> tuple[Path, str]:
    """The file and its card, as `ttl export` writes them."""
    graph = graph_of(contract)
    if contract.embeds_preprocessing:
        graph = embed_preprocessing(graph, replace(contract, embeds_preprocessing=False))
    path = folder / "model.onnx"
    path.write_bytes(seal(graph.SerializeToString(), to_properties(contract)))
    describe(path, RECORD)
    return path, path.with_suffix(".md").read_text(encoding="utf-8")


def images_in(folder: Path) -> list[Path]:
    """Of the kinds that people have."""
    folder.mkdir()
    noise = np.random.default_rng(0)
    colour = noise.integers(0, 256, (37, 51, 3), dtype=np.uint8)
    alpha = noise.integers(0, 256, (37, 51, 1), dtype=np.uint8)
    deep = (noise.normal(9000, 1500, (37, 51)).clip(0, 65535)).astype(np.uint16)
    deep[0, :1], deep[5, 5] = 65535, 0
    turned = Image.Exif()
    turned[ExifTags.Base.Orientation] = 6
    Image.fromarray(colour).save(folder / "colour.png")
    Image.fromarray(colour[..., 0]).save(folder / "grey.png")
    Image.fromarray(np.concatenate([colour, alpha], axis=2)).save(folder / "alpha.png")
    Image.fromarray(np.concatenate([colour[..., :1], alpha], axis=2), "LA").save(folder / "grey-alpha.png")
    Image.fromarray(colour).convert("P", palette=Image.Palette.ADAPTIVE).save(folder / "palette.png")
    Image.fromarray(colour).save(folder / "turned.jpg", exif=turned, quality=95)
    Image.fromarray(np.concatenate([colour, alpha], axis=2), "CMYK").save(folder / "ink.jpg", quality=95)
    Image.fromarray(deep).save(folder / "deep.png")
    return sorted(folder.iterdir())


def predicted(model: Path, images: Path, out: Path) -> list[dict[str, Any]]:
    result = CliRunner().invoke(app, ["predict", str(model), str(images), "--json", "--out", str(out)])
    assert result.exit_code == 0, result.output
    rows: list[dict[str, Any]] = json.loads(result.stdout)
    return rows


AT = DecisionRule((NAMES[1],), (0.43,))
CLASSIFIERS = {
    "binary": contract_of("binary", 2),
    "binary at a threshold": contract_of("binary", 2, decision=AT),
    "multiclass": contract_of("multiclass", 3, decoding=Decoding("bicubic", fit="pad", stretch="percentiles")),
    "multiclass with a finding": contract_of(
        "multiclass", 3, decision=DecisionRule((NAMES[0], NAMES[2]), (0.6,)), decoding=Decoding("bilinear", fit="crop")
    ),
    "multilabel": contract_of("multilabel", 3),
    "multilabel at thresholds": contract_of("multilabel", 3, decision=DecisionRule((), (0.9, 0.2, 0.55))),
    "grey": contract_of("binary", 2, channels=1, decision=AT),
    "a range": contract_of(
        "multiclass", 3, channels=1, decoding=Decoding("bilinear", value_range=(8000.0, 10500.0), stretch="percentiles")
    ),
    "embedded": contract_of("binary", 2, embeds_preprocessing=True, decision=AT),
    "embedded grey": contract_of("multilabel", 3, channels=1, embeds_preprocessing=True),
}
MASKS = {
    "two classes": contract_of("segmentation", 2, free_sides=True, divisor=8, sides=(64, 64)),
    "two classes at a threshold": contract_of(
        "segmentation", 2, free_sides=True, divisor=8, sides=(64, 64), decision=replace(AT, per="pixel")
    ),
    "three classes": contract_of("segmentation", 3, free_sides=True, divisor=16, sides=(64, 64)),
    "windows": contract_of("segmentation", 3, free_sides=True, divisor=8, sides=(24, 24), channels=1),
    "fixed sides": contract_of("segmentation", 2, sides=(24, 32)),
    "embedded": contract_of("segmentation", 2, free_sides=True, divisor=8, sides=(64, 64), embeds_preprocessing=True),
}


@pytest.mark.parametrize("contract", CLASSIFIERS.values(), ids=CLASSIFIERS)
def test_a_classifier(contract: Contract, tmp_path: Path) -> None:
    model, card = written(contract, tmp_path)
    images = images_in(tmp_path / "images")
    for path, row in zip(images, predicted(model, tmp_path / "images", tmp_path / "out"), strict=True):
        assert Path(row["image"]) == path
        probabilities, decision = by_the_card.answer(card, model, path)
        wanted = [row["probabilities"][name] for name in contract.class_names]
        np.testing.assert_allclose(probabilities, wanted, atol=2e-6, err_msg=path.name)
        there = {True: (NAMES[1], "positive"), False: (NAMES[0], "negative")}
        is_right = row["decision"] in there[decision] if isinstance(decision, bool) else row["decision"] == decision
        assert is_right, (path.name, row["decision"], decision)


@pytest.mark.parametrize("contract", MASKS.values(), ids=MASKS)
def test_masks(contract: Contract, tmp_path: Path) -> None:
    model, card = written(contract, tmp_path)
    images = images_in(tmp_path / "images")
    for path, row in zip(images, predicted(model, tmp_path / "images", tmp_path / "out"), strict=True):
        probabilities, mask = by_the_card.answer(card, model, path)
        drawn = np.asarray(Image.open(row["mask"])).astype(np.int64)
        drawn = drawn // 255 if len(contract.class_names) == 2 else drawn
        assert probabilities.shape == (len(contract.class_names), *drawn.shape)
        assert (mask == drawn).all(), (path.name, int((mask != drawn).sum()))
        shares = [row["shares"][name] for name in contract.class_names]
        assert np.bincount(mask.ravel(), minlength=len(shares)) / mask.size == pytest.approx(shares)


def test_what_the_program_cannot_decode_it_refuses(tmp_path: Path) -> None:
    deep = np.zeros((9, 9), np.uint16)
    Image.fromarray(deep).save(tmp_path / "deep.tiff")
    usage = {"orientation": "exif", "transparency": "on black", "frame": "first"}
    with pytest.raises(ValueError, match="needs a decoder that gives all bits"):
        by_the_card.decoded(tmp_path / "deep.tiff", usage)


def test_a_card_of_two_classes_of_pixels_has_the_one_output_of_the_graph(tmp_path: Path) -> None:
    _, card = written(MASKS["two classes"], tmp_path)
    assert "Output `logits`: float32 `(batch, 1, height, width)`." in card
    assert '`logits` has one output, that of 1 "pneumonie é"' in card


def test_metadata_json_and_card_have_one_source(tmp_path: Path) -> None:
    model, card = written(CLASSIFIERS["multilabel"], tmp_path)
    usage = by_the_card.usage_in(card)
    (stored,) = (each.value for each in onnx.load(model).metadata_props if each.key == "ttl.usage")
    assert json.loads(stored) == usage
    assert json.loads(model.with_suffix(".json").read_text(encoding="utf-8"))["metadata"]["usage"] == usage
    assert '0 "gr\\"ey, dark", 1 "pneumonie é", 2 "third"' in card
    for number, step in enumerate(usage["steps"], start=1):
        assert f"{number}. {step}\n" in card


def test_a_file_whose_graph_is_another_gets_no_card(tmp_path: Path) -> None:
    contract = MASKS["two classes"]
    graph = graph_of(contract_of("segmentation", 3, free_sides=True, divisor=8))
    path = tmp_path / "model.onnx"
    path.write_bytes(seal(graph.SerializeToString(), to_properties(contract)))
    with pytest.raises(ExportError, match=r"its graph gives 'logits' .* of shape \(batch, 3, height, width\)"):
        describe(path, RECORD)
    assert not path.with_suffix(".md").exists()


def test_the_program_knows_nothing_of_ttl() -> None:
    source = Path(by_the_card.__file__).read_text(encoding="utf-8")
    assert not any(line.startswith(("import ttl", "from ttl")) for line in source.splitlines())
