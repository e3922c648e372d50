"""Images that lost their content: which count as flat, when a set is refused, and what its notes say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ttl.data import load_task
from ttl.data.content import with_content
from ttl.data.modality.facts import Facts
from ttl.data.modality.image import check_image
from ttl.data.records import Records
from ttl.data.sources import ArraySource
from ttl.errors import DataError, UsageError

from .tiffs import tiff
from .toys import Pixels, class_folders, noise, save


def contrast(path: Path) -> int:
    facts = check_image(path)
    assert isinstance(facts, Facts), facts
    return facts.contrast


def records(*pixels: Pixels) -> Records:
    source = ArraySource.of(np.stack(pixels))
    ids = tuple(f"{i}.png" for i in range(len(pixels)))
    return Records("set", ("a", "b"), ids, np.zeros(len(ids), np.int64), source)


def with_range(low: int, high: int) -> Pixels:
    return np.array([[low, high], [high, low]], np.uint8)


def test_contrast_is_from_the_darkest_to_the_brightest_pixel(tmp_path: Path) -> None:
    assert contrast(save(tmp_path / "a.png", with_range(100, 115))) == 15
    colour = np.array([[[0, 10, 20], [7, 90, 20]]], np.uint8)
    assert contrast(save(tmp_path / "b.png", colour)) == 80  # of green
    palette = Image.fromarray(np.array([[0, 1]], np.uint8))
    palette.putpalette([40, 40, 40, 240, 40, 40])  # indices differ by 1, colours by 200
    palette.save(tmp_path / "c.gif")
    assert contrast(tmp_path / "c.gif") == 200
    one_bit = Image.new("1", (4, 4))
    one_bit.putpixel((1, 1), 1)
    one_bit.save(tmp_path / "d.png")
    assert contrast(tmp_path / "d.png") == 255


def test_a_thin_bright_line_in_a_jpeg_is_seen(tmp_path: Path) -> None:
    pixels = np.full((256, 256), 10, np.uint8)
    pixels[100, 20:60] = 60  # an eighth of that remains at an eighth of the size
    Image.fromarray(pixels).save(tmp_path / "a.jpg", quality=95)
    assert contrast(tmp_path / "a.jpg") >= 40
    Image.new("L", (256, 256), 10).save(tmp_path / "b.jpg")
    assert contrast(tmp_path / "b.jpg") == 0


def test_contrast_of_arrays() -> None:
    grey = ArraySource.of(np.stack([with_range(0, 200), with_range(9, 9)]))
    assert [fact.contrast for fact in grey.facts] == [200, 0]
    colour = ArraySource.of(np.array([[[[0, 10, 20], [7, 90, 20]]]], np.uint8))
    assert [fact.contrast for fact in colour.facts] == [80]


def test_most_of_a_set_is_refused_and_some_are_named() -> None:
    seen, flat = with_range(0, 16), with_range(0, 15)
    with pytest.raises(DataError) as error:
        with_content(records(flat, seen, flat))
    assert str(error.value) == (
        "2 of 3 images of set are nearly one colour, with less than 16 of 255 greys from the darkest to the brightest "
        "pixel: 0.png, 2.png. Look at them, and save them so that their values go from 0 to 255, or with 16 bits."
    )
    assert with_content(records(flat, seen)).notes == (
        "1 image is nearly one colour, with less than 16 of 255 greys from the darkest to the brightest pixel: 0.png. "
        "Look at them.",
    )
    assert with_content(records(seen, seen)).notes == ()


def test_wholly_transparent_images_are_refused_with_their_cause(tmp_path: Path) -> None:
    for name in "xy":
        for i in range(4):
            save(tmp_path / name / f"{i}.png", np.dstack([noise(i, channels=3), np.zeros((10, 12), np.uint8)]))
    with pytest.raises(DataError, match=r"8 of 8 images .* Their pixels are transparent, .* without an alpha channel"):
        load_task(tmp_path)


def test_images_with_transparent_pixels_are_noted(tmp_path: Path) -> None:
    root = class_folders(tmp_path / "set", {"a": 8, "b": 8})
    alpha = np.full((10, 12), 255, np.uint8)
    save(root / "a" / "opaque.png", np.dstack([noise(99, channels=3), alpha]))
    alpha[3, 3] = 254
    save(root / "a" / "clear.png", np.dstack([noise(98, channels=3), alpha]))
    notes = [note for note in load_task(root).notes if "transparent" in note]
    assert notes == ["1 image has transparent pixels, which lie on black: a/clear.png."]


def deep_set(root: Path) -> Path:
    for i in range(16):
        values = noise(i).astype(np.uint16) * 100
        values[0, 0] = 65535 if i < 2 else values[0, 0]
        path = root / "ab"[i % 2] / f"{i}.tif"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(tiff(values))
    return root


def test_outliers_are_counted_and_a_range_is_followed_everywhere(tmp_path: Path) -> None:
    root = deep_set(tmp_path / "set")
    notes = load_task(root).notes
    assert any(note.startswith("16 images with more than 8 bits a channel: stretched from") for note in notes)
    assert any(note.startswith("2 images with outliers (hot or dead pixels, markers, missing data)") for note in notes)
    task = load_task(root, value_range=(0, 25500))
    assert any("the values of --range are 0 and 255" in note for note in task.notes)
    source = task.train.source
    for i, fact in enumerate(source.facts):
        assert fact.deep
        own = np.asarray(source.load(i))
        number = int(source.paths[i].stem)  # type: ignore[attr-defined]
        expected = noise(number)  # hundredths of what was saved, so that 25500 is 255
        expected[0, 0] = 255 if number < 2 else expected[0, 0]
        assert np.array_equal(own, expected)


def test_a_range_that_makes_all_black_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"14 of 16 images .* Give the values that .* with --range"):
        load_task(deep_set(tmp_path / "set"), value_range=(60000, 70000))


def test_a_range_for_images_of_8_bits_is_refused(tmp_path: Path) -> None:
    root = class_folders(tmp_path / "set", {"a": 8, "b": 8})
    with pytest.raises(UsageError, match=r"--range is for images of more than 8 bits a channel, and .* has none"):
        load_task(root, value_range=(0, 100))
    with pytest.raises(UsageError, match="--range is for images of more than 8 bits"):
        load_task("digits", value_range=(0, 100))
