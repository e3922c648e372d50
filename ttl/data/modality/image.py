"""Image files: checked once, then read as upright 8-bit grey or colour."""

from __future__ import annotations

import hashlib
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from ttl.data.modality import dicom
from ttl.data.modality.dicom import is_dicom, read_dicom
from ttl.data.modality.facts import Facts
from ttl.data.modality.rendering import AS_FILED, Rendering
from ttl.errors import DataError, UsageError
from ttl.words.sides import ImageSize, sides_of

Pixels = npt.NDArray[np.uint8]

EXTENSIONS = dicom.EXTENSIONS | frozenset(
    {".bmp", ".gif", ".jp2", ".jpe", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".pnm", ".ppm", ".tif", ".tiff", ".webp"}
)
INTERPOLATIONS = ("nearest", "bilinear", "bicubic", "lanczos")
GREY_MODES = frozenset({"1", "L", "LA"})
UPRIGHT = 1  # the EXIF orientation of an image that is stored as it is seen
ORIENTATIONS = range(1, 9)
SIDEWAYS = frozenset({5, 6, 7, 8})  # the EXIF orientations that swap width and height


def check_image(path: Path, rendering: Rendering = AS_FILED) -> Facts | str:
    """Reads and decodes a file; what it holds, or the few words that say why it can't be read.

    JPEGs are decoded at an eighth of their size: all their bytes are gone through just the same.
    """
    # Pillow's plugins raise nearly anything on a damaged file: struct.error, IndexError, SyntaxError, ...
    try:
        data = path.read_bytes()
        if not data:
            return "an empty file"
        if is_dicom(data):
            return read_dicom(data, rendering)[1]
        with Image.open(BytesIO(data)) as image:
            width, height = image.size
            orientation = orientation_of(image)
            image.draft(None, (1, 1))
            image.load()
            # Loading turns TIFF, whose size is upright before; PNG may have its orientation behind the pixels.
            left = orientation_of(image)
            if left in SIDEWAYS:
                width, height = height, width
            orientation = orientation or left or UPRIGHT
            if image.mode == "F" and not np.isfinite(np.asarray(image)).all():
                return "a pixel isn't a number"
            deep, animated = _is_deep(image), bool(getattr(image, "is_animated", False))
            channels = 1 if deep or image.mode in GREY_MODES else 3
            digest = hashlib.sha256(data).digest()
            return Facts(digest, width, height, channels, deep, animated, orientation=orientation)
    except Exception as error:
        return why(error)


def open_image(path: Path, rendering: Rendering = AS_FILED) -> Image.Image:
    """An image file as training sees it, before it is resized: of mode `L` where the file is grey, else `RGB`.

    Upright by its EXIF orientation; transparent pixels lie on black; what has more than 8 bits is
    stretched from its own darkest..brightest pixel to 0..255; of several frames, the first. DICOM: see `read_dicom`.

    Args:
        rendering: what of this is asked for otherwise.

    Raises:
        DataError: it can't be read.
    """
    with quiet_readers():
        return read_image(path, rendering)


def read_image(path: Path, rendering: Rendering = AS_FILED) -> Image.Image:
    """What `open_image` does, for threads: `quiet_readers` belongs around all of them, not in each."""
    try:
        data = path.read_bytes()
        if is_dicom(data):
            return read_dicom(data, rendering)[0]
        with Image.open(BytesIO(data)) as image:
            ImageOps.exif_transpose(image, in_place=True)
            return to_eight_bits(image)
    except Exception as error:
        raise DataError(f"The image {path} can't be read ({why(error)}): repair or remove it.") from None


def orientation_of(image: Image.Image) -> int | None:
    """The EXIF orientation, 1 to 8: known before an image is loaded, or left to apply after; None without one."""
    value = image.getexif().get(ExifTags.Base.Orientation)
    return value if value in ORIENTATIONS else None


def to_eight_bits(image: Image.Image) -> Image.Image:
    """The image in mode `L` or `RGB`, whatever its own mode."""
    if _is_deep(image):
        values = np.asarray(image).astype(np.float64)
        low, high = values.min(), values.max()
        scale = 255 / (high - low) if high > low else 0.0
        return Image.fromarray(np.rint((values - low) * scale).astype(np.uint8))
    grey = image.mode in GREY_MODES
    if image.has_transparency_data:
        clear = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", clear.size, "black"), clear)
    return image.convert("L" if grey else "RGB")


def _is_deep(image: Image.Image) -> bool:
    return image.mode in ("I", "F") or image.mode.startswith("I;16")


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
