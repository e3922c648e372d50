"""Crops of images with masks, and the losses of their pixels."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from ttl.finetune.inference import Normalise
from ttl.finetune.pixels import PixelObjective, pixel_probabilities

from ttl.data import augmentation
from ttl.data.task import IGNORE
from ttl.finetune import MaskedImages
from ttl.finetune.feed import Feed
from ttl.stats import segmentation_log_loss

CPU = torch.device("cpu")
SIZES = ((40, 70), (20, 32), (64, 64))


def masked(side: int = 32, channels: int = 1) -> MaskedImages:
    """Images whose every pixel is the class of the same place in the mask, times 50."""
    generator = torch.Generator().manual_seed(0)
    masks = [torch.randint(0, 3, size, generator=generator).to(torch.uint8) for size in SIZES]
    pixels = [(mask * 50)[None].repeat(channels, 1, 1) for mask in masks]
    labels = np.array([[1, 1, 1], [1, 0, 1], [1, 1, 0]])
    return MaskedImages(pixels, masks, labels, side, [None, (0.5, 0.5), None])


def feed(split: MaskedImages, **options: object) -> Feed:
    told = {"batch_size": 4, "generator": torch.Generator().manual_seed(3), **options}
    augment = told.pop("augment", "none")
    return Feed(split, augmentation(augment), Normalise((0.0,) * 3, (1 / 255,) * 3, CPU), **told)  # type: ignore[arg-type]


def test_an_epoch_shows_as_many_crops_as_cover_the_images() -> None:
    # 40 x 70 takes two rows of three, 20 x 32 one, 64 x 64 two rows of two.
    assert torch.bincount(masked().samples).tolist() == [6, 1, 4]
    shown = [part.inputs.shape for batch in feed(masked()) for part in batch.parts]
    assert sum(shape[0] for shape in shown) == 11
    assert {shape[1:] for shape in shown} == {(3, 32, 32)}


@pytest.mark.parametrize("augment", ["none", "ttl", "microscopy"])
def test_image_and_mask_are_cropped_and_warped_alike(augment: str) -> None:
    # Warped images are interpolated: only what has neighbours of its own class says which it is.
    same = 1.0 if augment == "none" else 0.45
    for batch in feed(masked(), augment=augment):
        for part in batch.parts:
            known = part.targets != IGNORE
            agree = (part.inputs[:, 0].div(50).round() == part.targets)[known].float().mean()
            assert agree >= same


def test_warps_put_no_class_into_a_mask_that_it_hasnt() -> None:
    split = masked()
    for batch in feed(split, augment="microscopy"):
        for part in batch.parts:
            assert set(part.targets.unique().tolist()) <= {0, 1, 2, IGNORE}


def test_what_a_small_image_lacks_is_continued_and_not_learned_from() -> None:
    split = masked()
    crops, masks = split.crops(), split.crops_of_masks()
    assert crops.shape == (3, 1, 32, 32)
    assert (masks[1, 20:] == IGNORE).all()
    assert torch.equal(crops[1, 0, 20:], crops[1, 0, 19:20].expand(12, 32))
    assert torch.equal(masks[1, :20], split.masks[1])
    assert torch.equal(crops[2, 0], split.pixels[2][0, 16:48, 16:48])


def test_the_same_seed_gives_the_same_crops_however_the_batch_is_shared() -> None:
    (whole,) = feed(masked(), batch_size=11)
    halves = [next(iter(feed(masked(), batch_size=11, rank=rank, ranks=2))) for rank in (0, 1)]
    for part, first, second in zip(whole.parts, halves[0].parts, halves[1].parts, strict=True):
        assert torch.equal(part.inputs, torch.cat([first.inputs, second.inputs]))
        assert torch.equal(part.targets, torch.cat([first.targets, second.targets]))


def test_a_sampler_draws_images_by_the_rarest_class_that_they_hold() -> None:
    _, draw = masked().target("segmentation", "dice", "sampler", 3, CPU)
    assert draw is not None
    assert draw.tolist() == pytest.approx([1 / 3, 1 / 3, 1 / 3])


def test_shares_are_parts_in_order() -> None:
    parts = [masked().share(rank, 2) for rank in (0, 1)]
    assert [len(part.masks) for part in parts] == [2, 1]
    assert parts[0].spacing == [None, (0.5, 0.5)]


class Reads(nn.Module):
    """Logits that are certain of the class that each pixel says."""

    def __init__(self, outputs: int = 3, heads: int = 0) -> None:
        super().__init__()
        self.outputs, self.heads = outputs, heads

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        classes = (x[:, 0] / 50).round().long()
        logits = 20 * nn.functional.one_hot(classes, self.outputs).movedim(-1, 1).float()
        return logits if not self.heads else torch.stack([logits, -logits], 1)[:, : self.heads]


def test_a_perfect_network_overlaps_wholly_on_images_of_any_size() -> None:
    split = masked()
    told = {"kind": "segmentation", "mean": (0.0,) * 3, "std": (1 / 255,) * 3, "divisor": 4}
    rows = split.predict(Reads(), **told)  # type: ignore[arg-type]
    assert rows.shape == (3, 3, 5)
    counts = [torch.bincount(mask.flatten().long(), minlength=3).tolist() for mask in split.masks]
    assert rows[:, :, 0].tolist() == counts
    assert rows[:, :, 1:3].sum() == 0
    assert segmentation_log_loss(rows) < 1e-6
    assert np.isnan(rows[:, :, 4]).all()
    assert (split.predict(Reads(), **told, with_distance=True)[0, :, 4] == 0).all()  # type: ignore[arg-type]


def test_several_heads_give_a_row_each() -> None:
    told = {"kind": "segmentation", "mean": (0.0,) * 3, "std": (1 / 255,) * 3, "divisor": 4}
    rows = masked().predict(Reads(heads=2), **told)  # type: ignore[arg-type]
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
        assert float(PixelObjective(name).loss(logits, targets, whole)) == pytest.approx(expected, rel=1e-5)
    weighted = PixelObjective("ce", torch.tensor([0.5, 2.0])).loss(logits, targets, whole)
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
    PixelObjective(name).loss(logits, targets, torch.zeros(2, 3)).backward()
    assert logits.grad is not None
    assert (logits.grad[:, :, :2] == 0).all()
    assert (logits.grad[:, :, 2:] != 0).any()


def test_a_part_of_a_batch_has_its_share_and_heads_their_mean() -> None:
    logits, targets = torch.randn(4, 3, 2, 2), torch.randint(0, 3, (4, 2, 2))
    entropy, whole = PixelObjective("ce"), torch.zeros(4, 3)
    parts = [entropy.loss(logits[i : i + 2], targets[i : i + 2], whole) for i in (0, 2)]
    torch.testing.assert_close(sum(parts), entropy.loss(logits, targets, whole))
    both = torch.stack([logits, -logits], 1)
    mean = (entropy.loss(logits, targets, whole) + entropy.loss(-logits, targets, whole)) / 2
    torch.testing.assert_close(entropy.loss(both, targets, whole), mean)


def test_balanced_classes_weigh_inverse_to_their_pixels() -> None:
    split = masked()
    objective, draw = split.target("segmentation", "ce", "loss", 3, CPU)
    assert draw is None
    assert objective.class_weights is not None
    counts = sum(torch.bincount(mask.flatten().long(), minlength=3) for mask in split.masks)
    torch.testing.assert_close(
        (objective.class_weights * counts).double(), torch.full((3,), float(sum(counts)) / 3).double()
    )
