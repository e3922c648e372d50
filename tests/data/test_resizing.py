"""Images of other proportions than the network's input: which pixels it sees."""

import numpy as np
import pytest
from PIL import Image

from ttl.data.modality.resizing import Resizing, inside, middle_of
from ttl.errors import UsageError

# Columns 0..7 of 10, 20, ... 80: two rows, so that a square of 2 is a quarter of it.
STRIPES = Image.fromarray(np.tile(np.arange(10, 90, 10, dtype=np.uint8), (2, 1)))


def test_the_middle_is_cropped_and_nothing_beside_it_is_seen() -> None:
    assert Resizing((2, 2), "nearest", "crop").pixels(STRIPES, 1).tolist() == [[[40, 50], [40, 50]]]
    # Antialiasing widens the filter over what is cropped away: the two columns are all that it may see.
    assert Resizing((1, 1), "bilinear", "crop").pixels(STRIPES, 1).tolist() == [[[45]]]
    upright = STRIPES.transpose(Image.Transpose.TRANSPOSE)
    assert Resizing((2, 2), "nearest", "crop").pixels(upright, 1).tolist() == [[[40, 40], [50, 50]]]


def test_the_whole_image_is_padded_with_black() -> None:
    padded = Resizing((4, 8), "bilinear", "pad").pixels(STRIPES, 1)
    row = [10, 20, 30, 40, 50, 60, 70, 80]
    assert padded.tolist() == [[[0] * 8, row, row, [0] * 8]]
    # One row is left over: it is at the bottom.
    assert Resizing((3, 8), "bilinear", "pad").pixels(STRIPES, 1).tolist() == [[row, row, [0] * 8]]
    colour = Resizing((4, 8), "bilinear", "pad").pixels(STRIPES, 3)
    assert colour.shape == (3, 4, 8)
    assert (colour == padded).all()


def test_proportions_that_fit_are_one_and_the_same() -> None:
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (60, 90, 3), dtype=np.uint8))
    squashed, *others = (Resizing((16, 24), "bicubic", fit).pixels(image, 3) for fit in ("squash", "crop", "pad"))
    assert all(np.array_equal(squashed, other) for other in others)


@pytest.mark.parametrize(
    ("image", "sides", "middle", "whole"),
    [
        ((100, 300), (50, 50), (100, 100), (17, 50)),  # 50 / 3 = 16.7
        ((300, 100), (50, 50), (100, 100), (50, 17)),
        ((100, 300), (165, 342), (100, 207), (114, 342)),  # 100 * 342 / 165 = 207.3
        ((1, 1000), (64, 64), (1, 1), (1, 64)),  # a pixel at least
        ((5, 8), (2, 2), (5, 5), (1, 2)),  # 1.25
        ((7, 4), (8, 8), (4, 4), (8, 5)),  # 4.57
    ],
)
def test_which_part(
    image: tuple[int, int], sides: tuple[int, int], middle: tuple[int, int], whole: tuple[int, int]
) -> None:
    assert middle_of(image, sides) == middle
    assert inside(image, sides) == whole


def test_an_unknown_fit() -> None:
    with pytest.raises(UsageError, match="no fit 'stretch': choose one of squash, crop, pad"):
        Resizing((2, 2), fit="stretch")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="no interpolation 'cubic': choose one of nearest, bilinear, bicubic"):
        Resizing((2, 2), "cubic")
