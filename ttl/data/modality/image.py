"""Image files: checked once, then read as upright 8-bit grey or colour."""

from __future__ import annotations

import hashlib
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image, UnidentifiedImageError

from ttl.data.modality import dicom
from ttl.data.modality.deep_file import beyond_pillow, deep_samples, plain_samples
from ttl.data.modality.deep_tiff import Samples
from ttl.data.modality.dicom import is_dicom, read_dicom
from ttl.data.modality.eight_bits import LEAST_CONTRAST, EightBits, contrast, of_image, of_samples
from ttl.data.modality.facts import Facts
from ttl.data.modality.rendering import AS_FILED, Rendering
from ttl.errors import DataError, UsageError
from ttl.words.sides import ImageSize, sides_of

Pixels = npt.NDArray[np.uint8]
Draft = tuple[str | None, tuple[int, int]]

EXTENSIONS = dicom.EXTENSIONS | frozenset(
    {".bmp", ".gif", ".jp2", ".jpe", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".pnm", ".ppm", ".tif", ".tiff", ".webp"}
)
INTERPOLATIONS = ("nearest", "bilinear", "bicubic", "lanczos")
SIDEWAYS = frozenset({5, 6, 7, 8})  # the EXIF orientations that swap width and height


def check_image(path: Path, rendering: Rendering = AS_FILED) -> Facts | str:
    """Reads and decodes a file; what it holds, or the few words that say why it can't be read.

    JPEGs are decoded at an eighth of their size: all their bytes are gone through just the same. Only one that looks
    flat is decoded whole, for a thin line vanishes at an eighth.
    """
    # Pillow's plugins raise nearly anything on a damaged file: struct.error, IndexError, SyntaxError, ...
    try:
        data = path.read_bytes()
        if not data:
            return "an empty file"
        if is_dicom(data):
            image, facts = read_dicom(data, rendering)
            return replace(facts, contrast=contrast(image))
        found = decoded(data, rendering, draft=(None, (1, 1)))
        range_of_greys = contrast(found.image)
        if range_of_greys < LEAST_CONTRAST:
            range_of_greys = contrast(decoded(data, rendering).image)
        return Facts(
            _digest(data, found, rendering),
            found.width,
            found.height,
            channels=len(found.image.getbands()),
            deep=found.eight.is_deep,
            animated=found.is_animated,
            clipped=found.eight.is_clipped,
            transparent=found.eight.is_transparent,
            contrast=range_of_greys,
        )
    except Exception as error:
        return why(error)


def _digest(data: bytes, found: Decoded, rendering: Rendering) -> bytes:
    """A model of version 0.1 knows the images that it was trained on by their bytes alone."""
    way = (rendering.stretch, rendering.value_range)
    is_plain = not found.eight.is_deep or way == ("minmax", None)
    return hashlib.sha256(data if is_plain else data + repr(way).encode()).digest()


def open_image(path: Path, rendering: Rendering = AS_FILED) -> Image.Image:
    """An image file as training sees it, before it is resized: of mode `L` where the file is grey, else `RGB`.

    Upright by its EXIF orientation; transparent pixels lie on black; what has more than 8 bits a channel, or is signed,
    is stretched to 0..255, by one scale for all channels: from its own darkest..brightest pixel, outliers left out
    (`ttl.data.modality.stretch.limits`); of several frames, the first. DICOM: see `read_dicom`.

    Args:
        rendering: what of this is asked for otherwise.

    Raises:
        DataError: it can't be read, or a pixel isn't a finite number.
    """
    with quiet_readers():
        return read_image(path, rendering)


def read_image(path: Path, rendering: Rendering = AS_FILED, draft: Draft | None = None) -> Image.Image:
    """What `open_image` does, for threads: `quiet_readers` belongs around all of them, not in each.

    Args:
        path: of the file.
        rendering: as of `open_image`.
        draft: mode and least size, in pixels, for which a JPEG need not be decoded whole.
    """
    try:
        data = path.read_bytes()
        return read_dicom(data, rendering)[0] if is_dicom(data) else decoded(data, rendering, draft=draft).image
    except Exception as error:
        raise DataError(f"The image {path} can't be read ({why(error)}): repair or remove it.") from None


@dataclass(frozen=True, eq=False)
class Decoded:
    """One image of a file; width and height are those of the whole, upright, also where a draft of it was decoded."""

    eight: EightBits
    width: int
    height: int
    is_animated: bool

    @property
    def image(self) -> Image.Image:
        """Of mode `L` or `RGB`, upright."""
        return self.eight.image


def decoded(data: bytes, rendering: Rendering = AS_FILED, *, draft: Draft | None = None) -> Decoded:
    """A file other than DICOM: the one way in which any of its pixels are seen.

    Raises:
        Exception: nearly anything, of a damaged file; a DataError has the few words that say why.
    """
    try:
        image = Image.open(BytesIO(data))
    except UnidentifiedImageError:
        if rendering.stretch == "minmax":
            raise
        return _of_samples(beyond_pillow(data), rendering, is_animated=False)
    with image:
        is_animated = bool(getattr(image, "is_animated", False))
        # A model of version 0.1 sees what it was trained on: all as Pillow gives it, right or wrong.
        samples = plain_samples(image) if rendering.stretch == "minmax" else deep_samples(data, image)
        if samples is not None:
            return _of_samples(samples, rendering, is_animated=is_animated)
        width, height = image.size
        orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
        if orientation in SIDEWAYS:
            width, height = height, width
        if draft is not None:
            image.draft(*draft)
        return Decoded(of_image(image, is_upright=orientation == 1), width, height, is_animated)


def _of_samples(samples: Samples, rendering: Rendering, *, is_animated: bool) -> Decoded:
    eight = of_samples(samples, rendering)
    return Decoded(eight, *eight.image.size, is_animated)


def to_pixels(image: Image.Image, *, channels: int, image_size: ImageSize, interpolation: str) -> Pixels:
    """The whole image (`L` or `RGB`), squashed into a rectangle, antialiased: `(channels, height, width)` uint8."""
    height, width = sides_of(image_size)
    converted = image.convert("L" if channels == 1 else "RGB")
    return channels_first(converted.resize((width, height), resampling(interpolation)), channels)


def channels_first(image: Image.Image, channels: int) -> Pixels:
    """An image of mode `L` or `RGB` as `(channels, h, w)` uint8, of 1 or 3 channels."""
    pixels = np.asarray(image.convert("L" if channels == 1 else "RGB"))
    return pixels[None] if channels == 1 else pixels.transpose(2, 0, 1)


def resampling(interpolation: str) -> Image.Resampling:
    """Pillow's filter of that name.

    Raises:
        UsageError: there is none.
    """
    if interpolation not in INTERPOLATIONS:
        raise UsageError(f"There is no interpolation {interpolation!r}: choose one of {', '.join(INTERPOLATIONS)}.")
    return Image.Resampling[interpolation.upper()]


@contextmanager
def quiet_readers() -> Iterator[None]:
    """Keeps the remarks of Pillow and pydicom about odd but readable files from the user, in every thread.

    The filters of `warnings` belong to the process: enter this in one thread at a time.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"(PIL|pydicom)\.")
        yield


def why(error: Exception) -> str:
    """The few words that say why a file can't be read, from what reading it raised."""
    if isinstance(error, DataError):
        return str(error)
    if isinstance(error, UnidentifiedImageError):
        return "not an image, or damaged at its beginning"
    if isinstance(error, OSError) and error.errno is not None:
        return os.strerror(error.errno)
    text = " ".join(str(error).split()).rstrip(".") or type(error).__name__
    return "cut off before its end" if "truncated" in text.lower() else text
