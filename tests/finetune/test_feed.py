"""Batches of crops of images with masks; of whole images see `test_loop.py`."""

from __future__ import annotations

import pytest
import torch

from toy_images import masked_images
from ttl.data import IGNORE, augmentation
from ttl.data.modality.normalise import Normalise
from ttl.finetune.feed import Feed


def feed(augment: str = "none", batch_size: int = 4, **options: int) -> Feed:
    generator = torch.Generator().manual_seed(3)
    normalise = Normalise((0.0,) * 3, (1 / 255,) * 3, "cpu")
    split, warps = masked_images(), augmentation(augment)
    return Feed(split, warps, normalise, batch_size=batch_size, generator=generator, **options)


def test_an_epoch_shows_as_many_crops_as_cover_the_images() -> None:
    # 40 x 70 takes two rows of three, 20 x 32 one, 64 x 64 two rows of two.
    assert torch.bincount(masked_images().samples).tolist() == [6, 1, 4]
    shapes = [part.inputs.shape for batch in feed() for part in batch.parts]
    assert sum(shape[0] for shape in shapes) == 11
    assert {shape[1:] for shape in shapes} == {(3, 32, 32)}


@pytest.mark.parametrize("augment", ["none", "ttl", "microscopy"])
def test_image_and_mask_are_cropped_and_warped_alike(augment: str) -> None:
    # Warped images are interpolated: only what has neighbours of its own class says which it is.
    same = 1.0 if augment == "none" else 0.45
    for batch in feed(augment):
        for part in batch.parts:
            labelled = part.targets != IGNORE
            agree = (part.inputs[:, 0].div(50).round() == part.targets)[labelled].float().mean()
            assert agree >= same
            # A warp takes the nearest pixel of a mask: the mean of two classes would be a third one.
            assert set(part.targets.unique().tolist()) <= {0, 1, 2, IGNORE}


def test_the_same_seed_gives_the_same_crops_however_the_batch_is_shared() -> None:
    (whole,) = feed(batch_size=11)
    halves = [next(iter(feed(batch_size=11, rank=rank, ranks=2))) for rank in (0, 1)]
    for part, first, second in zip(whole.parts, halves[0].parts, halves[1].parts, strict=True):
        assert torch.equal(part.inputs, torch.cat([first.inputs, second.inputs]))
        assert torch.equal(part.targets, torch.cat([first.targets, second.targets]))
