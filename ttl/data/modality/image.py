"""Image files: checked once, then read as upright 8-bit grey or colour."""

from __future__ import annotations

import hashlib
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image, UnidentifiedImageError

from ttl.data.modality import dicom
from ttl.data.modality.deep_file import beyond_pillow, deep_samples, plain_samples
from ttl.data.modality.deep_tiff import Samples
from ttl.data.modality.dicom import read_dicom
from ttl.data.modality.dicom_header import is_dicom
from ttl.data.modality.eight_bits import LEAST_CONTRAST, EightBits, contrast, of_image, of_samples
from ttl.data.modality.facts import Facts
from ttl.data.modality.frames import frame_number, to_frame
from ttl.data.modality.rendering import AS_FILED, Rendering, digest_of
from ttl.errors import DataError

Pixels = npt.NDArray[np.uint8]
Draft = tuple[str | None, tuple[int, int]]

EXTENSIONS = dicom.EXTENSIONS | frozenset(
    {".bmp", ".gif", ".jp2", ".jpe", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".pnm", ".ppm", ".tif", ".tiff", ".webp"}
)
UPRIGHT = 1  # the EXIF orientation of an image that is stored as it is seen
ORIENTATIONS = range(1, 9)
EMPTY = "an empty file"
NO_MEMORY = "it needs more memory than there is"
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
            return EMPTY
        return read_dicom(data, rendering)[1] if is_dicom(data) else facts_of(data, hashlib.sha256(data), rendering)
    except Exception as error:
        return why(error)


def facts_of(data: bytes, file: hashlib._Hash, rendering: Rendering) -> Facts:
    """What `check_image` finds in the bytes of a file other than DICOM, which `file` has taken.

    Raises:
        Exception: nearly anything, of a damaged file.
    """
    found = decoded(data, rendering, draft=(None, (1, 1)))
    range_of_greys = contrast(found.image)
    if range_of_greys < LEAST_CONTRAST:
        range_of_greys = contrast(decoded(data, rendering).image)
    return Facts(
        digest_of(file, found.frame, rendering.way if found.eight.is_deep else None),
        found.width,
        found.height,
        channels=len(found.image.getbands()),
        deep=found.eight.is_deep,
        frame=found.frame,
        clipped=found.eight.is_clipped,
        transparent=found.eight.is_transparent,
        contrast=range_of_greys,
        orientation=found.orientation,
    )


def open_image(path: Path, rendering: Rendering = AS_FILED) -> Image.Image:
    """An image file as training sees it, before it is resized: of mode `L` where the file is grey, else `RGB`.

    Upright by its EXIF orientation; transparent pixels lie on black; what has more than 8 bits a channel, or is signed,
    is stretched to 0..255, by one scale for all channels: from its own darkest..brightest pixel, outliers left out
    (`ttl.data.modality.stretch.limits`); of several frames the first, unless another is asked for. DICOM: see
    `read_dicom`.

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
    image = _image_or_reason(path, rendering, draft)
    if isinstance(image, str):
        raise DataError(f"The image {path} can't be read ({image}): repair or remove it.")
    return image


def image_or_reason(path: Path, rendering: Rendering = AS_FILED) -> Image.Image | str:
    """What `open_image` gives, or the few words that say why the file can't be read."""
    with quiet_readers():
        return _image_or_reason(path, rendering, None)


def _image_or_reason(path: Path, rendering: Rendering, draft: Draft | None) -> Image.Image | str:
    try:
        data = path.read_bytes()
        if not data:
            return EMPTY
        return read_dicom(data, rendering)[0] if is_dicom(data) else decoded(data, rendering, draft=draft).image
    except Exception as error:
        return why(error)


@dataclass(frozen=True, eq=False)
class DecodedImage:
    """One image of a file; width and height are those of the whole, upright, also where a draft of it was decoded."""

    eight: EightBits
    width: int
    height: int
    frame: int  # see `Facts`
    orientation: int  # see `Facts`

    @property
    def image(self) -> Image.Image:
        """Of mode `L` or `RGB`, upright."""
        return self.eight.image


def orientation_of(image: Image.Image) -> int | None:
    """The EXIF orientation, 1 to 8: known before an image is loaded, or left to apply after; None without one."""
    value = image.getexif().get(ExifTags.Base.Orientation)
    return value if value in ORIENTATIONS else None


def decoded(data: bytes, rendering: Rendering = AS_FILED, *, draft: Draft | None = None) -> DecodedImage:
    """A file other than DICOM: the one way in which any of its pixels are seen.

    Raises:
        Exception: nearly anything, of a damaged file; a DataError has the few words that say why.
    """
    try:
        image = Image.open(BytesIO(data))
    except UnidentifiedImageError:
        if rendering.stretch == "minmax":
            raise
        return _of_samples(beyond_pillow(data), rendering, frame_number(rendering.frame, 1) - 1)
    with image:
        number = to_frame(image, rendering.frame)
        # A model of version 0.1 sees what it was trained on: all as Pillow gives it, right or wrong.
        samples = plain_samples(image) if rendering.stretch == "minmax" else deep_samples(data, image)
        if samples is not None:
            return _of_samples(samples, rendering, number)
        (width, height), orientation = image.size, orientation_of(image)
        if draft is not None:
            image.draft(*draft)
        image.load()
        # Loading turns TIFF, whose size is upright before; PNG may have its orientation behind the pixels.
        left = orientation_of(image)
        if left in SIDEWAYS:
            width, height = height, width
        eight = of_image(image, is_upright=left in (None, UPRIGHT))
        return DecodedImage(eight, width, height, number, orientation or left or UPRIGHT)


def _of_samples(samples: Samples, rendering: Rendering, number: int) -> DecodedImage:
    eight = of_samples(samples, rendering)
    turned = samples.orientation if samples.orientation in ORIENTATIONS else UPRIGHT
    return DecodedImage(eight, *eight.image.size, number, turned)


def channels_first(image: Image.Image, channels: int) -> Pixels:
    """An image of mode `L` or `RGB` as `(channels, h, w)` uint8, of 1 or 3 channels."""
    pixels = np.asarray(image.convert("L" if channels == 1 else "RGB"))
    return pixels[None] if channels == 1 else pixels.transpose(2, 0, 1)


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
    if isinstance(error, Image.DecompressionBombError):
        # More than twice Pillow's limit; up to that it only warns.
        most = 2 * (Image.MAX_IMAGE_PIXELS or 0) / 1e6
        return f"it has more than {most:.0f} million pixels, the most that are decoded: scale it down, or cut it"
    if isinstance(error, MemoryError):
        return NO_MEMORY
    if isinstance(error, OSError) and error.errno is not None:
        return os.strerror(error.errno)
    text = " ".join(str(error).split()).rstrip(".") or type(error).__name__
    return "cut off before its end" if "truncated" in text.lower() else text
