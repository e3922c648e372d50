"""What a classifier is given, and the probabilities that it gives."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from toy_networks import TinyResNet
from ttl.cut.points import truncation_points
from ttl.cut.truncation import truncate
from ttl.data.decoded import Images
from ttl.data.kind import KINDS
from ttl.data.modality.normalise import Normalise, normalised

MEAN, STD = (0.5, 0.25, 0.0), (0.5, 0.25, 2.0)


def predict(model: nn.Module, pixels: torch.Tensor, kind: str = "multiclass") -> np.ndarray:
    split = Images(pixels, np.zeros(len(pixels), np.int64))
    return KINDS[kind].predict(model, split, Normalise(MEAN, STD, "cpu"))


def tiny(num_classes: int = 3, dropout: float = 0.0) -> nn.Module:
    model = TinyResNet()
    point = truncation_points(model, image_size=32)["stage1.1"]
    return truncate(model, point, num_classes=num_classes, dropout=dropout)


def noise(n: int, channels: int = 3) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randint(0, 256, (n, channels, 32, 32), generator=generator, dtype=torch.uint8)


def test_normalising_gives_the_values_computed_by_hand() -> None:
    pixels = torch.tensor([[[[0, 255]], [[0, 255]], [[51, 255]]]], dtype=torch.uint8)
    expected = torch.tensor([[[[-1.0, 1.0]], [[-1.0, 3.0]], [[0.1, 0.5]]]])
    result = normalised(pixels, MEAN, STD)
    assert result.dtype == torch.float32
    torch.testing.assert_close(result, expected)


def test_grey_is_repeated_before_each_channel_is_normalised() -> None:
    pixels = torch.tensor([[[[0, 255]]], [[[51, 102]]]], dtype=torch.uint8)
    expected = torch.tensor(
        [[[[-1.0, 1.0]], [[-1.0, 3.0]], [[0.0, 0.5]]], [[[-0.6, -0.2]], [[-0.2, 0.6]], [[0.1, 0.2]]]]
    )
    torch.testing.assert_close(normalised(pixels, MEAN, STD), expected)


def test_pixels_between_two_values_are_not_rounded() -> None:
    pixels = torch.full((1, 1, 1, 1), 25.5)
    torch.testing.assert_close(normalised(pixels, (0.0,), (1.0,)), torch.full((1, 1, 1, 1), 0.1))


def test_the_networks_input_is_channels_last_and_the_pixels_stay_as_they_are() -> None:
    pixels = noise(2)
    before = pixels.clone()
    assert normalised(pixels, MEAN, STD).is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(pixels, before)


@pytest.mark.parametrize(("kind", "classes"), [("binary", 2), ("multiclass", 3)])
def test_probabilities_are_float64_and_each_row_sums_to_one(kind: str, classes: int) -> None:
    probabilities = predict(tiny(classes), noise(7), kind)
    assert probabilities.shape == (7, classes)
    assert probabilities.dtype == np.float64
    assert (probabilities >= 0).all()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=0, atol=1e-12)


def test_probabilities_are_the_softmax_of_the_eval_mode_logits_in_order() -> None:
    model, pixels = tiny().eval(), noise(5)
    with torch.no_grad():
        logits = model(normalised(pixels, MEAN, STD)).double().numpy()
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    found = predict(model, pixels)
    np.testing.assert_allclose(found, expected, rtol=1e-9)
    assert len(np.unique(found[:, 0])) == 5


def test_the_batch_size_changes_nothing_but_the_speed(monkeypatch: pytest.MonkeyPatch) -> None:
    model, pixels = tiny(), noise(7)
    whole = predict(model, pixels)
    monkeypatch.setattr("ttl.data.kind.classes.BATCH", 3)
    parts = predict(model, pixels)
    np.testing.assert_allclose(parts, whole, rtol=1e-5)


def test_grey_pixels_are_predicted_as_the_same_image_in_colour() -> None:
    model, grey = tiny(), noise(4, channels=1)
    colour = grey.repeat(1, 3, 1, 1)
    np.testing.assert_array_equal(
        predict(model, grey),
        predict(model, colour),
    )


def test_predicting_leaves_eval_mode_and_touches_no_weight_or_statistic() -> None:
    model = tiny(dropout=0.5).train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    first = predict(model, noise(4))
    assert not any(module.training for module in model.modules())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    np.testing.assert_array_equal(first, predict(model, noise(4)))
