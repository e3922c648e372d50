from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ttl.data import Samples, load_task
from ttl.data.cache import Pairs, decode_pairs
from ttl.errors import DataError, UsageError

from .toys import class_folders, flip_byte, noise, save, truncate_file

SIZES = [(12, 10), (7, 5), (8, 8), (3, 9), (12, 10)]  # width, height


@pytest.fixture
def train(tmp_path: Path) -> Samples:
    """Images of five sizes with masks of classes 0, 1, 2 and unlabelled pixels."""
    for split, count in (("train", 5), ("val", 1), ("test", 1)):
        for i in range(count):
            save(tmp_path / "set" / split / "images" / f"{i}.png", noise(i + count, SIZES[i]))
            mask = (np.arange(SIZES[i][0] * SIZES[i][1]) % 4).reshape(SIZES[i][::-1])
            save(tmp_path / "set" / split / "masks" / f"{i}.png", np.where(mask == 3, 255, mask).astype(np.uint8))
    return load_task(tmp_path / "set").train


@pytest.fixture(params=[False, True], ids=["memory", "file"])
def cache_dir(request: pytest.FixtureRequest, tmp_path: Path) -> Path | None:
    return tmp_path / "cache" if request.param else None


def same(a: Pairs, b: Pairs) -> bool:
    tensors = [(*pairs.pixels, *pairs.masks) for pairs in (a, b)]
    return len(a) == len(b) and all(torch.equal(x, y) for x, y in zip(*tensors, strict=True))


def test_images_and_masks_keep_their_sizes(train: Samples, cache_dir: Path | None) -> None:
    pairs = decode_pairs(train, cache_dir=cache_dir)
    assert len(pairs) == 5
    for i, (pixels, mask) in enumerate(zip(pairs.pixels, pairs.masks, strict=True)):
        width, height = SIZES[i]
        assert (pixels.dtype, tuple(pixels.shape)) == (torch.uint8, (1, height, width))
        assert (mask.dtype, tuple(mask.shape)) == (torch.uint8, (height, width))
        assert np.array_equal(pixels[0].numpy(), noise(i + 5, SIZES[i]))
        assert mask.flatten().tolist() == [(0, 1, 2, 255)[k % 4] for k in range(width * height)]


def test_one_colour_image_makes_all_of_them_colour(train: Samples, tmp_path: Path, cache_dir: Path | None) -> None:
    save(tmp_path / "set" / "train" / "images" / "1.png", noise(1, (7, 5), channels=3))
    pairs = decode_pairs(load_task(tmp_path / "set").train, cache_dir=cache_dir)
    assert [tuple(pixels.shape) for pixels in pairs.pixels] == [(3, height, width) for width, height in SIZES]
    assert np.array_equal(pairs.pixels[1].numpy(), noise(1, (7, 5), channels=3).transpose(2, 0, 1))
    assert np.array_equal(pairs.pixels[2].numpy(), np.stack([noise(7, (8, 8))] * 3))


def test_a_part_in_another_order(train: Samples, cache_dir: Path | None) -> None:
    whole = decode_pairs(train)
    order = [3, 0]
    part = replace(train, ids=tuple(train.ids[i] for i in order), labels=train.labels[order], index=train.index[order])
    expected = Pairs(*(tuple(each[i] for i in order) for each in (whole.pixels, whole.masks)))
    assert same(decode_pairs(part, cache_dir=cache_dir), expected)


def test_the_file_is_used_again(train: Samples, tmp_path: Path) -> None:
    first = decode_pairs(train, cache_dir=tmp_path / "cache")
    for path in (tmp_path / "set").rglob("*.png"):
        path.unlink()
    calls: list[tuple[int, int]] = []
    second = decode_pairs(train, cache_dir=tmp_path / "cache", on_progress=lambda *call: calls.append(call))
    assert same(first, second)
    assert calls == []
    assert len(list((tmp_path / "cache").iterdir())) == 1


def test_other_masks_are_another_file(train: Samples, tmp_path: Path) -> None:
    decode_pairs(train, cache_dir=tmp_path / "cache")
    decode_pairs(train, cache_dir=tmp_path / "cache", key="another task")
    save(tmp_path / "set" / "train" / "masks" / "2.png", np.zeros((8, 8), np.uint8))
    changed = decode_pairs(load_task(tmp_path / "set").train, cache_dir=tmp_path / "cache")
    assert changed.masks[2].max() == 0
    assert len(list((tmp_path / "cache").iterdir())) == 3


def test_another_meaning_of_the_same_values_is_another_file(tmp_path: Path) -> None:
    """255 is foreground until a mask has 1 as well."""
    root = tmp_path / "set"
    for i in range(5):
        save(root / "images" / f"{i}.png", noise(i))
        save(root / "masks" / f"{i}.png", np.where(noise(i + 50) > 99, 255, 0).astype(np.uint8))
    before = load_task(root)
    white = decode_pairs(before.val, cache_dir=tmp_path / "cache")
    save(root / "images" / "x.png", noise(9))
    save(root / "masks" / "x.png", (noise(60) % 2 * 255 + (noise(60) % 2 == 0)).astype(np.uint8))
    after = load_task(root)
    whole = replace(after.val, ids=before.val.ids, index=before.val.index, labels=before.val.labels)
    unlabelled = decode_pairs(whole, cache_dir=tmp_path / "cache")
    assert white.masks[0].max() == 1
    assert unlabelled.masks[0].max() == 255


def test_writing_to_the_tensors_does_not_reach_the_file(train: Samples, tmp_path: Path) -> None:
    first = decode_pairs(train, cache_dir=tmp_path / "cache")
    for tensor in (*first.pixels, *first.masks):
        tensor.zero_()
    assert same(decode_pairs(train, cache_dir=tmp_path / "cache"), decode_pairs(train))


@pytest.mark.parametrize("damage", [truncate_file, lambda path: flip_byte(path, 200)])
def test_a_damaged_file_is_written_anew(train: Samples, tmp_path: Path, damage: Callable[[Path], Path]) -> None:
    decode_pairs(train, cache_dir=tmp_path / "cache")
    (path,) = (tmp_path / "cache").iterdir()
    damage(path)
    assert same(decode_pairs(train, cache_dir=tmp_path / "cache"), decode_pairs(train))


@pytest.mark.parametrize("folder", ["images", "masks"])
def test_what_vanished_leaves_no_file(train: Samples, tmp_path: Path, folder: str) -> None:
    gone = tmp_path / "set" / "train" / folder / "4.png"
    gone.unlink()
    with pytest.raises(DataError, match=re.escape(f"The {folder[:-1]} {gone} can't be read (No such file")):
        decode_pairs(train, cache_dir=tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


@pytest.mark.parametrize("folder", ["images", "masks"])
def test_another_size_than_was_checked_is_refused(train: Samples, tmp_path: Path, folder: str) -> None:
    path = tmp_path / "set" / "train" / folder / "1.png"
    Image.open(path).resize((5, 7)).save(path)
    text = "The image train/images/1.png or its mask is no longer of 7x5 pixels: was it changed?"
    with pytest.raises(DataError, match=re.escape(text)):
        decode_pairs(train, cache_dir=tmp_path / "cache")


def test_no_samples(train: Samples, cache_dir: Path | None) -> None:
    none = replace(train, ids=(), labels=train.labels[:0], index=train.index[:0])
    pairs = decode_pairs(none, cache_dir=cache_dir)
    assert (pairs.pixels, pairs.masks) == ((), ())


def test_progress(train: Samples, cache_dir: Path | None) -> None:
    calls: list[tuple[int, int]] = []
    decode_pairs(train, cache_dir=cache_dir, on_progress=lambda *call: calls.append(call))
    assert calls == [(done, 5) for done in range(1, 6)]


def test_samples_without_masks_are_refused(tmp_path: Path) -> None:
    train = load_task(class_folders(tmp_path, {"a": 3, "b": 3})).train
    with pytest.raises(UsageError, match="The samples have no masks: decode gives"):
        decode_pairs(train)


@pytest.mark.realdata
def test_nuclei_from_the_file_are_those_from_memory(realdata: Path, tmp_path: Path) -> None:
    val = load_task(realdata / "nuclei").val
    kept = decode_pairs(val, cache_dir=tmp_path)
    assert {tuple(pixels.shape) for pixels in kept.pixels} == {(3, 256, 256)}
    assert {tuple(mask.shape) for mask in kept.masks} == {(256, 256)}
    assert same(kept, decode_pairs(val))
