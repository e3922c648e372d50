from __future__ import annotations

import errno
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from ttl.data.cache import decode, resize
from ttl.errors import DataError, UsageError


@dataclass
class Source:
    """Images in memory that count how often they are read."""

    pixels: list[np.ndarray]
    channels: int = 1
    loads: list[int] = field(default_factory=list)

    @property
    def digests(self) -> tuple[bytes, ...]:
        return tuple(hashlib.sha256(image.tobytes()).digest() for image in self.pixels)

    def __len__(self) -> int:
        return len(self.pixels)

    def load(self, index: int) -> Image.Image:
        self.loads.append(index)
        return Image.fromarray(self.pixels[index])


@dataclass
class Split:
    source: Source
    index: np.ndarray
    ids: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.ids)


def split(n: int = 6, *, colour: bool = False, shape: tuple[int, int] = (10, 14), seed: int = 0) -> Any:
    rng = np.random.default_rng(seed)
    size = (*shape, 3) if colour else shape
    pixels = [rng.integers(256, size=size, dtype=np.uint8) for _ in range(n)]
    return Split(Source(pixels, 3 if colour else 1), np.arange(n), tuple(f"{i}.png" for i in range(n)))


def test_pixels_are_those_of_pil() -> None:
    samples = split(colour=True)
    pixels = decode(samples, image_size=8, interpolation="bicubic")
    assert (pixels.shape, pixels.dtype) == ((6, 3, 8, 8), torch.uint8)
    for image, got in zip(samples.source.pixels, pixels, strict=True):
        expected = Image.fromarray(image).resize((8, 8), Image.Resampling.BICUBIC)
        assert np.array_equal(got.permute(1, 2, 0).numpy(), np.asarray(expected))


def test_a_split_takes_its_own_images_in_its_own_order() -> None:
    samples = split(shape=(8, 8))
    samples.index, samples.ids = np.array([4, 1]), ("4.png", "1.png")
    pixels = decode(samples, image_size=8)
    assert np.array_equal(pixels[:, 0].numpy(), [samples.source.pixels[4], samples.source.pixels[1]])
    assert sorted(samples.source.loads) == [1, 4]


def test_grey_images_of_a_colour_source_get_three_channels() -> None:
    samples = split(2, shape=(8, 8))
    samples.source.channels = 3
    pixels = decode(samples, image_size=8)
    assert pixels.shape == (2, 3, 8, 8)
    assert torch.equal(pixels[:, 0], pixels[:, 2])


def test_resizing_is_antialiased() -> None:
    # Stripes one pixel wide become even grey; picking single pixels would give black or white.
    stripes = Image.fromarray(np.tile(np.array([0, 255], np.uint8), (64, 32)))
    small = np.asarray(resize(stripes, 8))[:, 1:-1]
    assert small.min() >= 120
    assert small.max() <= 135


def test_an_unknown_interpolation_is_named() -> None:
    with pytest.raises(UsageError, match="There is no interpolation 'area'"):
        decode(split(1), image_size=8, interpolation="area")


def test_the_cache_gives_the_same_pixels_without_reading_the_images(tmp_path: Path) -> None:
    samples = split()
    in_memory = decode(samples, image_size=8)
    written = decode(samples, image_size=8, cache_dir=tmp_path / "new", key="k")
    samples.source.loads.clear()
    again = decode(samples, image_size=8, cache_dir=tmp_path / "new", key="k")
    assert torch.equal(in_memory, written)
    assert torch.equal(in_memory, again)
    assert samples.source.loads == []
    assert len(list((tmp_path / "new").iterdir())) == 1


def test_progress_counts_every_image(tmp_path: Path) -> None:
    samples, seen = split(10), []
    pixels = decode(
        samples, image_size=8, cache_dir=tmp_path, key="k", on_progress=lambda *done: seen.append(done)
    )
    assert torch.equal(pixels, decode(samples, image_size=8))
    assert seen == [(i, 10) for i in range(1, 11)]


def test_writing_to_the_pixels_leaves_the_cache_alone(tmp_path: Path) -> None:
    samples = split()
    first = decode(samples, image_size=8, cache_dir=tmp_path, key="k")
    kept = first.clone()
    first.zero_()
    assert torch.equal(decode(samples, image_size=8, cache_dir=tmp_path, key="k"), kept)


def other_ids(samples: Any) -> None:
    samples.ids = ("other.png", *samples.ids[1:])


@pytest.mark.parametrize(
    ("change", "options"),
    [
        (lambda _: None, {"key": "other"}),
        (lambda _: None, {"image_size": 9}),
        (lambda _: None, {"interpolation": "bicubic"}),
        (lambda samples: setattr(samples.source, "channels", 3), {}),
        (other_ids, {}),
        (lambda samples: samples.source.pixels[3].fill(0), {}),
    ],
    ids=["key", "size", "interpolation", "channels", "ids", "an image"],
)
def test_whatever_changes_the_pixels_gives_another_file(
    tmp_path: Path, change: Callable[[Any], None], options: dict[str, Any]
) -> None:
    samples = split()
    given = {"image_size": 8, "cache_dir": tmp_path, "key": "k"}
    decode(samples, **given)
    change(samples)
    decode(samples, **(given | options))
    assert len(list(tmp_path.iterdir())) == 2


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def lengthened(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\0")


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def scrambled(path: Path) -> None:
    path.write_bytes(b"not an array" * 100)


def replaced(path: Path) -> None:
    np.save(path, np.zeros((6, 1, 8, 8), np.float32))


@pytest.mark.parametrize("damage", [truncated, lengthened, emptied, scrambled, replaced])
def test_a_damaged_cache_is_built_again(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    samples = split()
    expected = decode(samples, image_size=8)
    decode(samples, image_size=8, cache_dir=tmp_path, key="k")
    (path,) = tmp_path.iterdir()
    damage(path)
    assert torch.equal(decode(samples, image_size=8, cache_dir=tmp_path, key="k"), expected)
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_is_told_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(np.lib.format, "write_array_header_1_0", full)
    with pytest.raises(DataError, match=r"can't be written \(No space left on device\): free some space"):
        decode(split(), image_size=8, cache_dir=tmp_path, key="k")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_write_that_fails_at_closing_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".name.part").symlink_to("/dev/full")
    monkeypatch.setattr(Path, "with_name", lambda *_: tmp_path / ".name.part")
    with pytest.raises(DataError, match="can't be written"):
        decode(split(), image_size=8, cache_dir=tmp_path, key="k")
    assert list(tmp_path.iterdir()) == []


def test_a_cache_folder_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "taken").touch()
    with pytest.raises(DataError, match=r"The image cache in .*taken can't be written"):
        decode(split(), image_size=8, cache_dir=tmp_path / "taken", key="k")


@pytest.mark.parametrize("cached", [False, True])
def test_an_image_that_went_bad_is_told_as_its_source_tells_it(tmp_path: Path, cached: bool) -> None:
    samples = split()

    def load(index: int) -> Image.Image:
        raise DataError(f"image {index} can't be read.")

    samples.source.load = load
    with pytest.raises(DataError, match=r"image 0 can't be read\."):
        decode(samples, image_size=8, cache_dir=tmp_path if cached else None, key="k")
    assert list(tmp_path.iterdir()) == []


def test_no_images_give_no_pixels(tmp_path: Path) -> None:
    assert decode(split(0), image_size=8, cache_dir=tmp_path, key="k").shape == (0, 1, 8, 8)


@pytest.mark.realdata
def test_real_x_rays_come_back_from_the_cache(realdata: Path, tmp_path: Path) -> None:
    paths = sorted((realdata / "xray").rglob("*.jpg"))[:20]
    samples: Any = split(0)
    samples.source.pixels = [np.asarray(Image.open(path).convert("L")) for path in paths]
    samples.ids, samples.index = tuple(path.name for path in paths), np.arange(len(paths))
    first = decode(samples, image_size=112, cache_dir=tmp_path, key="k")
    assert torch.equal(decode(samples, image_size=112, cache_dir=tmp_path, key="k"), first)
    assert first.float().std() > 20


def test_an_image_size_of_nothing_is_named() -> None:
    with pytest.raises(UsageError, match="The image size is 0: at least 1 pixel is needed"):
        decode(split(1), image_size=0)
