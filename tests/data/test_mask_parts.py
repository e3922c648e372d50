"""Masks in several files, and image and mask the same way up: the pixels themselves."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ttl.data import decode_pairs, load_task
from ttl.errors import DataError

from .toy_masks import block, images, mask_of, masks, pixel_counts, put, records

ALL = 120  # pixels of a mask


def two_parts(root: Path, first: Image.Image | np.ndarray, second: Image.Image | np.ndarray) -> Path:
    """Three images, each with a mask in two files."""
    images(root / "images", range(3))
    for i in range(3):
        put(root / "masks" / f"{i}_mask.png", first)
        put(root / "masks" / f"{i}_mask_1.png", second)
    return root


def test_foreground_is_what_any_part_has(tmp_path: Path) -> None:
    parts = block(255, rows=slice(0, 3)), block(255, rows=slice(2, 5))  # 18 pixels each, 6 of them in both
    found = records(two_parts(tmp_path, *parts))
    assert pixel_counts(found) == {f"images/{i}.png": [ALL - 30, 30, 0] for i in range(3)}
    assert [row[1] for row in mask_of(found, "images/0.png")] == [1, 1, 1, 1, 1, 0, 0, 0, 0, 0]
    assert "3 images have their mask in several files each: united, up to 2." in found.notes


def test_parts_may_have_several_classes_that_do_not_overlap(tmp_path: Path) -> None:
    found = records(two_parts(tmp_path, block(1, rows=slice(0, 1)), block(2, rows=slice(1, 3))))
    assert pixel_counts(found)["images/1.png"] == [ALL - 18, 6, 12, 0]


def test_parts_that_say_different_things_are_refused(tmp_path: Path) -> None:
    root = two_parts(tmp_path, block(1, rows=slice(0, 2)), block(2, rows=slice(1, 3)))
    with pytest.raises(DataError, match="it overlaps another part of its mask that means another class"):
        records(root)


def test_one_bit_goes_with_255(tmp_path: Path) -> None:
    bits = Image.fromarray(block(255, rows=slice(6, 7))).convert("1")
    found = records(two_parts(tmp_path, block(255, rows=slice(0, 1)), bits))
    assert pixel_counts(found)["images/0.png"] == [ALL - 12, 12, 0]


def test_1_and_255_in_two_parts_are_refused(tmp_path: Path) -> None:
    root = two_parts(tmp_path, block(255, rows=slice(0, 1)), block(1, rows=slice(6, 7)))
    with pytest.raises(DataError, match="the parts of its mask say foreground in two ways, 1 and 255"):
        records(root)


def test_an_image_with_a_part_of_its_mask_is_not_kept(tmp_path: Path) -> None:
    root = two_parts(tmp_path, block(), block(rows=slice(7, 8)))
    (root / "masks" / "1_mask_1.png").write_bytes(b"")
    put(root / "masks" / "2_mask_1.png", block().T.copy())
    with pytest.raises(
        DataError, match=r"masks/1_mask_1\.png \(an empty file\), masks/2_mask_1\.png \(10x12 pixels, and"
    ):
        records(root)
    found = records(root, skip_bad=True)
    assert pixel_counts(found) == {"images/0.png": [ALL - 24, 24, 0]}
    assert found.skipped == ("images/1.png", "images/2.png")


def test_palettes_of_parts_count_by_colour(tmp_path: Path) -> None:
    plain, turned = Image.fromarray(block(1, rows=slice(0, 1)), "P"), Image.fromarray(1 - block(1), "P")
    plain.putpalette([0, 0, 0, 255, 0, 0])
    turned.putpalette([255, 0, 0, 0, 0, 0])
    found = records(two_parts(tmp_path, plain, turned))
    assert pixel_counts(found)["images/0.png"] == [ALL - 24, 24, 0]


def test_the_fingerprint_is_of_what_the_parts_say_together(tmp_path: Path) -> None:
    first = records(two_parts(tmp_path, block(rows=slice(0, 1)), block(rows=slice(1, 2)))).fingerprint()
    masks(tmp_path / "masks", [f"{i}_mask_1" for i in range(3)], block(rows=slice(0, 2)))
    assert records(tmp_path).fingerprint() == first
    masks(tmp_path / "masks", [f"{i}_mask_1" for i in range(3)], block(rows=slice(0, 3)))
    assert records(tmp_path).fingerprint() != first


def bright_under_mask(root: Path, name: str) -> tuple[float, float]:
    """Mean grey level of the pixels inside and outside an image's mask, as they are trained on."""
    found = records(root)
    at = found.ids.index(name)
    image = np.asarray(found.source.load(at))
    mask = found.masks.load(at) if found.masks else None
    assert mask is not None
    assert mask.shape == image.shape
    return float(image[mask == 1].mean()), float(image[mask == 0].mean())


SHAPES = {"wide": (24, 40), "square": (40, 40)}


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("ending", [".jpg", ".png", ".tif"])
def test_a_mask_painted_over_stored_pixels_turns_with_them(
    tmp_path: Path, orientation: int, shape: str, ending: str
) -> None:
    """Grey 200 under the mask and 20 elsewhere, of which a JPEG loses little."""
    mask = np.zeros(SHAPES[shape], np.uint8)
    mask[0:8, 0:16] = 1
    pixels = np.where(mask == 1, np.uint8(200), np.uint8(20))
    for i in range(2):
        path = tmp_path / "images" / f"{i}{ending}"
        path.parent.mkdir(exist_ok=True)
        exif = Image.Exif()
        exif[0x0112] = orientation
        Image.fromarray(pixels).save(path, exif=exif)
        put(tmp_path / "masks" / f"{i}.png", mask)
    inside, outside = bright_under_mask(tmp_path, f"images/0{ending}")
    assert (inside, outside) == (pytest.approx(200, abs=3), pytest.approx(20, abs=3))
    notes = records(tmp_path).notes
    assert (orientation > 1) == ("2 images have an EXIF orientation, and their masks none: turned alike." in notes)


def test_a_mask_of_the_upright_size_is_upright(tmp_path: Path) -> None:
    mask = block(1)
    for i in range(2):
        put(tmp_path / "images" / f"{i}.png", np.rot90(mask * 180).copy(), orientation=6)  # 10 wide, seen 12 wide
        put(tmp_path / "masks" / f"{i}.png", mask)
    assert bright_under_mask(tmp_path, "images/0.png") == (180, 0)
    assert (
        "2 images have an EXIF orientation, and their masks are upright already: not turned." in records(tmp_path).notes
    )


@pytest.mark.parametrize("of_mask", [1, 3])
def test_a_masks_own_orientation_wins(tmp_path: Path, of_mask: int) -> None:
    seen = block(1)
    for i in range(2):
        put(tmp_path / "images" / f"{i}.png", np.rot90(seen * 180, 2).copy(), orientation=3)
        put(tmp_path / "masks" / f"{i}.png", seen if of_mask == 1 else np.rot90(seen, 2).copy(), orientation=of_mask)
    assert bright_under_mask(tmp_path, "images/0.png") == (180, 0)


def test_a_mask_that_alone_is_turned_is_named(tmp_path: Path) -> None:
    images(tmp_path / "images", range(2))
    for i in range(2):
        put(tmp_path / "masks" / f"{i}.png", block(1), orientation=3)
    found = records(tmp_path)
    assert mask_of(found, "images/0.png") == np.rot90(block(1), 2).tolist()
    note = "2 images have no EXIF orientation, and their masks have one: the masks alone are turned by it."
    assert note in found.notes


def test_parts_that_differ_in_orientation_are_refused(tmp_path: Path) -> None:
    for i in range(2):
        put(tmp_path / "images" / f"{i}.png", block(180), orientation=3)
        put(tmp_path / "masks" / f"{i}_mask.png", block(1), orientation=3)
        put(tmp_path / "masks" / f"{i}_mask_1.png", block(1))
    with pytest.raises(DataError, match="its parts differ in EXIF orientation"):
        records(tmp_path)


def test_turned_images_and_masks_are_trained_on_as_they_were_checked(tmp_path: Path) -> None:
    """TIFF is turned as it is loaded, JPEG afterwards."""
    for i, ending in enumerate([".tif", ".png", ".tif", ".png", ".tif", ".png"]):
        put(tmp_path / "images" / f"{i}{ending}", block(100 + i), orientation=6)
        put(tmp_path / "masks" / f"{i}.png", block(1))
    task = load_task(tmp_path)
    pairs = decode_pairs(task.train)
    assert {tuple(mask.shape) for mask in pairs.masks} == {(12, 10)}
    for pixels, mask in zip(pairs.pixels, pairs.masks, strict=True):
        assert (pixels[0] >= 100).tolist() == (mask == 1).tolist()
