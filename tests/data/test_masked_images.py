"""Crops of images with masks, what networks predict for whole ones, and the losses of their pixels."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from toy_images import masked_images
from ttl.data import IGNORE, KINDS
from ttl.data.kind import Rows
from ttl.data.kind.masks import pixel_probabilities
from ttl.data.kind.pixel_losses import PixelLoss
from ttl.data.modality.normalise import Normalise
from ttl.stats import segmentation_log_loss

KIND = KINDS["segmentation"]
CPU = torch.device("cpu")


def test_what_a_small_image_lacks_is_continued_and_not_learned_from() -> None:
    split = masked_images()
    crops, masks = split.crops(), split.crops_of_masks()
    assert crops.shape == (3, 1, 32, 32)
    assert (masks[1, 20:] == IGNORE).all()
    assert torch.equal(crops[1, 0, 20:], crops[1, 0, 19:20].expand(12, 32))
    assert torch.equal(masks[1, :20], split.masks[1])
    assert torch.equal(crops[2, 0], split.pixels[2][0, 16:48, 16:48])


def test_a_sampler_draws_images_by_the_rarest_class_that_they_hold() -> None:
    draws = KIND.objective(masked_images(), loss="dice", balance="sampler", outputs=3, device=CPU).draws
    assert draws is not None
    assert draws.tolist() == pytest.approx([1 / 3, 1 / 3, 1 / 3])


def test_balanced_classes_weigh_inverse_to_their_pixels() -> None:
    split = masked_images()
    objective = KIND.objective(split, loss="ce", balance="loss", outputs=3, device=CPU)
    assert objective.draws is None
    assert isinstance(objective.loss, PixelLoss)
    assert objective.loss.weights is not None
    counts = sum(torch.bincount(mask.flatten().long(), minlength=3) for mask in split.masks)
    alike = torch.full((3,), float(sum(counts)) / 3).double()
    torch.testing.assert_close((objective.loss.weights * counts).double(), alike)


def test_shares_are_parts_in_order() -> None:
    parts = [masked_images().share(rank, 2) for rank in (0, 1)]
    assert [len(part.masks) for part in parts] == [2, 1]
    assert parts[0].spacing == [None, (0.5, 0.5)]


class Reads(nn.Module):
    """Logits that are certain of the class that each pixel says; a second head of the others."""

    def __init__(self, heads: int = 1) -> None:
        super().__init__()
        self.heads = heads

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        classes = (x[:, 0] / 50).round().long()
        logits = 20 * nn.functional.one_hot(classes, 3).movedim(-1, 1).float()
        return logits if self.heads == 1 else torch.stack([logits, -logits], 1)


def predict(heads: int = 1, *, with_distance: bool = False) -> Rows:
    as_they_are = Normalise((0.0,) * 3, (1 / 255,) * 3, CPU)
    return KIND.predict(Reads(heads), masked_images(), as_they_are, divisor=4, with_distance=with_distance)


def test_a_perfect_network_overlaps_wholly_on_images_of_any_size() -> None:
    rows = predict()
    assert rows.shape == (3, 3, 5)
    counts = [torch.bincount(mask.flatten().long(), minlength=3).tolist() for mask in masked_images().masks]
    assert rows[:, :, 0].tolist() == counts
    assert rows[:, :, 1:3].sum() == 0
    assert segmentation_log_loss(rows) < 1e-6
    assert np.isnan(rows[:, :, 4]).all()
    assert (predict(with_distance=True)[0, :, 4] == 0).all()


def test_several_heads_give_a_row_each() -> None:
    rows = predict(heads=2)
    assert rows.shape == (3, 2, 3, 5)
    assert rows[:, 0, :, 2].sum() == 0
    assert (rows[:, 1, :, 0] == 0).all()


def test_one_output_is_the_foregrounds() -> None:
    logits = torch.tensor([[[[0.0, 3.0]]]])
    both = pixel_probabilities(logits)
    assert both.shape == (1, 2, 1, 2)
    torch.testing.assert_close(both[0, 1, 0], logits.sigmoid()[0, 0, 0])
    torch.testing.assert_close(both.sum(1), torch.ones(1, 1, 2))
    two = torch.cat([torch.zeros_like(logits), logits], 1)
    torch.testing.assert_close(pixel_probabilities(two), both)


def dice_loss(p: list[float], t: list[float]) -> float:
    return 1 - 2 * sum(a * b for a, b in zip(p, t, strict=True)) / (sum(p) + sum(t))


def test_the_losses_are_what_their_names_say() -> None:
    logits, targets = torch.tensor([[[[0.0, 2.0, -1.0]]]]), torch.tensor([[[0, 1, 1]]])
    p = logits.sigmoid().flatten().tolist()
    dice = dice_loss(p, [0, 1, 1])
    entropy = float(-(np.log(1 - p[0]) + np.log(p[1]) + np.log(p[2])) / 3)
    whole = torch.zeros(1, 2)
    for name, expected in (("dice", dice), ("ce", entropy), ("dice+ce", dice + entropy)):
        assert float(PixelLoss(name).loss(logits, targets, whole)) == pytest.approx(expected, rel=1e-5)
    weighted = PixelLoss("ce", torch.tensor([0.5, 2.0])).loss(logits, targets, whole)
    assert float(weighted) == pytest.approx(
        float(-(np.log(1 - p[0]) + 4 * np.log(p[1]) + 4 * np.log(p[2])) / 3), rel=1e-5
    )


@pytest.mark.parametrize("outputs", [1, 3])
@pytest.mark.parametrize("name", ["dice", "ce", "dice+ce"])
def test_unlabelled_pixels_teach_nothing(outputs: int, name: str) -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, outputs, 4, 4, generator=generator, requires_grad=True)
    targets = torch.randint(0, 2, (2, 4, 4), generator=generator)
    targets[:, :2] = IGNORE
    PixelLoss(name).loss(logits, targets, torch.zeros(2, 3)).backward()
    assert logits.grad is not None
    assert (logits.grad[:, :, :2] == 0).all()
    assert (logits.grad[:, :, 2:] != 0).any()


def test_a_part_of_a_batch_has_its_share_and_heads_their_mean() -> None:
    generator = torch.Generator().manual_seed(1)
    logits, targets = torch.randn(4, 3, 2, 2, generator=generator), torch.randint(0, 3, (4, 2, 2), generator=generator)
    entropy, whole = PixelLoss("ce"), torch.zeros(4, 3)
    parts = [entropy.loss(logits[i : i + 2], targets[i : i + 2], whole) for i in (0, 2)]
    torch.testing.assert_close(sum(parts), entropy.loss(logits, targets, whole))
    both = torch.stack([logits, -logits], 1)
    mean = (entropy.loss(logits, targets, whole) + entropy.loss(-logits, targets, whole)) / 2
    torch.testing.assert_close(entropy.loss(both, targets, whole), mean)
