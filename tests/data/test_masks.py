"""Segmentation sets: which mask is of which image, what its values mean, and how they are split."""

from __future__ import annotations

import hashlib
import re
import shutil
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from ttl.data import Columns, describe, load_task, write_splits
from ttl.data.describe import Spread
from ttl.data.modality import mask_union
from ttl.data.modality.facts import MaskFacts
from ttl.data.modality.mask_union import MaskFile
from ttl.data.readers.mask_set import read_masks
from ttl.data.readers.readable import Reading
from ttl.data.records import Records
from ttl.data.task import IGNORE
from ttl.errors import DataError

from .toys import noise, save, truncate_file

Pixels = npt.NDArray[np.uint8]

HEIGHT, WIDTH = 10, 12  # of `noise`


def check_mask(path: Path) -> MaskFacts | str:
    found = mask_union.check_mask([MaskFile(path.name, path)])
    return found if isinstance(found, MaskFacts) else found[path.name]


def read_mask(path: Path) -> Pixels:
    return mask_union.read_mask([MaskFile(path.name, path)])


def filled(*values: int) -> Pixels:
    """A mask of rows of these values, in turns."""
    rows = np.resize(np.array(values, np.uint8), HEIGHT)
    return np.repeat(rows[:, None], WIDTH, axis=1)


def masked(root: Path, masks: dict[str, Pixels], under: str = "") -> Path:
    """`masks`: name ("0", "a/1") -> its mask; the images are all different."""
    for i, (name, mask) in enumerate(masks.items()):
        save(root / under / "images" / f"{name}.png", noise(len(under) * 100 + i))
        save(root / under / "masks" / f"{name}.png", mask)
    return root


def black_and_white(root: Path, count: int = 10, **options: str) -> Path:
    return masked(root, {str(i): filled(0, 255) for i in range(count)}, **options)


def read(root: Path, **options: object) -> Records:
    records = read_masks(root, Reading(**options))
    assert records is not None
    return records


def refused(root: Path, *texts: str, **options: object) -> str:
    """The sentence that refuses it, with all of `texts` in it."""
    with pytest.raises(DataError) as caught:
        read(root, **options)
    for text in texts:
        assert text in str(caught.value)
    return str(caught.value)


def all_ids(root: Path, **options: object) -> set[str]:
    return {name for samples in load_task(root, **options).splits.values() for name in samples.ids}


def test_images_and_masks_are_a_binary_segmentation_task(tmp_path: Path) -> None:
    task = load_task(masked(tmp_path / "set", {str(i): filled(0, 0, 0, 0, 255) for i in range(10)}))
    assert (task.name, task.kind, task.class_names) == ("set", "segmentation", ("background", "foreground"))
    assert {split: len(samples) for split, samples in task.splits.items()} == {"train": 6, "val": 2, "test": 2}
    for samples in task.splits.values():
        assert samples.labels.tolist() == [[1, 1]] * len(samples)
        assert samples.masks is not None
        for name, index in zip(samples.ids, samples.index, strict=True):
            assert np.array_equal(
                np.asarray(samples.source.load(index)), np.asarray(Image.open(tmp_path / "set" / name))
            )
            assert samples.masks.load(index).tolist() == filled(0, 0, 0, 0, 1).tolist()


def test_names_are_matched_without_extensions_at_any_depth_in_any_case(tmp_path: Path) -> None:
    save(tmp_path / "Images" / "a" / "1.jpg", noise(0))
    save(tmp_path / "MASKS" / "a" / "1.png", filled(0, 1))
    save(tmp_path / "Images" / "b" / "1.v2.png", noise(1))
    save(tmp_path / "MASKS" / "b" / "1.v2.tif", filled(1, 0))
    records = read(tmp_path)
    assert records.ids == ("Images/a/1.jpg", "Images/b/1.v2.png")
    assert records.masks is not None
    assert [records.masks.load(i)[0, 0] for i in range(2)] == [0, 1]


@pytest.mark.parametrize("suffix", ["_mask", "_seg", "-mask", "_Segmentation"])
def test_a_mask_may_be_called_one(tmp_path: Path, suffix: str) -> None:
    for i in range(3):
        save(tmp_path / "images" / f"{i}.png", noise(i))
        save(tmp_path / "masks" / f"{i}{suffix}.png", filled(0, 1))
    assert read(tmp_path).ids == ("images/0.png", "images/1.png", "images/2.png")


def test_the_plain_name_wins_over_the_suffix(tmp_path: Path) -> None:
    masked(tmp_path, {"a": filled(0, 1), "a_mask": filled(1, 0)})
    records = read(tmp_path)
    assert records.ids == ("images/a.png", "images/a_mask.png")
    assert records.masks is not None
    assert [records.masks.load(i)[0, 0] for i in range(2)] == [0, 1]


def test_split_folders_are_kept(tmp_path: Path) -> None:
    for split in ("train", "Valid", "test"):
        black_and_white(tmp_path, 2, under=split)
    task = load_task(tmp_path)
    assert {split: samples.ids for split, samples in task.splits.items()} == {
        split: (f"{folder}/images/0.png", f"{folder}/images/1.png")
        for split, folder in (("train", "train"), ("val", "Valid"), ("test", "test"))
    }
    assert "Split as the data bring it." in task.notes


def test_a_split_folder_without_masks_is_refused(tmp_path: Path) -> None:
    black_and_white(tmp_path, under="train")
    save(tmp_path / "test" / "images" / "0.png")
    with pytest.raises(DataError, match=r"has images/ and masks/ in train but not in test: add them\."):
        load_task(tmp_path)


def test_two_folders_of_masks_are_refused(tmp_path: Path) -> None:
    black_and_white(tmp_path)
    save(tmp_path / "Masks" / "0.png", filled(0, 255))
    with pytest.raises(DataError, match="has Masks and masks: keep one of them"):
        load_task(tmp_path)


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    save(tmp_path / "images" / "0.png")
    (tmp_path / "masks").mkdir()
    refused(tmp_path, f"The folder {tmp_path / 'masks'} holds no image: for each image in images/ put its mask")


def test_what_is_neither_image_nor_mask_is_named(tmp_path: Path) -> None:
    black_and_white(tmp_path)
    (tmp_path / "masks" / "notes.txt").write_text("")
    save(tmp_path / "extra" / "0.png")
    assert "2 paths ignored, neither image nor mask: extra, masks/notes.txt." in read(tmp_path).notes


@pytest.fixture
def unfit(tmp_path: Path) -> Path:
    """Five images that are fine, and one or more of each fault."""
    root = black_and_white(tmp_path, 5)
    save(root / "images" / "alone.png")
    save(root / "masks" / "lost.png", filled(0, 255))
    for name in ("both.png", "both_mask.tif"):
        save(root / "masks" / name, filled(0, 255))
    save(root / "images" / "both.png")
    for name in ("twin.jpg", "twin.png"):
        save(root / "images" / name)
    save(root / "masks" / "twin.png", filled(0, 255))
    save(root / "images" / "turned.png")
    save(root / "masks" / "turned.png", filled(0, 255).T.copy())
    save(root / "images" / "lossy.png")
    save(root / "masks" / "lossy.jpg", filled(0, 255))
    truncate_file(save(root / "images" / "cut.png", noise(1, (60, 60))))
    (root / "masks" / "cut.png").write_bytes(b"")
    return root


def test_all_that_does_not_fit_is_named_in_one_sentence(unfit: Path) -> None:
    assert refused(unfit) == (
        f"8 files of {unfit} can't be used, where each of 12 images needs a mask of its size: "
        "images/alone.png (no mask), "
        "images/both.png (several masks: masks/both.png and masks/both_mask.tif), "
        "images/cut.png (cut off before its end), "
        "images/twin.png (images/twin.jpg and images/twin.png have one name), "
        "masks/cut.png (an empty file), "
        "masks/lossy.jpg (JPEG compresses with loss, so its values are no classes: save masks as PNG), "
        "masks/lost.png (a mask without an image), "
        "masks/turned.png (10x12 pixels, and its image 12x10): "
        "repair, add or remove them, or go on without them with --skip-bad."
    )


def test_skip_bad_goes_on_and_says_so(unfit: Path) -> None:
    assert all_ids(unfit, skip_bad=True) == {f"images/{i}.png" for i in range(5)}
    records = read(unfit, skip_bad=True)
    assert [note for note in records.notes if "left out" in note] == [
        next(note for note in records.notes if note.startswith("8 unusable files left out: images/alone.png (no mask)"))
    ]
    names = ("alone.png", "both.png", "cut.png", "lossy.png", "turned.png", "twin.jpg", "twin.png")
    assert records.skipped == tuple(f"images/{name}" for name in names)


def test_nothing_is_left(tmp_path: Path) -> None:
    save(tmp_path / "images" / "0.png")
    save(tmp_path / "masks" / "0.jpg", filled(0, 255))
    assert refused(tmp_path, "1 file of ", skip_bad=True).endswith("save masks as PNG): repair, add or remove them.")


def test_an_image_on_its_side_has_an_upright_mask(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    black_and_white(tmp_path, 3)
    sideways = Image.fromarray(noise(0))  # 12 wide, 10 high; upright 10 wide, 12 high
    sideways.save(tmp_path / "images" / "0.png", exif=exif)
    records = read(tmp_path)  # the mask lies as the image's stored pixels do
    assert records.masks is not None
    assert records.masks.load(0).tolist() == np.rot90(filled(0, 1), -1).tolist()
    assert "1 image has an EXIF orientation, and its mask none: turned alike." in records.notes
    save(tmp_path / "masks" / "0.png", filled(0, 255).T.copy())
    records = read(tmp_path)
    assert records.masks is not None
    assert records.masks.load(0).tolist() == filled(0, 1).T.tolist()
    assert "1 image has an EXIF orientation, and its mask is upright already: not turned." in records.notes
    Image.fromarray(filled(0, 255)).save(tmp_path / "masks" / "0.png", exif=exif)
    assert read(tmp_path).masks.load(0).tolist() == np.rot90(filled(0, 1), -1).tolist()


def test_progress_counts_pair_by_pair(tmp_path: Path) -> None:
    calls: list[tuple[int, int]] = []
    read(black_and_white(tmp_path, 4), on_progress=lambda *call: calls.append(call))
    assert calls == [(done, 4) for done in range(1, 5)]


INDICES = filled(0, 1, 2, 3)


def palette(pixels: Pixels) -> Image.Image:
    """Class 1 is shown in red, 2 in black as well as 0."""
    image = Image.fromarray(pixels).convert("P")
    image.putpalette([0, 0, 0, 255, 0, 0, 0, 0, 0, 9, 9, 9])
    image.putdata(pixels.ravel().tolist())
    return image


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("m.png", Image.fromarray),
        ("m.tif", Image.fromarray),
        ("m.bmp", Image.fromarray),
        ("m.gif", palette),
        ("m.png", palette),
        ("m.bmp", palette),
        ("m.png", lambda pixels: Image.fromarray(pixels.astype(np.uint16))),
        ("m.tif", lambda pixels: Image.fromarray(pixels.astype(np.uint16))),
        ("m.tif", lambda pixels: Image.fromarray(pixels.astype(np.int32))),
        ("m.png", lambda pixels: Image.fromarray(pixels).convert("RGB")),
        ("m.png", lambda pixels: Image.fromarray(pixels).convert("RGBA")),
        ("m.png", lambda pixels: Image.fromarray(pixels).convert("LA")),
    ],
)
def test_the_number_of_a_pixel_is_its_class(tmp_path: Path, name: str, make: Callable[[Pixels], Image.Image]) -> None:
    make(INDICES).save(tmp_path / name)
    assert read_mask(tmp_path / name).tolist() == INDICES.tolist()
    facts = check_mask(tmp_path / name)
    assert not isinstance(facts, str), facts
    assert (facts.width, facts.height, facts.one_bit) == (WIDTH, HEIGHT, False)
    assert facts.counts[:5].tolist() == [36, 36, 24, 24, 0]  # ten rows of twelve, from 0 to 3 in turns


@pytest.mark.parametrize(("bits", "values"), [(2, [0, 1, 2, 3]), (4, [0, 1, 7, 15])])
def test_grey_of_few_bits_is_not_spread(tmp_path: Path, bits: int, values: list[int]) -> None:
    packed = int("".join(f"{value:0{bits}b}" for value in values), 2)
    (tmp_path / "m.png").write_bytes(png(4, bits, 0, packed.to_bytes(4 * bits // 8, "big")))
    assert read_mask(tmp_path / "m.png").tolist() == [values]


def png(width: int, bits: int, colour: int, rows: bytes) -> bytes:
    """What Pillow can't write: `colour` is 0 for grey and 2 for RGB."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, 1, bits, colour, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(b"\0" + rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*each) for each in chunks)


def test_one_bit_is_0_and_1(tmp_path: Path) -> None:
    Image.fromarray(filled(0, 255)).convert("1").save(tmp_path / "m.png")
    assert read_mask(tmp_path / "m.png").tolist() == filled(0, 1).tolist()
    facts = check_mask(tmp_path / "m.png")
    assert not isinstance(facts, str)
    assert facts.one_bit


def transparent() -> Image.Image:
    image = Image.fromarray(filled(0, 0)).convert("RGBA")
    image.putalpha(Image.fromarray(filled(0, 255)))
    return image


@pytest.mark.parametrize(
    ("name", "image", "reason"),
    [
        ("m.jpg", lambda: Image.fromarray(INDICES), "JPEG compresses with loss, so its values are no classes"),
        ("m.webp", lambda: Image.fromarray(INDICES), "WEBP compresses with loss"),
        ("m.png", lambda: palette(INDICES).convert("RGB"), "it is in colour: say which is which class, as --mask-"),
        ("m.png", transparent, "parts of it are transparent: save it as grey"),
        ("m.tif", lambda: Image.fromarray(INDICES.astype(np.float32)), "its mode F doesn't hold whole numbers"),
        ("m.tif", lambda: Image.fromarray(INDICES).convert("CMYK"), "its mode CMYK doesn't hold whole numbers"),
        (
            "m.png",
            lambda: Image.fromarray(INDICES.astype(np.uint16) * 100),
            "it has values above 255, and a class is",
        ),
        ("m.tif", lambda: Image.fromarray(-INDICES.astype(np.int32)), "it has values below 0, and a class is a number"),
    ],
)
def test_what_is_no_mask_is_refused(tmp_path: Path, name: str, image: Callable[[], Image.Image], reason: str) -> None:
    image().save(tmp_path / name)
    why = check_mask(tmp_path / name)
    assert isinstance(why, str)
    assert why.startswith(reason)
    with pytest.raises(DataError, match=re.escape(f"The mask {tmp_path / name} can't be read ({reason}")):
        read_mask(tmp_path / name)


def test_several_frames_are_refused(tmp_path: Path) -> None:
    frames = [Image.fromarray(filled(0, i)) for i in (1, 2)]
    frames[0].save(tmp_path / "m.tif", save_all=True, append_images=frames[1:])
    assert check_mask(tmp_path / "m.tif") == "it has several frames"


def test_sixteen_bits_of_colour_are_refused(tmp_path: Path) -> None:
    """Pillow keeps their upper eight bits alone: all classes below 256 would be 0."""
    pixels = np.array([[0] * 3, [1] * 3, [2] * 3], ">u2")
    (tmp_path / "m.png").write_bytes(png(3, 16, 2, pixels.tobytes()))
    assert check_mask(tmp_path / "m.png") == "it has 16 bits a channel in colour: save it as grey"


@pytest.mark.parametrize("white", [1, 255])
def test_two_values_are_background_and_foreground(tmp_path: Path, white: int) -> None:
    records = read(masked(tmp_path, {"a": filled(0), "b": filled(white), "c": filled(0, white)}))
    assert records.class_names == ("background", "foreground")
    assert records.labels.tolist() == [[1, 0], [0, 1], [1, 1]]
    assert records.masks is not None
    assert records.masks.pixel_counts.tolist() == [[120, 0, 0], [0, 120, 0], [60, 60, 0]]
    assert records.masks.load(2).tolist() == filled(0, 1).tolist()
    assert records.notes == ()


def test_one_bit_masks_go_with_both(tmp_path: Path) -> None:
    for white in (1, 255):
        root = masked(tmp_path / str(white), {"a": filled(0, white), "b": filled(0, white)})
        Image.fromarray(filled(0, 255)).convert("1").save(root / "masks" / "b.png")
        masks = read(root).masks
        assert masks is not None
        assert [masks.load(i).tolist() for i in range(2)] == [filled(0, 1).tolist()] * 2


def test_foreground_in_two_ways_is_refused(tmp_path: Path) -> None:
    masked(tmp_path / "set", {"a": filled(0, 1), "b": filled(0, 255), "c": filled(0)})
    refused(
        tmp_path / "set",
        "The masks of set say foreground in two ways, 1 (masks/a.png) and 255 (masks/b.png): "
        "save them all with 0 and 1, or all with 0 and 255.",
    )


def test_255_beside_1_in_one_mask_is_unlabelled(tmp_path: Path) -> None:
    records = read(masked(tmp_path, {"a": filled(0, 1, 255, 0, 1), "b": filled(0, 255)}))
    assert records.class_names == ("background", "foreground")
    assert records.labels.tolist() == [[1, 1], [1, 0]]
    assert records.masks is not None
    assert records.masks.pixel_counts.tolist() == [[48, 48, 24], [60, 0, 60]]
    assert records.masks.load(1).tolist() == filled(0, IGNORE).tolist()
    assert records.notes == ("255 means unlabelled: 35 % of all pixels, in 2 masks, count in nothing.",)


def test_several_values_are_the_numbers_of_classes(tmp_path: Path) -> None:
    records = read(masked(tmp_path, {"a": filled(0, 2), "b": filled(1, 255)}))
    assert records.class_names == ("0", "1", "2")
    assert records.labels.tolist() == [[1, 0, 1], [0, 1, 0]]
    assert records.masks is not None
    assert records.masks.pixel_counts.tolist() == [[60, 0, 60, 0], [0, 60, 0, 60]]


def test_gaps_are_refused_unless_the_classes_are_named(tmp_path: Path) -> None:
    root = masked(tmp_path / "set", {"a": filled(0, 1, 5), "b": filled(0, 1)})
    refused(
        root,
        "The masks of set have the values 0, 1, 5 but not 2, 3, 4: give the values of the classes in their order with "
        "--mask-values, as 0,1,5, or name all 6 in a classes.txt, one a line.",
    )
    (root / "classes.txt").write_text("ground\nroof\ncar\ntree\nroad\nlake\n")
    records = read(root)
    assert records.class_names == ("ground", "roof", "car", "tree", "road", "lake")
    assert records.labels.tolist() == [[1, 1, 0, 0, 0, 1], [1, 1, 0, 0, 0, 0]]
    assert records.notes == ("No mask has 3 classes of classes.txt: car, tree, road.",)


def test_classes_that_do_not_begin_with_0_are_a_gap(tmp_path: Path) -> None:
    refused(masked(tmp_path, {"a": filled(1, 2)}), "have the values 1, 2 but not 0:")


def test_a_value_beyond_the_named_classes_is_refused(tmp_path: Path) -> None:
    root = masked(tmp_path / "set", {"a": filled(0, 1), "b": filled(0, 2), "c": filled(3, 255)})
    (root / "classes.txt").write_text("x\ny\n")
    refused(
        root,
        "The classes.txt of set names 2 classes, 0 to 1, and masks have the value 2, 3 (masks/b.png, masks/c.png): "
        "name all classes",
    )


def test_classes_txt_names_two_classes(tmp_path: Path) -> None:
    root = black_and_white(tmp_path / "set")
    (root / "classes.txt").write_text("\ufeffouter \ncell\n\n", encoding="utf-8")
    assert read(root).class_names == ("outer", "cell")
    (root / "classes.txt").write_text("outer\ncell\nwall\n")
    refused(root, "names 3 classes, and its masks have two, background and foreground: give two lines")


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("one\n", "names 1 class: give at least two"),
        ("", "names 0 classes: give at least two"),
        ("a\n\nb\n", "is empty in line 2: give at least two"),
        ("a\nb\na\n", "has 'a' more than once: give each class its own name"),
        ("\n".join(map(str, range(256))), "names 256 classes: masks can tell 255 at most"),
    ],
)
def test_a_classes_txt_that_says_nothing(tmp_path: Path, text: str, wrong: str) -> None:
    root = black_and_white(tmp_path)
    (root / "classes.txt").write_text(text)
    refused(root, f"The file {root / 'classes.txt'} {wrong}")


def test_classes_txt_lies_beside_images_or_above_the_splits(tmp_path: Path) -> None:
    for split in ("train", "val", "test"):
        black_and_white(tmp_path, 2, under=split)
    (tmp_path / "classes.txt").write_text("outer\ncell\n")
    assert read(tmp_path).class_names == ("outer", "cell")
    (tmp_path / "train" / "classes.txt").write_text("outer\nwall\n")
    refused(tmp_path, "classes.txt name different classes: keep one of them")
    (tmp_path / "classes.txt").unlink()
    assert read(tmp_path).class_names == ("outer", "wall")


@pytest.mark.parametrize(("value", "named"), [(0, "0"), (255, "255"), (3, "3")])
def test_one_class_only_is_refused(tmp_path: Path, value: int, named: str) -> None:
    root = masked(tmp_path / "set", {"a": filled(value), "b": filled(value)})
    refused(root, f"The masks of set hold one class only (of values {named}): at least two are needed.")


def several(root: Path) -> Path:
    """40 images: class 1 in all, 2 in 10 of them, 3 in 3 of these."""
    values = {i: (0, 1, *[2] * (i < 10), *[3] * (i < 3)) for i in range(40)}
    return masked(root, {str(i): filled(*rows) for i, rows in values.items()})


def test_the_rarest_class_is_spread_over_the_splits(tmp_path: Path) -> None:
    task = load_task(several(tmp_path), seed=4)
    counts = {split: samples.labels.sum(axis=0).tolist() for split, samples in task.splits.items()}
    # 3 images by class 3: 1, 1, 1; 7 by class 2: 5, 1, 1; 30 of the others: 19, 5, 6.
    assert counts == {"train": [25, 25, 6, 1], "val": [7, 7, 2, 1], "test": [8, 8, 2, 1]}


def test_no_split_is_empty_where_every_image_has_a_class_of_its_own(tmp_path: Path) -> None:
    values = {str(i): filled(0, i) for i in range(1, 4)}
    with pytest.raises(DataError, match="No mask in train of set has"):
        load_task(masked(tmp_path / "set", values))
    task = load_task(masked(tmp_path / "set", values | {str(i): filled(0, 1, 2, 3) for i in range(4, 8)}))
    assert all(len(samples) for samples in task.splits.values())


def test_an_empty_split_is_refused(tmp_path: Path) -> None:
    """Two patients can't be in three splits."""
    rows = [f"images/{i}.png,masks/{i}.png,P{i % 2}" for i in range(10)]
    (black_and_white(tmp_path) / "set.csv").write_text("\n".join(["image,mask,patient", *rows]))
    with pytest.raises(DataError, match=r"set has no image in (val|test): every split needs some; add images, or move"):
        load_task(tmp_path / "set.csv")


def test_a_class_that_train_lacks_is_refused(tmp_path: Path) -> None:
    masked(tmp_path, {str(i): filled(0, 1) for i in range(3)}, under="train")
    masked(tmp_path, {str(i): filled(0, 1, 2) for i in range(3)}, under="test")
    with pytest.raises(DataError, match=r"No mask in train of .* has 2, and others do: every class has to be in train"):
        load_task(tmp_path)


def test_a_class_that_val_or_test_lack_is_noted(tmp_path: Path) -> None:
    for split, values in (("train", (0, 1, 2)), ("val", (0, 1, 2)), ("test", (0,))):
        masked(tmp_path, {str(i): filled(*values) for i in range(3)}, under=split)
    assert load_task(tmp_path).notes[0] == "Split as the data bring it. No mask in test has 1, 2."


def test_three_images_are_needed(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="set has 2 images with masks: at least 3 are needed"):
        load_task(black_and_white(tmp_path / "set", 2))
    assert [len(samples) for samples in load_task(black_and_white(tmp_path / "set", 3)).splits.values()] == [1, 1, 1]


def test_a_split_is_written_and_given_back(tmp_path: Path) -> None:
    root = several(tmp_path / "set")
    task = load_task(root, seed=3)
    write_splits(task, tmp_path / "splits.csv")
    assert "0=1;1=1;2=1;3=0" in (tmp_path / "splits.csv").read_text()
    again = load_task(root, splits=tmp_path / "splits.csv")
    assert [samples.ids for samples in again.splits.values()] == [samples.ids for samples in task.splits.values()]
    assert again.fingerprint == task.fingerprint
    save(root / "masks" / "0.png", filled(0, 1))
    with pytest.raises(DataError, match=r"says that images/0\.png is '0=1;1=1;2=1;3=1', and the data say"):
        load_task(root, splits=tmp_path / "splits.csv")


def test_a_share_of_train_keeps_the_rare_classes(tmp_path: Path) -> None:
    task = load_task(several(tmp_path), train_fraction=0.5)
    whole = load_task(several(tmp_path))
    assert len(task.train) < len(whole.train)
    assert (task.train.labels.sum(axis=0) > 0).all()
    assert task.unused is not None
    assert task.unused.masks is not None
    assert [samples.ids for samples in (task.val, task.test)] == [samples.ids for samples in (whole.val, whole.test)]


def test_the_fingerprint_depends_on_what_the_masks_say(tmp_path: Path) -> None:
    root = black_and_white(tmp_path / "set")
    first = read(root).fingerprint()
    shutil.copytree(root, tmp_path / "copy")
    assert read(tmp_path / "copy").fingerprint() == first
    (tmp_path / "copy" / "classes.txt").write_text("outer\ncell\n")
    named = read(tmp_path / "copy").fingerprint()
    (tmp_path / "copy" / "classes.txt").unlink()
    save(tmp_path / "copy" / "masks" / "3.png", filled(255, 0))
    assert len({first, named, read(tmp_path / "copy").fingerprint()}) == 3


def test_the_fingerprint_of_labels_alone_is_what_it_was() -> None:
    """The bytes that were hashed before there were masks: id, label, image."""
    task = load_task("digits:0-1")
    total = hashlib.sha256()
    rows = [(i, s, k) for s in task.splits.values() for k, i in enumerate(s.index.tolist())]
    for i, samples, k in sorted(rows, key=lambda row: row[0]):
        total.update(f"{samples.ids[k]}\0{task.class_names[samples.labels[k]]}\0".encode())
        total.update(samples.source.digests[i])
    assert total.hexdigest() == task.fingerprint


def test_picked_records_keep_their_masks(tmp_path: Path) -> None:
    records = read(masked(tmp_path, {"a": filled(0, 1), "b": filled(0, 2), "c": filled(2)}))
    picked = records.pick([2, 0])
    assert (picked.kind, picked.ids) == ("segmentation", ("images/c.png", "images/a.png"))
    assert picked.masks is not None
    assert records.masks is not None
    assert len(picked.masks) == 2
    assert picked.masks.digests == (records.masks.digests[2], records.masks.digests[0])
    assert picked.masks.pixel_counts.tolist() == [[0, 0, 120, 0], [60, 60, 0, 0]]
    assert picked.masks.load(0).tolist() == filled(2).tolist()


def test_of_copies_one_is_kept_and_none_where_their_masks_differ(tmp_path: Path) -> None:
    root = black_and_white(tmp_path, 8)
    for copy, mask in (("same", filled(0, 255)), ("other", filled(255, 0))):
        original = {"same": 0, "other": 1}[copy]
        save(root / "images" / f"{copy}.png", noise(original))
        save(root / "masks" / f"{copy}.png", mask)
    task = load_task(root, dedupe="drop")
    kept = {name for samples in task.splits.values() for name in samples.ids}
    assert kept == {f"images/{i}.png" for i in (0, 2, 3, 4, 5, 6, 7)}
    assert any("3 images dropped, of which 2 bore different masks than their copies" in note for note in task.notes)


def test_copies_can_be_kept_together(tmp_path: Path) -> None:
    root = black_and_white(tmp_path, 12)
    for i in range(4):
        save(root / "images" / f"copy{i}.png", noise(i))
        save(root / "masks" / f"copy{i}.png", filled(0, 255))
    task = load_task(root, dedupe="together")
    assert "Duplicates: 4 pairs, each kept in one split." in task.notes
    assert "Leak check: no image is in two splits, not even saved anew." in task.notes


def test_describe_tells_what_share_of_the_pixels_each_class_has(tmp_path: Path) -> None:
    masks = {"a": filled(0, 1, 2, 0, 0), "b": filled(0, 255), "c": filled(0), "d": filled(0, 1, 2, 1, 1)}
    task = load_task(masked(tmp_path, masks), seed=1)
    about = describe(task)
    # Rows of ten: a 6, 2, 2; b 5 and 5 unlabelled; c 10; d 2, 6, 2.
    assert about.pixel_share == {"0": 23 / 35, "1": 8 / 35, "2": 4 / 35}
    assert about.unlabelled_share == 5 / 40
    assert sum(counts["1"] for counts in about.counts.values()) == 2


def manifest(root: Path, header: str, rows: list[str]) -> Path:
    path = root / "set.csv"
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def test_a_manifest_with_a_column_of_masks(tmp_path: Path) -> None:
    black_and_white(tmp_path, 6)
    splits = ("train", "train", "train", "train", "val", "test")
    rows = [f"images/{i}.png,masks/{i}.png,P{i},{split}" for i, split in enumerate(splits)]
    (tmp_path / "classes.txt").write_text("outer\ncell\n")
    task = load_task(manifest(tmp_path, "image,Mask,patient,split", rows))
    assert (task.name, task.kind, task.class_names) == ("set", "segmentation", ("outer", "cell"))
    assert task.train.ids == tuple(f"images/{i}.png" for i in range(4))
    assert task.train.groups == ("P0", "P1", "P2", "P3")
    assert task.val.masks is not None
    assert task.val.masks.load(int(task.val.index[0])).tolist() == filled(0, 1).tolist()
    taken = "'patient' for groups, 'image' for images, 'Mask' for masks, 'split' for splits"
    assert f"Columns taken by their names: {taken}." in task.notes
    assert task.fingerprint == load_task(tmp_path).fingerprint


def test_masks_of_a_manifest_that_do_not_fit(tmp_path: Path) -> None:
    black_and_white(tmp_path, 6)
    save(tmp_path / "masks" / "1.png", filled(0, 255).T.copy())
    rows = [f"images/{i}.png,masks/{i if i else 'none'}.png,P{i}" for i in range(6)]
    path = manifest(tmp_path, "image,mask,patient", rows)
    text = (
        f"2 files of {path} can't be used, where each of 6 images needs a mask of its size: masks/1.png (10x12 pixels, "
        "and its image 12x10), masks/none.png (No such file or directory): repair"
    )
    with pytest.raises(DataError, match=re.escape(text)):
        load_task(path)
    task = load_task(path, skip_bad=True)
    ids = [name for samples in task.splits.values() for name in samples.ids]
    assert sorted(ids) == [f"images/{i}.png" for i in range(2, 6)]
    assert [samples.groups for samples in task.splits.values()] == [
        tuple(f"P{name[7]}" for name in samples.ids) for samples in task.splits.values()
    ]


def test_a_label_wins_over_a_mask_that_nobody_asked_for(tmp_path: Path) -> None:
    black_and_white(tmp_path, 6)
    path = manifest(tmp_path, "image,mask,label", [f"images/{i}.png,masks/{i}.png,{'ab'[i % 2]}" for i in range(6)])
    assert load_task(path).kind == "binary"
    assert load_task(path, columns=Columns(mask="mask")).kind == "segmentation"
    with pytest.raises(DataError, match="Both labels and masks are given of"):
        load_task(path, columns=Columns(mask="mask", labels=("label",)))


def test_an_image_with_two_masks_or_none_in_a_manifest(tmp_path: Path) -> None:
    black_and_white(tmp_path, 3)
    path = manifest(tmp_path, "image,mask", ["images/0.png,masks/0.png", "images/0.png,masks/1.png"])
    with pytest.raises(DataError, match=r"names the image images/0\.png twice, with different 'mask'"):
        load_task(path)
    path = manifest(tmp_path, "image,mask", ["images/0.png,masks/0.png", "images/1.png,"])
    with pytest.raises(DataError, match=r"The column 'mask' of .*, for masks, has no value in 1 row, row 3 "):
        load_task(path)


@pytest.mark.realdata
@pytest.mark.parametrize(
    ("name", "images", "size", "foreground"), [("membrane", 30, 512, 0.780), ("nuclei", 120, 256, 0.0793)]
)
def test_real_sets(realdata: Path, name: str, images: int, size: int, foreground: float) -> None:
    task = load_task(realdata / name)
    about = describe(task)
    assert (task.kind, task.class_names) == ("segmentation", ("background", "foreground"))
    assert about.images == images
    assert about.width_px == about.height_px == Spread(size, size, size)
    assert about.pixel_share["foreground"] == pytest.approx(foreground, abs=5e-4)
    assert about.unlabelled_share == 0
