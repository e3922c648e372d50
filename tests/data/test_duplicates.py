from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ttl.data import Samples, load_task
from ttl.data.duplicates import find_duplicates, keep_together
from ttl.data.likeness import MAX_DISTANCE, MIN_CORRELATION, fine_detail, perceptual_hash
from ttl.data.readers.class_folders import read_folder
from ttl.data.sources import ArraySource
from ttl.data.task import Duplicate
from ttl.errors import DataError

from .toys import Pixels, class_folders, picture


def arrays(*pixels: Pixels, name: str = "x") -> Samples:
    """A split named by its ids: x/0, x/1, ..."""
    ids = tuple(f"{name}/{i}" for i in range(len(pixels)))
    return Samples(ids, np.zeros(len(ids), np.int64), ArraySource.of(np.stack(pixels)), np.arange(len(ids)))


def files(root: Path, images: dict[str, Image.Image], **options: object) -> dict[str, Samples]:
    """A split for each folder of `images` (folder/name -> image), saved under `root`."""
    for name, image in images.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        image.save(root / name, **(options if name.endswith(".jpg") else {}))
    records = read_folder(root)
    splits = {}
    for folder in records.class_names:
        index = np.flatnonzero([sample.startswith(f"{folder}/") for sample in records.ids])
        ids = tuple(records.ids[i] for i in index)
        splits[folder] = Samples(ids, records.labels[index], records.source, index)
    return splits


def pairs(found: list[Duplicate]) -> list[tuple[str, str, str]]:
    return [(pair.a, pair.b, pair.kind) for pair in found]


def test_equal_bytes_are_identical_across_splits_only() -> None:
    a, b, c = picture(1), picture(2), picture(3)
    splits = {"train": arrays(a, a, b, name="t"), "val": arrays(c, name="v"), "test": arrays(c, a, name="e")}
    assert find_duplicates(splits) == [
        Duplicate("t/0", "e/1", "train", "test", "identical", 0),
        Duplicate("t/1", "e/1", "train", "test", "identical", 0),
        Duplicate("v/0", "e/0", "val", "test", "identical", 0),
    ]


def test_within_tells_each_pair_of_one_split_once() -> None:
    a, b = picture(1), picture(2)
    assert pairs(find_duplicates({"all": arrays(a, b, a, a)}, within=True)) == [
        ("x/0", "x/2", "identical"),
        ("x/0", "x/3", "identical"),
        ("x/2", "x/3", "identical"),
    ]


def test_positions_are_those_of_the_split_and_not_of_the_source() -> None:
    source = ArraySource.of(np.stack([picture(1), picture(2), picture(1), picture(3)]))
    ids = ("p", "q", "r", "s")
    train, test = (
        Samples(tuple(ids[i] for i in index), np.zeros(2, np.int64), source, np.array(index))
        for index in ([3, 2], [1, 0])
    )
    assert pairs(find_duplicates({"train": train, "test": test})) == [("r", "p", "identical")]


@pytest.mark.parametrize(
    ("scale", "suffix", "colour"),
    [
        (1, ".jpg", False),
        (1, ".jpg", True),
        (1, ".png", True),
        (0.5, ".jpg", False),
        (0.5, ".jpg", True),
        (0.5, ".png", False),
        (2, ".jpg", True),
        (2, ".png", False),
    ],
)
def test_copies_saved_anew_are_near(tmp_path: Path, scale: float, suffix: str, colour: bool) -> None:
    images = {}
    for i in range(3):
        image = Image.fromarray(picture(i))
        images[f"a/{i}.png"] = image
        copy = image.convert("RGB") if colour else image
        images[f"b/{i}{suffix}"] = copy.resize((int(160 * scale), int(120 * scale)), Image.Resampling.LANCZOS)
    found = find_duplicates(files(tmp_path, images, quality=80))
    kind = "identical" if scale == 1 and suffix == ".png" else "near"  # grey as colour is the same pixels
    assert pairs(found) == [(f"a/{i}.png", f"b/{i}{suffix}", kind) for i in range(3)]
    assert all(pair.distance <= MAX_DISTANCE for pair in found)


def test_a_large_jpeg_is_decoded_small_and_still_near(tmp_path: Path) -> None:
    image = Image.fromarray(picture(1, (800, 600)))
    splits = files(tmp_path, {"a/0.png": image, "b/0.jpg": image}, quality=80)
    assert pairs(find_duplicates(splits)) == [("a/0.png", "b/0.jpg", "near")]


def test_a_copy_that_lies_on_its_side_by_exif_is_near(tmp_path: Path) -> None:
    image = Image.fromarray(picture(1))
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees to the right to see it upright
    splits = files(tmp_path, {"a/0.png": image, "b/0.jpg": image.rotate(90, expand=True)}, exif=exif)
    assert pairs(find_duplicates(splits)) == [("a/0.png", "b/0.jpg", "near")]


def test_mirrored_and_turned_images_are_others() -> None:
    a = picture(1)
    assert find_duplicates({"a": arrays(a), "b": arrays(a[:, ::-1], a[::-1], a[::-1, ::-1])}) == []


def test_different_images_are_others() -> None:
    splits = {"a": arrays(*map(picture, range(40))), "b": arrays(*map(picture, range(40, 80)))}
    assert find_duplicates(splits) == []


def test_images_alike_only_in_what_is_coarse_are_others() -> None:
    """The two waves are of frequencies that the hash leaves out: to it the pictures are the same."""
    a, b = (
        np.rint(picture(1, (32, 32)) / 2 + 60 + 40 * np.cos(np.pi * frequency * (np.arange(32) + 0.5) / 32))
        for frequency in (24, 29)
    )
    a, b = a.astype(np.uint8), b.astype(np.uint8)
    assert np.bitwise_count(perceptual_hash(a) ^ perceptual_hash(b)).sum() <= MAX_DISTANCE
    assert fine_detail(a) @ fine_detail(b) < MIN_CORRELATION
    assert find_duplicates({"a": arrays(a), "b": arrays(b)}) == []


def test_flat_images_are_near_nothing() -> None:
    flat = [np.full((20, 30), grey, np.uint8) for grey in (0, 7, 200)]
    found = find_duplicates({"a": arrays(*flat), "b": arrays(flat[2], picture(1, (30, 20)))})
    assert pairs(found) == [("x/2", "x/0", "identical")]


def saved(root: Path, images: dict[str, Image.Image], **options: object) -> dict[str, Samples]:
    """As `files`, with options of saving only where they are for the format."""
    for name, image in images.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        image.save(root / name, **(options if name.endswith(".webp") else {}))
    return files(root, {})


def test_equal_pixels_are_identical_whatever_the_files(tmp_path: Path) -> None:
    flat, small, large = Image.new("L", (30, 20), 90), Image.fromarray(picture(5, (6, 5))), Image.fromarray(picture(6))
    images = {
        "a/flat.png": flat,
        "b/flat.bmp": flat.convert("RGB"),
        "a/small.png": small,
        "b/small.tif": small,
        "a/deep.png": Image.fromarray(np.array([[100, 200], [300, 355]], np.uint16)),
        "b/deep.pgm": Image.fromarray(np.array([[0, 100], [200, 255]], np.uint8)),  # what the other is stretched to
        "a/large.png": large,
        "b/large.webp": large.convert("RGB"),
        "a/other.png": Image.new("L", (30, 20), 91),
        "b/other.png": Image.new("L", (20, 30), 90),
    }
    assert sorted(pairs(find_duplicates(saved(tmp_path, images, lossless=True)))) == [
        ("a/deep.png", "b/deep.pgm", "identical"),
        ("a/flat.png", "b/flat.bmp", "identical"),
        ("a/large.png", "b/large.webp", "identical"),
        ("a/small.png", "b/small.tif", "identical"),
    ]


def test_jpegs_that_differ_in_their_headers_alone_are_identical(tmp_path: Path) -> None:
    image, exif = Image.fromarray(picture(1, (400, 300))), Image.Exif()
    exif[0x010E] = "saved again"
    for name, more in (("a/0.jpg", {}), ("b/0.jpg", {"exif": exif})):
        (tmp_path / name).parent.mkdir()
        image.save(tmp_path / name, quality=80, **more)
    assert pairs(find_duplicates(files(tmp_path, {}))) == [("a/0.jpg", "b/0.jpg", "identical")]


def test_equal_pixels_are_found_by_decoding_each_image_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """And of equal bytes one: the 40 images are 780 pairs."""
    opened: list[int] = []
    load = ArraySource.load

    def counting(source: ArraySource, index: int) -> Image.Image:
        opened.append(index)
        return load(source, index)

    monkeypatch.setattr(ArraySource, "load", counting)
    flat = [np.full((64, 64), 40, np.uint8)] * 20
    for i in range(20):
        other = np.full((64, 64), 40, np.uint8)
        other[0, i % 2] = 41  # which a thumbnail doesn't tell
        flat.append(other)
    found = find_duplicates({"all": arrays(*flat)}, within=True)
    assert Counter(pair.kind for pair in found) == {"identical": 190 + 45 + 45}
    assert len(opened) == 40 + 3  # a thumbnail of each, and one of each that differs


def test_the_hash_of_a_flat_thumbnail_has_no_bit() -> None:
    assert perceptual_hash(np.full((32, 32), 77, np.uint8)).tolist() == [0, 0, 0, 0]
    assert not fine_detail(np.full((32, 32), 77, np.uint8)).any()


def test_half_of_the_bits_are_set_and_detail_has_length_one() -> None:
    thumbnail = picture(1, (32, 32))
    assert np.bitwise_count(perceptual_hash(thumbnail)).sum() == 128
    detail = fine_detail(thumbnail)
    assert detail.shape == (1024,)
    assert detail @ detail == pytest.approx(1, abs=1e-5)
    assert detail.sum() == pytest.approx(0, abs=1e-4)


def test_many_images_go_through_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = [picture(i, (32, 32)) for i in range(10)]
    splits = {"a": arrays(*pixels, name="a"), "b": arrays(*pixels[::-1], name="b")}
    monkeypatch.setattr("ttl.data.likeness.MAX_DISTANCE", 256)
    expected = find_duplicates(splits)
    monkeypatch.setattr("ttl.data.likeness.CELLS", 25)
    monkeypatch.setattr("ttl.data.likeness.CONFIRMED", 3)
    assert find_duplicates(splits) == expected
    assert pairs(expected) == [(f"a/{i}", f"b/{9 - i}", "identical") for i in range(10)]


def test_a_split_without_images() -> None:
    empty = Samples((), np.zeros(0, np.int64), ArraySource.of(np.zeros((0, 4, 4), np.uint8)), np.zeros(0, np.int64))
    assert find_duplicates({"a": arrays(picture(1)), "b": empty}, within=True) == []


def test_an_image_that_went_bad_since(tmp_path: Path) -> None:
    splits = files(tmp_path, {f"{s}/0.jpg": Image.fromarray(picture(1)) for s in "ab"})
    (tmp_path / "b" / "0.jpg").write_bytes(b"")
    with pytest.raises(DataError, match=r"b/0\.jpg can't be read \(.*\): repair or remove it"):
        find_duplicates(splits)


def pair(a: str, b: str) -> Duplicate:
    return Duplicate(a, b, "train", "test", "near", 3)


def test_whoever_is_linked_is_kept_together() -> None:
    labels = keep_together("abcdef", [pair("e", "c"), pair("b", "e"), pair("b", "c"), pair("f", "d")])
    assert labels == ("a", "b", "b", "d", "b", "d")


def test_without_duplicates_everyone_is_alone() -> None:
    assert keep_together(["p", "q"], []) == ("p", "q")


def test_a_duplicate_joins_whole_groups() -> None:
    groups = ["Ann", "Ann", "Bob", "Bob", "Cy"]
    assert keep_together("abcde", [pair("d", "a")], groups) == ("Ann", "Ann", "Ann", "Ann", "Cy")


def test_a_split_drawn_by_what_is_kept_together_tears_nothing(tmp_path: Path) -> None:
    root = class_folders(tmp_path, {"a": 12, "b": 12})
    for i in range(4):
        (root / "a" / f"copy{i}.png").write_bytes((root / "a" / "0.png").read_bytes())
    whole = read_folder(root)
    everything = Samples(whole.ids, whole.labels, whole.source, np.arange(len(whole)))
    labels = keep_together(whole.ids, find_duplicates({"all": everything}, within=True))
    assert sorted(Counter(labels).values()) == [1] * 23 + [5]
    assert len({label for sample, label in zip(whole.ids, labels, strict=True) if "copy" in sample}) == 1


@pytest.mark.realdata
def test_pneumoniamnist_has_ten_images_in_two_splits(realdata: Path) -> None:
    found = find_duplicates(load_task(realdata / "pneumoniamnist.npz").splits)
    assert {(pair.a_split, pair.b_split, pair.kind) for pair in found} == {("train", "val", "identical")}
    assert len(found) == 10


@pytest.mark.realdata
def test_one_of_a_thousand_x_rays_is_there_twice(realdata: Path) -> None:
    records = read_folder(realdata / "xray")
    everything = Samples(records.ids, records.labels, records.source, np.arange(len(records)))
    assert find_duplicates({"all": everything}, within=True) == [
        Duplicate("normal/253.jpg", "normal/254.jpg", "all", "all", "identical", 0)
    ]
