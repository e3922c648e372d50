from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image

from ttl.data.modality.facts import Facts
from ttl.data.modality.image import check_image, open_image
from ttl.data.modality.resizing import Resizing
from ttl.errors import DataError

from .toys import noise, save


def opened(path: Path, channels: int) -> np.ndarray:
    """What `open_image` returns, once `check_image` has agreed about it."""
    image = open_image(path)
    facts = check_image(path)
    assert isinstance(facts, Facts)
    assert (facts.channels, facts.width, facts.height) == (channels, *image.size)
    assert image.mode == ("L" if channels == 1 else "RGB")
    return np.asarray(image)


@pytest.mark.parametrize("suffix", ["png", "bmp", "tif", "pgm"])
def test_grey_stays_as_it_is(tmp_path: Path, suffix: str) -> None:
    grey = noise(0)
    assert np.array_equal(opened(save(tmp_path / f"a.{suffix}", grey), 1), grey)


def test_colour_stays_as_it_is(tmp_path: Path) -> None:
    colour = noise(0, channels=3)
    assert np.array_equal(opened(save(tmp_path / "a.png", colour), 3), colour)


def test_one_bit_becomes_black_and_white(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(np.array([[0, 255], [255, 0]], np.uint8)).convert("1").save(path)
    assert opened(path, 1).tolist() == [[0, 255], [255, 0]]


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_sixteen_bits_are_stretched_from_darkest_to_brightest(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(np.array([[1000, 2020], [3040, 4060]], np.uint16)).save(path)
    assert opened(path, 1).tolist() == [[0, 85], [170, 255]]
    facts = check_image(path)
    assert isinstance(facts, Facts)
    assert facts.deep


def test_a_flat_sixteen_bit_image_is_black(tmp_path: Path) -> None:
    Image.fromarray(np.full((3, 3), 700, np.uint16)).save(tmp_path / "a.png")
    assert not opened(tmp_path / "a.png", 1).any()


def test_floating_point_is_stretched_and_nan_is_refused(tmp_path: Path) -> None:
    Image.fromarray(np.array([[-1.0, 0.0], [0.5, 1.0]], np.float32)).save(tmp_path / "a.tif")
    assert opened(tmp_path / "a.tif", 1).tolist() == [[0, 128], [191, 255]]
    Image.fromarray(np.array([[np.nan, 0.0]], np.float32)).save(tmp_path / "b.tif")
    assert check_image(tmp_path / "b.tif") == "a pixel isn't a number"


def test_a_palette_becomes_colour(tmp_path: Path) -> None:
    image = Image.fromarray(np.array([[0, 1]], np.uint8))
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.save(tmp_path / "a.png")
    assert opened(tmp_path / "a.png", 3).tolist() == [[[255, 0, 0], [0, 0, 255]]]


def test_a_palette_with_transparent_colours_lies_on_black(tmp_path: Path) -> None:
    image = Image.fromarray(np.array([[0, 1]], np.uint8))
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.save(tmp_path / "a.png", transparency=bytes([0, 255]))
    assert opened(tmp_path / "a.png", 3).tolist() == [[[0, 0, 0], [0, 0, 255]]]


def test_transparent_pixels_lie_on_black(tmp_path: Path) -> None:
    pixels = np.array([[[200, 100, 50, 255], [200, 100, 50, 0]]], np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    assert opened(tmp_path / "a.png", 3).tolist() == [[[200, 100, 50], [0, 0, 0]]]
    Image.fromarray(np.array([[[200, 255], [200, 0]]], np.uint8)).save(tmp_path / "b.png")
    assert opened(tmp_path / "b.png", 1).tolist() == [[200, 0]]


def test_cmyk_becomes_colour(tmp_path: Path) -> None:
    image = Image.new("CMYK", (16, 16), (0, 255, 255, 0))
    image.save(tmp_path / "a.jpg", quality=100)
    red = opened(tmp_path / "a.jpg", 3)
    assert np.abs(red.astype(int) - [255, 0, 0]).max() <= 3


def test_exif_orientation_is_applied(tmp_path: Path) -> None:
    pixels = np.repeat(np.repeat(np.array([[0, 255]], np.uint8), 16, 0), 8, 1)
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6  # to be turned by a quarter, clockwise
    Image.fromarray(pixels[:, :]).resize((32, 16)).save(tmp_path / "a.jpg", exif=exif, quality=95)
    upright = opened(tmp_path / "a.jpg", 1)
    assert upright.shape == (32, 16)
    assert upright[:10].max() < 20
    assert upright[-10:].min() > 235


def test_of_several_frames_the_first_is_taken(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue")]
    frames[0].save(tmp_path / "a.webp", save_all=True, append_images=frames[1:], lossless=True)
    assert opened(tmp_path / "a.webp", 3)[0, 0].tolist() == [255, 0, 0]
    facts = check_image(tmp_path / "a.webp")
    assert isinstance(facts, Facts)
    assert facts.frame == 1


def test_an_unreadable_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"x")
    with pytest.raises(DataError, match=re.escape(f"The image {tmp_path / 'a.png'} can't be read (not an image")):
        open_image(tmp_path / "a.png")
    with pytest.raises(DataError, match=r"\(No such file or directory\): repair or remove it"):
        open_image(tmp_path / "none.png")


def test_pixels_are_what_pillow_gives_for_the_whole_image() -> None:
    image = Image.fromarray(noise(3, (40, 30), channels=3))
    expected = np.asarray(image.resize((16, 16), Image.Resampling.BICUBIC)).transpose(2, 0, 1)
    assert np.array_equal(Resizing((16, 16), "bicubic").pixels(image, 3), expected)
    grey = np.asarray(image.convert("L").resize((16, 16), Image.Resampling.BILINEAR))[None]
    assert np.array_equal(Resizing((16, 16), "bilinear").pixels(image, 1), grey)
