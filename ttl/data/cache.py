"""Decode once: every image resized to uint8, in memory or in a file that is mapped into memory."""

from __future__ import annotations

import hashlib
import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import PIL
import torch

from ttl.data.image import quiet_readers, resampling, to_pixels
from ttl.data.pool import in_threads
from ttl.data.task import ImageSource, Samples
from ttl.errors import DataError, UsageError

Progress = Callable[[int, int], None]
Pixels = npt.NDArray[np.uint8]

FORMAT_VERSION = 1  # part of a file's name: raise it when the same images would give other pixels


def decode(
    samples: Samples,
    *,
    image_size: int,
    interpolation: str = "bilinear",
    cache_dir: Path | None = None,
    key: str = "",
    on_progress: Progress | None = None,
) -> torch.Tensor:
    """All images of a split, resized (squashed, antialiased) to squares.

    The pixels are those that Pillow gives for the whole image at its full size, so that whoever deploys
    the model can make the same ones.

    Args:
        samples: the split.
        image_size: side in pixels.
        interpolation: `nearest`, `bilinear`, `bicubic` or `lanczos`.
        cache_dir: keep them in a file there, used again for the same images and size, and mapped into
            memory; writing to the tensor doesn't reach the file. None keeps them in memory.
        key: what else must be the same for a file to be used again: the task's fingerprint.
        on_progress: called with how many images are decoded, and of how many.

    Returns:
        `(n, c, image_size, image_size)` uint8; c is 1 where every image of the source is grey, else 3.

    Raises:
        DataError: an image can't be read any more, or the cache can't be written.
        UsageError: no such size or interpolation.
    """
    resampling(interpolation)
    if image_size < 1:
        raise UsageError(f"The image size is {image_size}: at least 1 pixel is needed.")
    shape = (len(samples), samples.source.channels, image_size, image_size)
    images = partial(_decoded, samples, image_size, interpolation, on_progress)
    if cache_dir is None or not len(samples):
        return torch.from_numpy(_in_memory(shape, images()))
    path = cache_dir / f"{_digest(samples, image_size, interpolation, key)}.npy"
    cached = _read(path, shape)
    if cached is None:
        _write(path, shape, images())
        cached = _read(path, shape)
    if cached is None:
        raise DataError(f"The image cache {path} can't be read back: choose another folder for it.")
    return torch.from_numpy(cached)


def _decoded(samples: Samples, image_size: int, interpolation: str, on_progress: Progress | None) -> Iterator[Pixels]:
    source = samples.source
    one = partial(_pixels, source, image_size, interpolation)
    with quiet_readers():
        for done, pixels in enumerate(in_threads(one, samples.index.tolist()), start=1):
            yield pixels
            if on_progress:
                on_progress(done, len(samples))


def _pixels(source: ImageSource, image_size: int, interpolation: str, index: int) -> Pixels:
    return to_pixels(source.load(index), channels=source.channels, image_size=image_size, interpolation=interpolation)


def _in_memory(shape: tuple[int, ...], images: Iterator[Pixels]) -> Pixels:
    pixels = np.empty(shape, np.uint8)
    for position, image in enumerate(images):
        pixels[position] = image
    return pixels


def _digest(samples: Samples, image_size: int, interpolation: str, key: str) -> str:
    """Names a file by all that decides its bytes; Pillow's release too, since its filters may change."""
    told = (
        FORMAT_VERSION,
        PIL.__version__,
        key,
        image_size,
        interpolation,
        samples.source.channels,
        samples.ids,
    )
    total = hashlib.sha256(repr(told).encode())
    for index in samples.index:
        total.update(samples.source.digests[index])
    return total.hexdigest()[:32]


def _read(path: Path, shape: tuple[int, ...]) -> Pixels | None:
    """The file mapped into memory, copied on write; None where it isn't there or isn't whole."""
    try:
        cached = np.lib.format.open_memmap(path, mode="c")
        whole = path.stat().st_size == cached.offset + cached.nbytes
    except (OSError, ValueError):
        return None
    return cached if whole and cached.shape == shape and cached.dtype == np.uint8 else None


def _write(path: Path, shape: tuple[int, ...], images: Iterator[Pixels]) -> None:
    """Writes under another name and renames: a file of the right name is a whole one.

    Plainly written, not mapped: a full disk is then an error and not the end of the process.
    """
    part = path.with_name(f".{path.stem}.{os.getpid()}.{uuid.uuid4().hex}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as file:
            header = {"descr": "|u1", "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(file, header)
            for image in images:
                file.write(image.tobytes())
        part.replace(path)
    except OSError as error:
        raise DataError(
            f"The image cache in {path.parent} can't be written ({error.strerror}): free some space, or "
            "choose another folder for it."
        ) from None
    finally:
        with suppress(OSError):
            part.unlink()
