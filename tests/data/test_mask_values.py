"""Which value or colour of a mask is which class: `--mask-values`, palettes, and values that can't be classes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image, ImageFilter

from ttl.config import RunConfig
from ttl.data import load_task
from ttl.data.kind import KINDS
from ttl.data.whole_set import Classes, load_whole
from ttl.errors import DataError, UsageError
from ttl.words.mask_values import MaskValues, parsed

from .toy_masks import block, images, indexed, mask_of, masks, pixel_counts, put, records

ALL = 120  # pixels of a mask; those of a block of three rows are 18

GREY = block(128, rows=slice(0, 3)) + block(255, rows=slice(6, 7))  # 18 and 6 pixels


def coloured(mask: npt.NDArray[np.uint8], colours: dict[int, tuple[int, int, int]]) -> npt.NDArray[np.uint8]:
    """`(h, w, 3)`: a mask's values as colours."""
    table = np.zeros((256, 3), np.uint8)
    for value, colour in colours.items():
        table[value] = colour
    return table[mask]


RED_AND_GREEN = coloured(GREY, {128: (255, 0, 0), 255: (0, 255, 0)})


def set_of(root: Path, mask: npt.NDArray[np.uint8] | Image.Image, count: int = 4) -> Path:
    images(root / "images", range(count))
    for i in range(count):
        put(root / "masks" / f"{i}.png", mask)
    return root


def counts(root: Path, values: str) -> list[int]:
    return pixel_counts(records(root, mask_values=parsed(values)))["images/0.png"]


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("0,128,255", MaskValues((0, 128, 255))),
        (" 0, 1 ,255=ignore", MaskValues((0, 1), (255,))),
        ("0,other", MaskValues((0, None))),
        ("0,1,other=ignore", MaskValues((0, 1), (None,))),
        ("#000000,#FF0000", MaskValues((0, 0xFF0000), by_colour=True)),
        ("0,70000", MaskValues((0, 70000))),
    ],
)
def test_the_text_of_values(text: str, values: MaskValues) -> None:
    assert parsed(text) == values
    assert parsed(str(values).strip("'")) == values


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("0", "should name 2 to 255 classes"),
        ("0,255=ignore", "should name 2 to 255 classes"),
        ("0,1,1", "should name 1 once"),
        ("0,#ff0000", "should be grey values or colours, not both"),
        ("0;1", "should be values or colours with commas between them"),
        ("0,1=class", "should be values or colours"),
        ("0,-1", "should be values or colours"),
        ("#f00,#000", "should be values or colours"),
        ("", "should be values or colours"),
        (",".join(map(str, range(256))), "should name 2 to 255 classes"),
    ],
)
def test_other_texts_are_refused(tmp_path: Path, text: str, wrong: str) -> None:
    with pytest.raises(ValueError, match=wrong):
        RunConfig(data="x", model="unet:resnet18", mask_values=text)
    with pytest.raises(UsageError, match=wrong):
        load_task(set_of(tmp_path, block()), mask_values=text)


def test_values_in_the_order_of_the_classes(tmp_path: Path) -> None:
    root = set_of(tmp_path, GREY)
    with pytest.raises(
        DataError, match="give the values of the classes in their order with --mask-values, as 0,128,255"
    ):
        records(root)
    assert counts(root, "0,128,255") == [ALL - 24, 18, 6, 0]
    assert counts(root, "255,0,128") == [6, ALL - 24, 18, 0]
    assert counts(root, "0,128,255=ignore") == [ALL - 24, 18, 6]
    assert counts(root, "0,other") == [ALL - 24, 24, 0]
    found = records(root, mask_values=parsed("0,128,255"))
    assert found.class_names == ("0", "1", "2")
    assert [row[1] for row in mask_of(found, "images/0.png")] == [1, 1, 1, 0, 0, 0, 2, 0, 0, 0]


def test_classes_txt_names_them_in_the_same_order(tmp_path: Path) -> None:
    root = set_of(tmp_path, GREY)
    (root / "classes.txt").write_text("ground\nroof\ncar\n")
    assert records(root, mask_values=parsed("0,128,255")).class_names == ("ground", "roof", "car")
    with pytest.raises(
        DataError, match=r"classes\.txt of .* names 3 classes and --mask-values 2: give one name a value"
    ):
        records(root, mask_values=parsed("0,other"))


def test_a_value_without_a_meaning_is_refused(tmp_path: Path) -> None:
    root = set_of(tmp_path, GREY)
    with pytest.raises(DataError, match=r"it has the value 255, which --mask-values doesn't name \(masks/0\.png, "):
        records(root, mask_values=parsed("0,128"))


@pytest.mark.parametrize(
    "make",
    [
        Image.fromarray,
        lambda mask: Image.fromarray(mask).convert("RGB"),
        lambda mask: Image.fromarray(mask.astype(np.uint16)),
    ],
)
def test_grey_values_in_any_format(tmp_path: Path, make: object) -> None:
    assert counts(set_of(tmp_path, make(GREY)), "0,128,255") == [ALL - 24, 18, 6, 0]  # type: ignore[operator]


def test_values_beyond_255(tmp_path: Path) -> None:
    root = set_of(tmp_path, Image.fromarray((GREY.astype(np.uint16) > 0) * np.uint16(4000)))
    with pytest.raises(DataError, match=r"it has values above 255, .* of instance numbers 0,other"):
        records(root)
    assert counts(root, "0,4000") == [ALL - 24, 24, 0]


def test_white_of_one_bit_is_255(tmp_path: Path) -> None:
    root = set_of(tmp_path, Image.fromarray(block()).convert("1"))
    assert counts(root, "0,255") == counts(root, "0,1") == counts(root, "#000000,#ffffff") == [ALL - 18, 18, 0]


def test_colours(tmp_path: Path) -> None:
    root = set_of(tmp_path, RED_AND_GREEN)
    with pytest.raises(DataError, match=r"it is in colour: .*, as --mask-values '#000000,#00ff00,#ff0000'"):
        records(root)
    assert counts(root, "#000000,#ff0000,#00ff00") == [ALL - 24, 18, 6, 0]
    assert counts(root, "#000000,#00ff00,#ff0000=ignore") == [ALL - 24, 6, 18]
    with pytest.raises(DataError, match="it has the colour #00ff00, which --mask-values doesn't name"):
        counts(root, "#000000,#ff0000")


def test_colours_of_palettes_and_of_grey(tmp_path: Path) -> None:
    root = set_of(tmp_path, RED_AND_GREEN)
    put(root / "masks" / "0.png", indexed((GREY > 0) + np.uint8(1) * (GREY == 255), "000000 ff0000 00ff00"))
    put(root / "masks" / "1.png", block(0))
    found = pixel_counts(records(root, mask_values=parsed("#000000,#ff0000,#00ff00")))
    assert found["images/0.png"] == found["images/2.png"] == [ALL - 24, 18, 6, 0]
    assert found["images/1.png"] == [ALL, 0, 0, 0]


def test_palettes_that_differ_count_by_colour(tmp_path: Path) -> None:
    root = set_of(tmp_path, indexed(block(1), "000000 ff0000"))
    put(root / "masks" / "1.png", indexed(1 - block(1), "ff0000 000000"))
    found = records(root)
    assert set(map(tuple, pixel_counts(found).values())) == {(ALL - 18, 18, 0)}
    assert mask_of(found, "images/1.png") == block(1).tolist()
    text = "The masks' palettes differ, so colours count, not their numbers: --mask-values '#000000,#ff0000'."
    assert text in found.notes


def test_one_colour_under_two_numbers_is_one_class(tmp_path: Path) -> None:
    root = set_of(tmp_path, indexed(block(1), "000000 ff0000 00ff00"))
    put(root / "masks" / "1.png", indexed(block(2), "000000 00ff00 ff0000"))
    assert set(map(tuple, pixel_counts(records(root)).values())) == {(ALL - 18, 18, 0)}


def test_palettes_of_more_colours_that_differ_are_refused(tmp_path: Path) -> None:
    mask = block(1, rows=slice(0, 1)) + block(2, rows=slice(2, 3))
    root = set_of(tmp_path, indexed(mask, "000000 ff0000 00ff00"))
    put(root / "masks" / "1.png", indexed(mask, "000000 00ff00 ff0000"))
    with pytest.raises(DataError, match=r"The palettes of the masks .* differ .* of #000000, #00ff00, #ff0000"):
        records(root)
    found = pixel_counts(records(root, mask_values=parsed("#000000,#ff0000,#00ff00")))
    assert found["images/0.png"] == [ALL - 12, 6, 6, 0]


def test_two_colours_without_black_that_differ_are_refused(tmp_path: Path) -> None:
    root = set_of(tmp_path, indexed(block(1), "ffffff ff0000"))
    put(root / "masks" / "1.png", indexed(1 - block(1), "ff0000 ffffff"))
    with pytest.raises(DataError, match="differ"):
        records(root)
    assert counts(root, "#ffffff,#ff0000") == [ALL - 18, 18, 0]


def test_palettes_that_agree_count_by_number(tmp_path: Path) -> None:
    """One mask lacks a class, and entries that don't occur differ."""
    root = set_of(tmp_path, indexed(block(1), "000000 ff0000 00ff00"))
    put(root / "masks" / "1.png", indexed(block(2), "000000 0000ff 00ff00"))
    assert records(root).class_names == ("0", "1", "2")


def test_black_foreground_is_named(tmp_path: Path) -> None:
    root = set_of(tmp_path, indexed(1 - block(1), "ff0000 000000"))
    found = records(root)
    assert pixel_counts(found)["images/0.png"] == [18, ALL - 18, 0]
    assert [note for note in found.notes if "palettes foreground (1) is black and background (0) isn't" in note]


def test_values_make_another_task(tmp_path: Path) -> None:
    root = set_of(tmp_path, GREY)
    prints = {load_task(root, mask_values=text).fingerprint for text in ("0,128,255", "0,255,128", "0,other")}
    assert len(prints) == 3


def test_values_of_what_has_no_masks_are_refused() -> None:
    with pytest.raises(UsageError, match="--mask-values is for data with masks, and digits:0-1 has none: leave it out"):
        load_task("digits:0-1", mask_values="0,255")


def test_values_of_a_manifest_and_of_other_data_of_a_model(tmp_path: Path) -> None:
    root = set_of(tmp_path, GREY)
    rows = "".join(f"images/{i}.png,masks/{i}.png\n" for i in range(4))
    (root / "set.csv").write_text("image,mask\n" + rows)
    task = load_task(root / "set.csv", mask_values="0,128,255")
    assert task.fingerprint == load_task(root, mask_values="0,128,255").fingerprint
    whole = load_whole(root, Classes(KINDS["segmentation"], task.class_names), mask_values="0,128,255")
    assert whole.test.masks is not None
    assert whole.test.masks.pixel_counts.tolist() == [[ALL - 24, 18, 6, 0]] * 4


def numbered(count: int) -> npt.NDArray[np.uint8]:
    """A mask of 30 x 30 with so many squares of 3 x 3, numbered from 1 on."""
    mask = np.zeros((30, 30), np.uint8)
    for number in range(count):
        row, column = divmod(number, 6)
        mask[5 * row : 5 * row + 3, 5 * column : 5 * column + 3] = number + 1
    return mask


def sized(root: Path, found: list[npt.NDArray[np.uint8]]) -> Path:
    """Images of the masks' size."""
    rng = np.random.default_rng(0)
    for i, mask in enumerate(found):
        put(root / "images" / f"{i}.png", rng.integers(0, 256, mask.shape, np.uint8))
        put(root / "masks" / f"{i}.png", mask)
    return root


def test_instance_numbers_are_refused(tmp_path: Path) -> None:
    root = sized(tmp_path / "set", [numbered(count) for count in (4, 7, 12, 9)])
    with pytest.raises(DataError) as caught:
        records(root)
    assert str(caught.value) == (
        "The masks of set look like numbers of instances (cells, nuclei ...), up to 12 in masks/2.png, masks/3.png, "
        "masks/1.png and 1 more: classes are needed; take all but 0 for foreground with --mask-values 0,other."
    )
    assert counts(root, "0,other") == [900 - 4 * 9, 4 * 9, 0]


def test_classes_in_several_pieces_are_no_instance_numbers(tmp_path: Path) -> None:
    pieces = [np.concatenate([numbered(count)] * 2) for count in (4, 7, 12, 9)]
    assert len(records(sized(tmp_path, pieces)).class_names) == 13


def test_the_same_classes_in_each_mask_are_no_instance_numbers(tmp_path: Path) -> None:
    assert len(records(sized(tmp_path, [numbered(8)] * 4)).class_names) == 9


def test_named_classes_are_no_instance_numbers(tmp_path: Path) -> None:
    root = sized(tmp_path, [numbered(count) for count in (4, 7, 12, 9)])
    (root / "classes.txt").write_text("\n".join(f"c{i}" for i in range(13)))
    assert len(records(root).class_names) == 13


def test_smoothed_edges_are_refused(tmp_path: Path) -> None:
    mask = np.zeros((40, 40), np.uint8)
    mask[10:30, 10:30] = 255
    smooth = np.asarray(Image.fromarray(mask).rotate(20, Image.Resampling.BICUBIC).filter(ImageFilter.GaussianBlur(1)))
    root = sized(tmp_path, [smooth] * 3)
    with pytest.raises(
        DataError, match="values between 0 and 255, as smoothed edges have: save them with 0 and 255 alone"
    ):
        records(root)


def test_more_values_than_anyone_names_are_refused(tmp_path: Path) -> None:
    """Photographs under the names of masks."""
    rng = np.random.default_rng(1)
    root = sized(tmp_path, [rng.integers(0, 255, (40, 40)).astype(np.uint8) for _ in range(3)])
    with pytest.raises(DataError, match="too many to be classes without names: name all"):
        records(root)
    masks(root / "masks", range(3), np.arange(40, dtype=np.uint8).repeat(40).reshape(40, 40))
    assert len(records(root).class_names) == 40
