"""Decode once: every image resized to uint8, in memory or in a file that is mapped into memory."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import PIL
import torch

from ttl.data.modality.image import Pixels, resampling, to_pixels
from ttl.data.pool import Progress, in_threads
from ttl.data.sources import ImageSource
from ttl.data.task import Samples
from ttl.errors import DataError
from ttl.files import provisional, sweep
from ttl.words.sides import ImageSize, Sides, short, sides_of

# Part of a file's name: raise it when the same images would give other pixels, or their file is laid out otherwise.
# 2: the SHA-256 of the pixels at its end.
FORMAT_VERSION = 2


def decode(
    samples: Samples,
    *,
    image_size: ImageSize,
    interpolation: str = "bilinear",
    cache_dir: Path | None = None,
    key: str = "",
    on_progress: Progress | None = None,
) -> torch.Tensor:
    """All images of a split, resized (squashed, antialiased) to one size.

    The pixels are those that Pillow gives for the whole image at its full size, so that whoever deploys
    the model can make the same ones.

    Args:
        samples: the split.
        image_size: side of a square in pixels, or height and width.
        interpolation: `nearest`, `bilinear`, `bicubic` or `lanczos`.
        cache_dir: keep them in a file there, used again for the same images and size, and mapped into
            memory; writing to the tensor doesn't reach the file. None keeps them in memory.
        key: what else must be the same for a file to be used again: the task's fingerprint.
        on_progress: called with how many images are decoded, and of how many.

    Returns:
        `(n, c, height, width)` uint8; c is 1 where every image of the source is grey, else 3.

    Raises:
        DataError: an image can't be read any more, or the cache can't be written.
        UsageError: no such size or interpolation.
    """
    resampling(interpolation)
    sides = sides_of(image_size)
    shape = (len(samples), samples.source.channels, *sides)
    one = partial(_pixels, samples.source, sides, interpolation)
    images = partial(in_threads, one, samples.index.tolist(), on_progress)
    path = cache_file(cache_dir, samples, key, short(sides), interpolation)
    return torch.from_numpy(collected(shape, images, path))


def _pixels(source: ImageSource, sides: Sides, interpolation: str, index: int) -> Pixels:
    return to_pixels(source.load(index), channels=source.channels, image_size=sides, interpolation=interpolation)


def cache_file(
    folder: Path | None, samples: Samples, key: str, *how: object, more: Iterable[bytes] = ()
) -> Path | None:
    """A file named by all that decides its bytes; Pillow's release too, since its filters may change.

    Args:
        folder: that it lies in; None gives None, as having no samples does.
        samples: the split.
        key: of the task.
        how: the images are made.
        more: digests of what else is in the file.
    """
    if folder is None or not len(samples):
        return None
    named = (FORMAT_VERSION, PIL.__version__, key, *how, samples.source.channels, samples.ids)
    total = hashlib.sha256(repr(named).encode())
    for digest in (*(samples.source.digests[index] for index in samples.index), *more):
        total.update(digest)
    return folder / f"{total.hexdigest()[:32]}.npy"


def collected(shape: tuple[int, ...], pieces: Callable[[], Iterator[Pixels]], path: Path | None) -> Pixels:
    """An array of consecutive pieces: in memory, or in a file that is read again where it is there.

    Args:
        shape: of the array.
        pieces: what it consists of, in order; asked for where there is no file yet.
        path: of the file; None keeps the array in memory.

    Returns:
        uint8 of that shape; a file is mapped into memory, and writing to the array doesn't reach it.

    Raises:
        DataError: the file can't be written.
    """
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
    """Writes whole or not at all: a file of the right name is a whole one.

    Plainly written, not mapped: a full disk is then an error and not the end of the process.
    """
    sweep(path.parent, held=False)
    digest = hashlib.sha256()
    try:
        with provisional(path) as part, part.open("wb") as file:
            header = {"descr": "|u1", "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(file, header)
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
