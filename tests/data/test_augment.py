from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from ttl.data.augment import AUGMENTATIONS, Augment


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def noise(n: int, *, size: tuple[int, int] = (16, 16)) -> torch.Tensor:
    return torch.rand(n, 3, *size, generator=seeded(7))


def fix_draws(monkeypatch: pytest.MonkeyPatch, *draws: float) -> None:
    """Scale, angle, x, y: each from 0 (the least) to 1."""
    monkeypatch.setattr(torch, "rand", lambda *_, **__: torch.tensor([draws]))


def test_the_registry_names_its_records() -> None:
    assert {name: augment.name for name, augment in AUGMENTATIONS.items()} == {"none": "none", "ttl": "ttl"}


def test_none_gives_images_back_and_draws_nothing() -> None:
    images, generator = noise(3), seeded()
    before = generator.get_state()
    assert AUGMENTATIONS["none"](images, generator) is images
    assert torch.equal(generator.get_state(), before)


def test_one_seed_gives_one_result_bit_for_bit() -> None:
    images = noise(5)
    first = AUGMENTATIONS["ttl"](images, seeded())
    assert torch.equal(AUGMENTATIONS["ttl"](images, seeded()), first)
    assert not torch.equal(AUGMENTATIONS["ttl"](images, seeded(1)), first)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_shape_and_dtype_are_kept_and_the_input_is_left_alone(dtype: torch.dtype) -> None:
    images = noise(4, size=(12, 20)).to(dtype)
    before = images.clone()
    warped = AUGMENTATIONS["ttl"](images, seeded())
    assert (warped.shape, warped.dtype) == (images.shape, dtype)
    assert torch.equal(images, before)


def test_every_image_of_a_batch_gets_a_warp_of_its_own() -> None:
    warped = AUGMENTATIONS["ttl"](noise(1).expand(4, -1, -1, -1), seeded())
    for i in range(4):
        for j in range(i):
            assert not torch.allclose(warped[i], warped[j])


def test_no_value_appears_that_the_image_does_not_hold() -> None:
    images = 5 + noise(6)
    warped = Augment("wild", 0.5, 45)(images, seeded())
    assert warped.min() >= images.min() - 1e-5
    assert warped.max() <= images.max() + 1e-5


def test_crops_lie_inside_the_image_and_use_the_whole_range() -> None:
    theta = Augment("crop", min_crop_scale=0.6)._warps(torch.Size([4000, 3, 16, 16]), seeded())
    scale, centres = theta[:, 0, 0], theta[:, :, 2]
    assert torch.equal(scale, theta[:, 1, 1])
    assert not theta[:, 0, 1].any()
    assert 0.6 <= scale.min() < 0.61
    assert 0.99 < scale.max() <= 1
    assert (centres.abs() + scale[:, None]).max() <= 1 + 1e-6
    assert centres.min() < -0.3
    assert centres.max() > 0.3


def test_rotations_stay_within_the_degrees_given() -> None:
    theta = Augment("turn", max_rotation_degrees=10)._warps(torch.Size([4000, 3, 16, 16]), seeded())
    degrees = torch.rad2deg(torch.atan2(theta[:, 1, 0], theta[:, 0, 0]))
    assert -10.001 <= degrees.min() < -9.9
    assert 9.9 < degrees.max() <= 10.001
    assert abs(degrees.mean()) < 0.3


def test_a_quarter_turn_is_exact_on_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    # A draw of 1 is the largest angle; of 0, no crop.
    images = noise(1)
    fix_draws(monkeypatch, 1.0, 1.0, 0.5, 0.5)
    turned = Augment("quarter", max_rotation_degrees=90)(images, seeded())
    torch.testing.assert_close(turned, torch.rot90(images, 1, (2, 3)), atol=1e-4, rtol=0)


def test_a_rotation_keeps_angles_in_an_oblong_image(monkeypatch: pytest.MonkeyPatch) -> None:
    # Twice as wide as high: a quarter turn of the middle square is a quarter turn in pixels.
    images = noise(1, size=(8, 16))
    fix_draws(monkeypatch, 1.0, 1.0, 0.5, 0.5)
    turned = Augment("quarter", max_rotation_degrees=90)(images, seeded())
    expected = torch.rot90(images[..., 4:12], 1, (2, 3))
    torch.testing.assert_close(turned[..., 4:12], expected, atol=1e-4, rtol=0)


def test_a_crop_is_the_part_of_the_image_resized(monkeypatch: pytest.MonkeyPatch) -> None:
    # Half the side, at the far right and the top.
    images = noise(1)
    fix_draws(monkeypatch, 0.0, 0.5, 1.0, 0.0)
    cropped = Augment("half", min_crop_scale=0.5)(images, seeded())
    resized = F.interpolate(images[..., :8, 8:], scale_factor=2, mode="bilinear", align_corners=False)
    # At the crop's own edge, the warp looks on into the image where the resize repeats the border.
    torch.testing.assert_close(cropped[..., 1:-1, 1:-1], resized[..., 1:-1, 1:-1], atol=1e-5, rtol=0)


def test_what_a_rotation_brings_in_is_the_border_and_not_black() -> None:
    images = torch.full((8, 1, 16, 16), math.pi)
    torch.testing.assert_close(Augment("wild", 1.0, 45)(images, seeded()), images)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_draws_the_same_warps() -> None:
    images = noise(4)
    there = AUGMENTATIONS["ttl"](images.cuda(), seeded())
    torch.testing.assert_close(there.cpu(), AUGMENTATIONS["ttl"](images, seeded()), atol=1e-4, rtol=0)
