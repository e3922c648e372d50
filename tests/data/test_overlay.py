from __future__ import annotations

import io

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from ttl.data.modality.overlay import OKABE_ITO, class_colours, overlay, picture

ORANGE, SKY = (0xE6, 0x9F, 0x00), (0x56, 0xB4, 0xE9)
Array = npt.NDArray[np.uint8]


def opened(png: bytes) -> Array:
    """`(h, w, 3)`."""
    with Image.open(io.BytesIO(png)) as image:
        assert image.format == "PNG"
        return np.asarray(image.convert("RGB"))


def grey(height: int, width: int, value: int = 100) -> Array:
    return np.full((1, height, width), value, np.uint8)


def square(side: int, low: int, high: int, label: int = 1) -> Array:
    mask = np.zeros((side, side), np.uint8)
    mask[low:high, low:high] = label
    return mask


def test_a_fill_lies_within_an_opaque_outline_and_the_background_is_left_alone() -> None:
    drawn = opened(overlay(grey(200, 200), square(200, 50, 150), classes=1))
    assert drawn.shape == (200, 200, 3)
    assert tuple(drawn[100, 50]) == tuple(drawn[51, 100]) == tuple(drawn[149, 100]) == ORANGE  # two pixels wide
    # 0.65 of grey 100 and 0.35 of orange
    np.testing.assert_allclose(drawn[100, 100], (145.5, 120.65, 65), atol=1)
    np.testing.assert_allclose(drawn[100, 53], (145.5, 120.65, 65), atol=1)
    assert tuple(drawn[100, 49]) == (100, 100, 100)


def test_small_images_are_enlarged_by_a_whole_number_and_outlined_after_that() -> None:
    drawn = opened(overlay(grey(20, 20), square(20, 5, 15), classes=1))
    assert drawn.shape == (160, 160, 3)
    assert tuple(drawn[80, 40]) == ORANGE
    assert tuple(drawn[80, 41]) != ORANGE  # one pixel wide, and not eight
    assert tuple(drawn[80, 39]) == (100, 100, 100)


@pytest.mark.parametrize(
    ("size", "scaled"), [((28, 28), (168, 168)), ((100, 60), (200, 120)), ((160, 90), (160, 90)), ((320, 8), (320, 8)),
                         ((512, 256), (320, 160)), ((3, 2000), (1, 320))],
)  # fmt: skip
def test_the_size_of_a_picture(size: tuple[int, int], scaled: tuple[int, int]) -> None:
    assert opened(picture(grey(*size))).shape[:2] == scaled
    assert opened(overlay(grey(*size), np.zeros(size, np.uint8), classes=1)).shape[:2] == scaled


def test_a_large_image_is_smoothed_and_its_mask_is_not() -> None:
    stripes = np.zeros((1, 640, 640), np.uint8)
    stripes[:, :, ::2] = 200
    drawn = opened(overlay(stripes, square(640, 200, 400, 2), classes=2))
    np.testing.assert_allclose(drawn[20, 20:300], 100, atol=6)
    assert tuple(drawn[150, 100]) == tuple(drawn[150, 199]) == SKY


def test_classes_that_touch_are_both_outlined_and_the_image_edge_is_not() -> None:
    mask = np.ones((200, 200), np.uint8)
    mask[:, 100:] = 2
    drawn = opened(overlay(grey(200, 200), mask, classes=2))
    assert (tuple(drawn[100, 99]), tuple(drawn[100, 100])) == (ORANGE, SKY)
    assert tuple(drawn[100, 0]) == tuple(drawn[0, 50]) == tuple(drawn[100, 50]) != ORANGE


def test_colour_stays_colour_under_the_fill() -> None:
    pixels = np.zeros((3, 200, 200), np.uint8)
    pixels[0] = 200
    drawn = opened(overlay(pixels, square(200, 50, 150), classes=1))
    assert tuple(drawn[10, 10]) == (200, 0, 0)
    np.testing.assert_allclose(drawn[100, 100], (210.5, 55.65, 0), atol=1)
    assert tuple(opened(picture(pixels))[10, 10]) == (200, 0, 0)


@pytest.mark.parametrize("value", [0, 250])
def test_what_is_unlabelled_is_hatched_on_dark_and_on_bright(value: int) -> None:
    drawn = opened(overlay(grey(200, 200, value), square(200, 50, 150, 255), classes=1)).astype(int)
    region = drawn[60:140, 60:140]
    assert region.max() - region.min() >= 30
    assert (region == region[..., :1]).all()  # grey: it is no class
    assert abs(region.mean() - value) > 50
    assert tuple(drawn[100, 40]) == (value,) * 3


def test_the_mask_may_be_of_any_integers_and_nothing_given_is_changed() -> None:
    pixels, mask = grey(200, 200), square(200, 50, 150).astype(np.int64)
    before = pixels.copy(), mask.copy()
    assert overlay(pixels, mask, classes=1) == overlay(pixels, mask.astype(np.uint8), classes=1)
    np.testing.assert_array_equal(pixels, before[0])
    np.testing.assert_array_equal(mask, before[1])


def test_outlines_keep_their_colours_in_a_picture_of_many() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (3, 200, 200)).astype(np.uint8)
    mask = np.repeat(np.arange(200, dtype=np.uint8) // 20, 200).reshape(200, 200)
    drawn = opened(overlay(pixels, mask, classes=9))
    edges = [tuple(drawn[20 * label, 100]) for label in range(1, 10)]
    assert edges == [tuple(bytes.fromhex(colour[1:])) for colour in class_colours(9)]


def test_a_picture_of_little_detail_takes_few_bytes() -> None:
    ramp = np.broadcast_to(np.arange(256, dtype=np.uint8), (1, 256, 256))
    assert len(picture(ramp)) < 2_000
    assert len(overlay(ramp, square(256, 60, 180), classes=1)) < 6_000
    np.testing.assert_array_equal(opened(picture(ramp))[..., 0], ramp[0])  # grey loses nothing


def test_colours_are_of_okabe_and_ito_and_come_again_lighter() -> None:
    assert class_colours(2) == ["#E69F00", "#56B4E9"]
    assert class_colours(0) == []
    many = class_colours(20)
    assert tuple(many[:7]) == OKABE_ITO
    assert len(set(many)) == 20
    assert many[7] == "#F2CF80"  # half way to white


@pytest.mark.parametrize(
    ("pixels", "mask", "words"),
    [
        (grey(8, 8), square(9, 2, 4), r"the mask is \(9, 9\), and the image is \(8, 8\)"),
        (np.zeros((2, 8, 8), np.uint8), square(8, 2, 4), r"an image is \(1, h, w\) or \(3, h, w\)"),
        (grey(8, 8), square(8, 2, 4, 3), "the mask holds class 3 of 2"),
        (grey(8, 8), -square(8, 2, 4).astype(np.int64), "the mask holds class -1 of 2"),
    ],
)
def test_what_does_not_fit_is_refused(pixels: Array, mask: Array, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        overlay(pixels, mask, classes=2)
