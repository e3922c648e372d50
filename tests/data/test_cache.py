from __future__ import annotations

import errno
import hashlib
import os
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ttl.data import Samples, decode, load_task
from ttl.data import cache as cache_module
from ttl.data.cache import read_cached
from ttl.errors import DataError, UsageError

from .toys import class_folders, flip_byte, noise, save, truncate_file


class Unreadable:
    """A source that must not be asked for an image."""

    def __init__(self, source: object) -> None:
        self.channels, self.sizes, self.digests = source.channels, source.sizes, source.digests

    def load(self, index: int) -> Image.Image:
        raise AssertionError(f"image {index} was decoded again")


@pytest.fixture
def train(tmp_path: Path) -> Samples:
    return load_task(class_folders(tmp_path / "set", {"a": 20, "b": 20})).train


@pytest.fixture(params=[False, True], ids=["memory", "file"])
def cache_dir(request: pytest.FixtureRequest, tmp_path: Path) -> Path | None:
    return tmp_path / "cache" if request.param else None


def test_images_are_squashed_in_order(train: Samples, cache_dir: Path | None) -> None:
    pixels = decode(train, image_size=8, interpolation="bicubic", cache_dir=cache_dir)
    assert (pixels.dtype, tuple(pixels.shape)) == (torch.uint8, (26, 1, 8, 8))
    for position, index in enumerate(train.index):
        expected = train.source.load(index).resize((8, 8), Image.Resampling.BICUBIC)
        assert np.array_equal(pixels[position, 0].numpy(), np.asarray(expected))


def test_one_colour_image_makes_all_of_them_colour(tmp_path: Path, cache_dir: Path | None) -> None:
    class_folders(tmp_path / "set", {"a": 3, "b": 3})
    save(tmp_path / "set" / "a" / "c.png", noise(0, channels=3))
    task = load_task(tmp_path / "set")
    for samples in task.splits.values():
        pixels = decode(samples, image_size=8, cache_dir=cache_dir)
        assert pixels.shape == (len(samples), 3, 8, 8)
        for position, sample in enumerate(samples.ids):
            same = bool((pixels[position] == pixels[position, :1]).all())
            assert same == (sample != "a/c.png")


def test_the_file_is_used_again(train: Samples, tmp_path: Path) -> None:
    first = decode(train, image_size=8, cache_dir=tmp_path / "cache")
    again = Samples(train.ids, train.labels, Unreadable(train.source), train.index)
    calls: list[tuple[int, int]] = []
    second = decode(again, image_size=8, cache_dir=tmp_path / "cache", on_progress=lambda *c: calls.append(c))
    assert torch.equal(first, second)
    assert calls == []
    assert len(list((tmp_path / "cache").iterdir())) == 1


def test_another_size_filter_or_image_is_another_file(train: Samples, tmp_path: Path) -> None:
    fewer = Samples(train.ids[1:], train.labels[1:], train.source, train.index[1:])
    decode(train, image_size=8, cache_dir=tmp_path / "cache")
    decode(train, image_size=9, cache_dir=tmp_path / "cache")
    decode(train, image_size=8, interpolation="bicubic", cache_dir=tmp_path / "cache")
    decode(fewer, image_size=8, cache_dir=tmp_path / "cache")
    assert len(list((tmp_path / "cache").iterdir())) == 4


def test_writing_to_the_tensor_does_not_reach_the_file(train: Samples, tmp_path: Path) -> None:
    first = decode(train, image_size=8, cache_dir=tmp_path / "cache")
    kept = first.clone()
    first.zero_()
    assert torch.equal(decode(train, image_size=8, cache_dir=tmp_path / "cache"), kept)


@pytest.mark.parametrize(
    "damage",
    [
        truncate_file,
        lambda path: flip_byte(path, 0),  # of the header
        lambda path: flip_byte(path, -33),  # of the last pixel
        lambda path: flip_byte(path, -1),  # of the digest
        lambda path: path.write_bytes(path.read_bytes() + b"\0"),
        lambda path: path.write_bytes(b""),
    ],
)
def test_a_damaged_file_is_noticed_and_written_anew(
    train: Samples, tmp_path: Path, damage: Callable[[Path], object]
) -> None:
    first = decode(train, image_size=8, cache_dir=tmp_path / "cache")
    (path,) = (tmp_path / "cache").iterdir()
    whole = path.read_bytes()
    assert whole[-32:] == hashlib.sha256(first.numpy().tobytes()).digest()
    assert np.array_equal(read_cached(path), first.numpy())
    damage(path)
    assert read_cached(path) is None
    assert torch.equal(decode(train, image_size=8, cache_dir=tmp_path / "cache"), decode(train, image_size=8))
    assert path.read_bytes() == whole


def test_a_file_of_another_shape_is_no_cache(train: Samples, tmp_path: Path) -> None:
    kept = decode(train, image_size=8, cache_dir=tmp_path / "cache").clone()
    decode(train, image_size=9, cache_dir=tmp_path / "other")
    (path,), (other,) = (tmp_path / "cache").iterdir(), (tmp_path / "other").iterdir()
    path.write_bytes(other.read_bytes())
    assert torch.equal(decode(train, image_size=8, cache_dir=tmp_path / "cache"), kept)


def test_a_full_disk(train: Samples, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(file: object, header: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(cache_module.np.lib.format, "write_array_header_1_0", full)
    place = tmp_path / "cache"
    with pytest.raises(DataError, match=re.escape(f"{place} can't be written (No space left on device): free")):
        decode(train, image_size=8, cache_dir=place)
    assert list(place.iterdir()) == []


def test_a_file_where_the_folder_should_be(train: Samples, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("")
    with pytest.raises(DataError, match=r"The image cache in .* can't be written"):
        decode(train, image_size=8, cache_dir=tmp_path / "cache")


def test_an_image_that_vanished_leaves_no_file(train: Samples, tmp_path: Path) -> None:
    gone = tmp_path / "set" / train.ids[-1]
    gone.unlink()
    with pytest.raises(DataError, match=re.escape(f"The image {gone} can't be read (No such file")):
        decode(train, image_size=8, cache_dir=tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def test_no_samples(train: Samples, cache_dir: Path | None) -> None:
    none = Samples((), train.labels[:0], train.source, train.index[:0])
    assert decode(none, image_size=8, cache_dir=cache_dir).shape == (0, 1, 8, 8)


def test_progress(train: Samples, cache_dir: Path | None) -> None:
    calls: list[tuple[int, int]] = []
    decode(train, image_size=8, cache_dir=cache_dir, on_progress=lambda *call: calls.append(call))
    assert calls == [(done, 26) for done in range(1, 27)]


def test_bad_options(train: Samples) -> None:
    with pytest.raises(UsageError, match="no interpolation 'best': choose one of nearest, bilinear"):
        decode(train, image_size=8, interpolation="best")
    with pytest.raises(UsageError, match="The image size is 0: give the side of a square"):
        decode(train, image_size=0)


@pytest.mark.realdata
def test_the_x_rays_from_the_file_are_those_from_memory(realdata: Path, tmp_path: Path) -> None:
    val = load_task(realdata / "xray").val
    kept = decode(val, image_size=112, cache_dir=tmp_path)
    assert kept.shape == (160, 1, 112, 112)
    assert torch.equal(kept, decode(val, image_size=112))
