from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from ttl.data import AUGMENTATIONS, Augment, augmentation
from ttl.data.modality.augment import _grid
from ttl.errors import UsageError


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def warp(augment: Augment, images: torch.Tensor, source: torch.Generator) -> torch.Tensor:
    return augment(images, augment.draw(len(images), source))


@pytest.fixture
def images() -> torch.Tensor:
    return torch.rand((6, 3, 16, 20), generator=generator(9))


def test_none_changes_and_draws_nothing(images: torch.Tensor) -> None:
    source = generator()
    before = source.get_state()
    assert warp(AUGMENTATIONS["none"], images, source) is images
    assert torch.equal(source.get_state(), before)


def test_the_same_seed_gives_the_same_bits(images: torch.Tensor) -> None:
    kept = images.clone()
    first = warp(AUGMENTATIONS["ttl"], images, generator(1))
    assert torch.equal(first, warp(AUGMENTATIONS["ttl"], images, generator(1)))
    assert not torch.equal(first, warp(AUGMENTATIONS["ttl"], images, generator(2)))
    assert torch.equal(images, kept)


def test_each_sample_is_warped_by_itself_and_its_channels_together(images: torch.Tensor) -> None:
    same = images[:1, :1].expand(6, 3, -1, -1)
    warped = warp(AUGMENTATIONS["ttl"], same, generator())
    assert torch.equal(warped[:, 0], warped[:, 1])
    assert all(not torch.equal(warped[0], other) for other in warped[1:])


def test_a_crop_stays_inside_the_image() -> None:
    ramp = torch.linspace(0, 1, 21).expand(1, 1, 21, 21)
    crop = Augment("crop", min_crop_scale=0.5)
    warped = warp(crop, ramp.expand(200, 1, 21, 21), generator())
    width = warped[:, 0, 10, -1] - warped[:, 0, 10, 0]
    assert 0.49 < width.min() < 0.55
    assert 0.95 < width.max() < 1.01
    steps = warped.diff(dim=-1)
    assert steps.min() >= -1e-6
    assert (steps[:, 0, 10, 5:15].std(dim=1) < 1e-5).all()


def test_rotation_is_at_most_what_was_asked_for() -> None:
    rows = torch.linspace(-1, 1, 41).expand(41, 41)
    warped = warp(Augment("turn", max_rotation_degrees=10.0), rows.T.expand(300, 1, 41, 41), generator())
    middle = warped[:, 0, 15:26, 15:26]
    across = (middle[:, 5, -1] - middle[:, 5, 0]) / (middle[:, -1, 5] - middle[:, 0, 5])
    degrees = torch.rad2deg(torch.atan(across))
    assert 9 < degrees.max() <= 10.01
    assert -10.01 <= degrees.min() < -9


def test_a_rotation_keeps_its_angle_on_images_that_are_not_square() -> None:
    disc = torch.zeros(1, 1, 40, 80)
    disc[..., 20, 40:52] = 1  # a line from the centre to the right
    turned = warp(Augment("turn", max_rotation_degrees=90.0), disc.expand(50, 1, 40, 80), generator(3))
    rows, columns = torch.meshgrid(torch.arange(40.0) - 19.5, torch.arange(80.0) - 39.5, indexing="ij")
    distance = (turned[:, 0] * (rows**2 + columns**2).sqrt()).sum(dim=(1, 2)) / turned.sum(dim=(1, 2, 3))
    assert torch.allclose(distance, torch.full((50,), 6.1), atol=0.7)


def test_half_precision_comes_back_as_it_was(images: torch.Tensor) -> None:
    half = warp(AUGMENTATIONS["ttl"], images.bfloat16(), generator())
    assert half.dtype == torch.bfloat16
    exact = warp(AUGMENTATIONS["ttl"], images.bfloat16().float(), generator())
    assert torch.equal(half, exact.bfloat16())


def test_the_presets_are_named_by_their_key() -> None:
    assert {name: augment.name for name, augment in AUGMENTATIONS.items()} == {
        "none": "none",
        "ttl": "ttl",
        "partial-transfusion": "partial-transfusion",
        "microscopy": "microscopy",
    }


def test_a_flip_mirrors_half_of_the_images_and_nothing_else(images: torch.Tensor) -> None:
    many = images[:1].expand(200, -1, -1, -1)
    flipped = warp(Augment("flip", flips="h"), many, generator(1))
    same = distance(flipped, many) < 1e-3
    mirrored = distance(flipped, many.flip(3)) < 1e-3
    assert bool((same | mirrored).all())
    assert 60 < int(mirrored.sum()) < 140
    upright = warp(Augment("flip", flips="v"), many, generator(1))
    assert float(torch.minimum(distance(upright, many), distance(upright, many.flip(2))).max()) < 1e-3


def distance(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    return (a - b).abs().amax((1, 2, 3))


def test_a_shift_moves_by_at_most_its_share() -> None:
    dot = torch.zeros(1, 1, 41, 41)
    dot[..., 20, 20] = 1
    moved = warp(Augment("shift", max_shift=0.1), dot.expand(100, 1, 41, 41), generator(2))
    rows = torch.arange(41.0)[:, None]
    centre = (moved[:, 0] * rows).sum((1, 2)) / moved.sum((1, 2, 3))
    assert float((centre - 20).abs().max()) <= 4.1 + 0.6
    assert float((centre - 20).abs().max()) > 3


def test_a_zoom_changes_the_size_by_at_most_its_share() -> None:
    square = torch.zeros(1, 1, 100, 100)
    square[..., 30:70, 30:70] = 1
    areas = warp(Augment("zoom", max_zoom=0.1), square.expand(100, 1, 100, 100), generator(3)).sum((1, 2, 3))
    sides = areas.sqrt() / 40
    assert 0.88 < float(sides.min()) < 0.95
    assert 1.05 < float(sides.max()) < 1.13


def test_an_augmentation_is_a_preset_or_a_table_of_its_own() -> None:
    assert augmentation("ttl") is AUGMENTATIONS["ttl"]
    own = augmentation({"max_rotation_degrees": 15, "flips": "hv", "padding": "reflection"})
    assert own == Augment("own", max_rotation_degrees=15, flips="hv", padding="reflection")


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("mixup", r"no augmentation 'mixup': choose one of none, ttl, partial-transfusion"),
        ({"rotation": 5}, r"no 'rotation': there are min_crop_scale, max_rotation_degrees"),
        ({"max_zoom": 1}, r"max_zoom is 1: give a number"),
        ({"max_shift": "a little"}, r"max_shift is 'a little': give a number from 0 to 1"),
        ({"min_crop_scale": 0}, r"min_crop_scale is 0: give"),
        ({"flips": "x"}, r"flips is 'x': choose one of '', 'h', 'v', 'hv'"),
        ({"max_zoom": True}, r"max_zoom is True: give a number"),
    ],
)
def test_an_augmentation_that_makes_no_sense_is_refused(asked: object, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        augmentation(asked)


@pytest.mark.parametrize(("height", "width"), [(16, 20), (1, 7), (112, 112)])
def test_the_grid_is_the_one_that_torch_makes(height: int, width: int) -> None:
    theta = torch.randn((5, 2, 3), generator=generator())
    expected = F.affine_grid(theta, [5, 1, height, width], align_corners=False)
    torch.testing.assert_close(_grid(theta, height, width), expected, rtol=1e-5, atol=1e-6)
