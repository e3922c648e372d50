from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from PIL import Image
from torch import fx

from ttl.errors import ExportError
from ttl.export.contract import Contract
from ttl.export.run import OnnxModel
from ttl.export.to_file import ExportResult


@pytest.fixture(scope="module")
def model(exported: ExportResult) -> OnnxModel:
    return OnnxModel(exported.path, threads=1)


def grey_pixels(n: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (n, 1, 32, 32), dtype=np.uint8)


def expected(network: fx.GraphModule, contract: Contract, pixels: np.ndarray) -> np.ndarray:
    mean = torch.tensor(contract.mean).reshape(3, 1, 1)
    std = torch.tensor(contract.std).reshape(3, 1, 1)
    images = (torch.from_numpy(pixels).expand(-1, 3, -1, -1).float() / 255 - mean) / std
    with torch.no_grad():
        return network(images).double().softmax(dim=1).numpy()


def test_predict_is_the_models_softmax(model: OnnxModel, network: fx.GraphModule, contract: Contract) -> None:
    pixels = grey_pixels(5)
    got = model.predict(pixels, batch_size=2)
    assert got.dtype == np.float64
    np.testing.assert_allclose(got, expected(network, contract, pixels), atol=1e-5)
    np.testing.assert_allclose(got.sum(axis=1), 1.0)


def test_predict_takes_tensors_and_colour(model: OnnxModel) -> None:
    pixels = grey_pixels(2)
    got = model.predict(torch.from_numpy(np.repeat(pixels, 3, axis=1)))
    np.testing.assert_array_equal(got, model.predict(pixels))


def test_predict_nothing(model: OnnxModel) -> None:
    assert model.predict(grey_pixels(0)).shape == (0, 2)
    assert model.predict_images([]).shape == (0, 2)


def test_images_are_squashed_to_size_with_antialiasing(model: OnnxModel) -> None:
    image = Image.fromarray(np.random.default_rng(1).integers(0, 256, (90, 40), dtype=np.uint8))
    narrowed = image.resize((32, image.height), Image.Resampling.BILINEAR)
    pixels = np.asarray(narrowed.resize((32, 32), Image.Resampling.BILINEAR))[None, None]
    np.testing.assert_array_equal(model.predict_images([image]), model.predict(pixels))


def test_images_of_any_mode_are_taken_as_the_training_images_were(model: OnnxModel) -> None:
    grey = Image.fromarray(grey_pixels(1)[0, 0])
    got = model.predict_images([grey, grey.convert("RGB"), grey.convert("RGBA")], batch_size=2)
    np.testing.assert_allclose(got, np.repeat(model.predict_images([grey]), 3, axis=0), atol=1e-6)


@pytest.mark.parametrize(
    "pixels",
    [
        np.zeros((1, 1, 32, 32), np.float32),
        np.zeros((1, 2, 32, 32), np.uint8),
        np.zeros((1, 1, 32, 31), np.uint8),
        np.zeros((32, 32), np.uint8),
    ],
)
def test_wrong_pixels(model: OnnxModel, pixels: np.ndarray) -> None:
    with pytest.raises(ExportError, match=r"takes uint8 pixels of shape \(n, 1 or 3, 32, 32\) and was given"):
        model.predict(pixels)


def test_names_itself(model: OnnxModel) -> None:
    assert "resnet10t up to layer4.0, normal, pneumonie é" in repr(model)


def test_foreign_file(exported: ExportResult, tmp_path: Path) -> None:
    foreign = onnx.load(exported.path)
    del foreign.metadata_props[:]
    onnx.save(foreign, tmp_path / "foreign.onnx")
    with pytest.raises(ExportError, match=r"foreign\.onnx has no ttl metadata"):
        OnnxModel(tmp_path / "foreign.onnx")


def test_not_an_onnx_file(tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_text("not a model")
    with pytest.raises(ExportError, match=r"m\.onnx is damaged or isn't an ONNX file"):
        OnnxModel(tmp_path / "m.onnx")
    with pytest.raises(ExportError, match=r"none\.onnx doesn't exist or isn't a file"):
        OnnxModel(tmp_path / "none.onnx")
