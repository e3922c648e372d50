"""Decode once: images, resized or with their masks, in memory or in a file that is mapped into memory."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import PIL
import torch

from ttl.data.modality.image import Pixels, channels_first
from ttl.data.modality.resizing import Fit, Resizing
from ttl.data.pool import Progress, in_threads
from ttl.data.sources import ImageSource, MaskSource
from ttl.data.task import Samples, picked
from ttl.errors import DataError, UsageError
from ttl.files import provisional, sweep
from ttl.words.sides import ImageSize, short, sides_of

# Part of a file's name: raise it when the same images would give other pixels, or their file has another layout.
FORMAT_VERSION = 3


def decode(
    samples: Samples,
    *,
    image_size: ImageSize,
    interpolation: str = "bilinear",
    fit: Fit = "squash",
    cache_dir: Path | None = None,
    key: str = "",
    on_progress: Progress | None = None,
) -> torch.Tensor:
    """All images of a split, resized (antialiased) to one size.

    The pixels are those that Pillow gives for the whole image at its full size, so that whoever deploys
    the model can make the same ones.

    Args:
        image_size: side of a square in pixels, or height and width.
        interpolation: `nearest`, `bilinear`, `bicubic` or `lanczos`.
        fit: what is done where an image has other proportions: `squash`, `crop` or `pad`.
        cache_dir: keep them in a file there, used again for the same images and size, and mapped into
            memory; writing to the tensor doesn't reach the file. None keeps them in memory.
        key: what else must be the same for a file to be used again: the task's fingerprint.
        on_progress: called with how many images are decoded, and of how many.

    Returns:
        `(n, c, height, width)` uint8; c is 1 where every image of the source is grey, else 3.

    Raises:
        DataError: an image can't be read any more, or the cache can't be written.
        UsageError: no such size, interpolation or fit.
    """
    source, sides = samples.source, sides_of(image_size)
    resizing = Resizing(sides, interpolation, fit)
    one = partial(_resized, source, resizing)
    images = partial(in_threads, one, samples.index.tolist(), on_progress)
    path = _cache_file(cache_dir, samples, key, short(sides), interpolation, *(() if fit == "squash" else (fit,)))
    return torch.from_numpy(collected((len(samples), source.channels, *sides), images, path))


def _resized(source: ImageSource, resizing: Resizing, index: int) -> Pixels:
    return resizing.pixels(source.load(index), source.channels)


@dataclass(frozen=True, eq=False)
class Pairs:
    """Images `(c, h, w)` and masks `(h, w)` at their own sizes, uint8.

    c is 1 where every image of the source is grey, else 3; a mask holds the class of each pixel, or `IGNORE` (255).
    """

    pixels: tuple[torch.Tensor, ...]
    masks: tuple[torch.Tensor, ...]

    def __len__(self) -> int:
        return len(self.pixels)


def decode_pairs(
    samples: Samples, *, cache_dir: Path | None = None, key: str = "", on_progress: Progress | None = None
) -> Pairs:
    """All images of a split with their masks, none of them resized; see `decode`.

    Raises:
        DataError: an image or a mask can't be read any more or has another size than it had, or the cache can't
            be written.
        UsageError: the samples have no masks.
    """
    if samples.masks is None:
        raise UsageError("The samples have no masks: decode gives the pixels of images alone.")
    layers, sizes = samples.source.channels + 1, samples.source.sizes[samples.index]
    lengths = sizes.prod(axis=1) * layers
    one = partial(_pair, samples, samples.masks)
    pieces = partial(in_threads, one, samples.index.tolist(), on_progress, chunk=1)
    path = _cache_file(cache_dir, samples, key, "pairs", more=picked(samples.masks.digests, samples.index))
    flat = torch.from_numpy(collected((int(lengths.sum()),), pieces, path))
    shapes = zip(torch.split(flat, lengths.tolist()), sizes.tolist(), strict=True)
    parts = [part.view(layers, height, width) for part, (width, height) in shapes]
    return Pairs(tuple(part[:-1] for part in parts), tuple(part[-1] for part in parts))


def _pair(samples: Samples, masks: MaskSource, index: int) -> Pixels:
    """`(c + 1, h, w)`: an image and, last, its mask."""
    source = samples.source
    pixels, mask = channels_first(source.load(index), source.channels), masks.load(index)
    width, height = source.sizes[index].tolist()
    if not pixels.shape[1:] == mask.shape == (height, width):
        name = samples.ids[samples.index.tolist().index(index)]
        raise DataError(f"The image {name} or its mask is no longer of {width}x{height} pixels: was it changed?")
    return np.concatenate([pixels, mask[None]])


def _cache_file(
    folder: Path | None, samples: Samples, key: str, *how: object, more: Iterable[bytes] = ()
) -> Path | None:
    """A file named by all that decides its bytes (Pillow's release too, since its filters may change), if any."""
    if folder is None or not len(samples):
        return None
    named = (FORMAT_VERSION, PIL.__version__, key, *how, samples.source.channels, samples.ids)
    total = hashlib.sha256(repr(named).encode())
    for digest in (*picked(samples.source.digests, samples.index), *more):
        total.update(digest)
    return folder / f"{total.hexdigest()[:32]}.npy"


def collected(shape: tuple[int, ...], pieces: Callable[[], Iterator[Pixels]], path: Path | None) -> Pixels:
    """An array of consecutive pieces, asked for where there is no whole file of them."""
    if path is None:
        whole = np.empty(shape, np.uint8)
        flat, end = whole.reshape(-1), 0
        for piece in pieces():
            flat[end : (end := end + piece.size)] = piece.reshape(-1)
        return whole
    cached = read_cached(path)
    if cached is None or cached.shape != shape:
        _write(path, shape, pieces())
        cached = read_cached(path)
    if cached is None:
        raise DataError(f"The image cache {path} can't be read back: choose another folder for it.")
    return cached


def read_cached(path: Path) -> Pixels | None:
    """What a cache file holds, mapped into memory, copied on write; None where it isn't there or isn't whole."""
    try:
        cached = np.lib.format.open_memmap(path, mode="c")
        with path.open("rb") as file:
            file.seek(cached.offset + cached.nbytes)
            digest = file.read()
    except (OSError, ValueError):
        return None
    is_whole = cached.dtype == np.uint8 and hashlib.sha256(cached.data).digest() == digest
    return cached if is_whole else None


def _write(path: Path, shape: tuple[int, ...], pieces: Iterator[Pixels]) -> None:
    """Whole or not at all; plainly written, not mapped: a full disk is then an error and not the end of the process."""
    sweep(path.parent, held=False)
    digest = hashlib.sha256()
    try:
        with provisional(path) as part, part.open("wb") as file:
            np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})
            for piece in pieces:
                content = piece.tobytes()
                digest.update(content)
                file.write(content)
            file.write(digest.digest())
    except OSError as error:
        raise DataError(
            f"The image cache in {path.parent} can't be written ({error.strerror}): free some space, or "
            "choose another folder for it."
        ) from None
