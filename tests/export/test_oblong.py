"""Files whose images aren't square: exported, compared, embedded and run."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from PIL import Image
from torch import nn

from ttl.data.kind import KINDS
from ttl.errors import ExportError
from ttl.export.contract import Contract, Decoding
from ttl.export.run import OnnxModel
from ttl.export.to_file import export_model

pytestmark = pytest.mark.usefixtures("translated_once")
SIDES = (24, 40)
SHAPES = [(24, 40), (90, 31), (200, 17), (31, 90), (5, 7), (41, 24), (160, 45)]


def image_of(height: int, width: int) -> Image.Image:
    noise = np.random.default_rng(height).integers(0, 2, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(noise * np.uint8(255))


@pytest.fixture(scope="module")
def classifier() -> nn.Module:
    """Of a fixed size: every pixel has a weight of its own, so that swapped sides give something else."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 2, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(2 * 24 * 40, 2))


@pytest.fixture(scope="module")
def oblong(contract: Contract) -> Contract:
    return replace(contract, sides=SIDES, channels=3, decoding=Decoding("bicubic"))


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_a_classifier(classifier: nn.Module, oblong: Contract, precision: str, tmp_path: Path) -> None:
    images = torch.randn(3, 3, *SIDES)
    path = export_model(classifier, tmp_path / "x.onnx", check_on=images, contract=oblong, precision=precision).path
    model, image = OnnxModel(path, threads=1), image_of(90, 31)
    assert (model.contract.sides, "ttl.image_size" in held(path)) == (SIDES, False)
    narrowed = image.resize((40, 90), Image.Resampling.BICUBIC)
    pixels = np.asarray(narrowed.resize((40, 24), Image.Resampling.BICUBIC)).transpose(2, 0, 1)[None].copy()
    np.testing.assert_array_equal(model.predict_images([image]), model.predict(pixels))
    normalised = (torch.from_numpy(pixels).float() / 255 - per_channel(oblong.mean)) / per_channel(oblong.std)
    with torch.no_grad():
        wanted = classifier(normalised).softmax(1).numpy()
    np.testing.assert_allclose(model.predict(pixels), wanted, atol=1e-5 if precision == "fp32" else 1e-2)
    with pytest.raises(ExportError, match=r"shape \(n, 1 or 3, 24, 40\) and was given uint8 of shape \(1, 3, 40, 24\)"):
        model.predict(pixels.transpose(0, 1, 3, 2))


def held(path: Path) -> dict[str, object]:
    return {item.key: json.loads(item.value) for item in onnx.load(path).metadata_props}


def per_channel(values: tuple[float, ...]) -> torch.Tensor:
    return torch.tensor(values).reshape(1, 3, 1, 1)


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize("channels", [1, 3])
def test_embedded(classifier: nn.Module, oblong: Contract, interpolation: str, channels: int, tmp_path: Path) -> None:
    """The gate compares pixels and probabilities with the training pipeline's."""
    own = replace(oblong, decoding=Decoding(interpolation), channels=channels)
    images = [image_of(*shape) for shape in SHAPES]
    done = export_model(
        classifier, tmp_path / "x.onnx", check_on=torch.randn(3, 3, *SIDES), contract=own, decoded=images
    )
    (found,) = (check for check in done.checks if check.name.startswith("Decoded images"))
    levels = int(found.found.split("pixels differ by ")[1].split(" of")[0])
    assert levels <= 2
    assert "on 7 images" in found.found
    assert OnnxModel(done.path, threads=1).predict_images(images).shape == (7, 2)


@pytest.mark.parametrize("free", [True, False])
def test_a_segmentation_in_windows(drawing: type[nn.Module], oblong: Contract, free: bool, tmp_path: Path) -> None:
    net, seen = drawing(1).eval(), []
    drawn = replace(oblong, kind=KINDS["segmentation"], class_names=("background", "nucleus"), divisor=8)
    path = tmp_path / "x.onnx"
    export_model(net, path, check_on=torch.randn(2, 3, *SIDES), contract=drawn, divisor=8 if free else None)
    model = OnnxModel(path, threads=1)
    run = model.run
    model.run = lambda batch: seen.append(batch.shape[2:]) or run(batch)  # type: ignore[method-assign, func-returns-value]
    pixels = np.asarray(image_of(50, 90)).transpose(2, 0, 1)
    (found,) = model.maps([pixels])
    assert (found.shape, set(seen)) == ((2, 50, 90), {SIDES})
    normalised = (torch.from_numpy(pixels[None].copy()).float() / 255 - per_channel(drawn.mean)) / per_channel(
        drawn.std
    )
    with torch.no_grad():
        whole = net.conv(normalised).sigmoid()[0, 0].numpy()
    # The middle of the first window, which no other reaches.
    np.testing.assert_allclose(found[1, 4:8, 6:12], whole[4:8, 6:12], atol=1e-5)
    np.testing.assert_allclose(found.sum(axis=0), 1, rtol=1e-6)
    (small,) = model.maps([pixels[:, :10, :33]])
    assert small.shape == (2, 10, 33)
    assert seen[-1] == ((16, 40) if free else SIDES)


def test_a_graph_with_another_number_of_outputs(classifier: nn.Module, oblong: Contract, tmp_path: Path) -> None:
    three = replace(oblong, kind=KINDS["multiclass"], class_names=("a", "b", "c"))
    with pytest.raises(
        ExportError,
        match=r"can't be trusted: its graph gives 'logits' \(float\) of shape \(batch, 2\), and its metadata "
        r"are of one that gives 'logits' \(float\) of shape \(any, 3\); export it again",
    ):
        export_model(classifier, tmp_path / "x.onnx", check_on=torch.randn(2, 3, *SIDES), contract=three)
    assert list(tmp_path.iterdir()) == []
