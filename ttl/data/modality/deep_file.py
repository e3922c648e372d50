"""Image files of more than 8 bits a channel, in full: of several formats Pillow gives the upper 8 bits alone."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image, UnidentifiedImageError

from ttl.data.modality import deep_tiff
from ttl.data.modality.deep_tiff import Samples
from ttl.errors import DataError

Array = npt.NDArray[Any]

PNG_DEPTH, PNG_COLOUR = 24, 25  # where they stand in a PNG
GREY, GREY_ALPHA, COLOUR_ALPHA = 0, 4, 6  # a PNG's kinds of colour; 2 is RGB
SIZ = b"\xff\x4f\xff\x51"  # with what a JPEG 2000 codestream begins; the sizes follow
COMPONENTS = 40  # from there to the number of channels, which are described in three bytes each
DEEP_MODES = frozenset({"I", "F", "I;16", "I;16L", "I;16B", "I;16N"})


def beyond_pillow(data: bytes) -> Samples:
    """What a file stores that Pillow takes for no image; of TIFFs alone.

    Raises:
        UnidentifiedImageError: it is none to anyone.
        DataError: it isn't read; in a few words.
        Exception: nearly anything, of a damaged file.
    """
    tags = deep_tiff.tags_of(data)
    if tags is None or not deep_tiff.is_known(tags):
        raise UnidentifiedImageError
    return deep_tiff.read_samples(data, tags)


def deep_samples(data: bytes, image: Image.Image) -> Samples | None:
    """What the file stores, where that is more than 8 bits a channel or misread by Pillow.

    Args:
        data: the whole file.
        image: as Pillow opened it, not loaded, at the frame that is wanted.

    Raises:
        DataError: it isn't read; in a few words.
        Exception: nearly anything, of a damaged file.
    """
    if image.format == "TIFF":
        tags = getattr(image, "tag_v2", {})
        return deep_tiff.read_samples(data, tags) if deep_tiff.is_misread(tags) else None
    samples = _other(data, image)
    return None if samples is None else _turned(samples, image)


def plain_samples(image: Image.Image) -> Samples | None:
    """What Pillow gives, where that is more than 8 bits."""
    return _turned(Samples(np.asarray(image)[..., None]), image) if image.mode in DEEP_MODES else None


def _turned(samples: Samples, image: Image.Image) -> Samples:
    """With the orientation, which of a PNG is known for sure only once the image is loaded."""
    return replace(samples, orientation=image.getexif().get(ExifTags.Base.Orientation, 1))


def _other(data: bytes, image: Image.Image) -> Samples | None:
    if image.format == "PNG" and data[PNG_DEPTH] == 16:
        return _png(data, image)
    if image.format == "PPM" and (most := _brightest(data)) > 255:
        return _pnm(data, image, most)
    if image.format == "JPEG2000" and (place := data.find(SIZ)) >= 0:
        depth = data[place + COMPONENTS + 2]  # less one, and the highest bit says whether it is signed
        bits = (depth & 0x7F) + 1
        return _jpeg2000(image, bits, is_signed=depth > 0x7F) if bits > 8 else None
    return Samples(np.asarray(image)[..., None]) if image.mode in DEEP_MODES else None


def _png(data: bytes, image: Image.Image) -> Samples:
    """Pillow's unpackers of one order of bytes give the upper ones, those of the other the lower ones."""
    colour, keyed = data[PNG_COLOUR], image.info.get("transparency")
    values: Array
    if colour == GREY:
        values = np.asarray(image).astype(np.uint16)[..., None]
    elif colour == GREY_ALPHA:
        values = _unpacked(image, "RGBA").view(">u2")  # two bytes each: what is packed as four channels of 8 bits
    else:
        upper = np.asarray(image).astype(np.uint16)
        with Image.open(BytesIO(data)) as again:
            values = upper << 8 | _unpacked(again, f"{image.mode};16L")
    if colour in (GREY_ALPHA, COLOUR_ALPHA):
        return Samples(values[..., :-1], values[..., -1] / 65535)
    if keyed is None:
        return Samples(values)
    return Samples(values, (values != np.array(keyed)).any(axis=2).astype(np.float64))


def _unpacked(image: Image.Image, rawmode: str) -> npt.NDArray[np.uint8]:
    """An image that isn't loaded yet, decoded as if its samples were others."""
    image.tile = [tile._replace(args=rawmode) for tile in image.tile]  # type: ignore[attr-defined]
    return np.asarray(image)


def _brightest(data: bytes) -> int:
    """The number that stands for white in the header of a portable any-map; 1 where it has none."""
    header = _header(data)
    return int(header[3]) if len(header) == 4 and header[3].isdigit() else 1


def _header(data: bytes) -> list[bytes]:
    """The kind, the width, the height and, of most kinds, the brightest value."""
    lines = (line.partition(b"#")[0] for line in data[:4096].split(b"\n"))
    return b" ".join(lines).split()[: 3 if data[:2] in (b"P1", b"P4") else 4]


def _pnm(data: bytes, image: Image.Image, most: int) -> Samples:
    channels, place = 3 if image.mode == "RGB" else 1, image.tile[0].offset  # type: ignore[attr-defined]
    shape = (image.height, image.width, channels)
    if data[:2] in (b"P2", b"P3"):
        words = b"\n".join(line.partition(b"#")[0] for line in data[place:].split(b"\n")).split()
        values = np.array(words[: int(np.prod(shape))], np.int64)
    else:
        values = np.frombuffer(data, ">u2", min(int(np.prod(shape)), (len(data) - place) // 2), place)
    if values.size < np.prod(shape):
        raise DataError("cut off before its end")
    if values.max() > most or values.min() < 0:
        raise DataError(f"its header says that {most} is the brightest value, and it has {values.max()}")
    return Samples(values.reshape(shape))


def _jpeg2000(image: Image.Image, bits: int, *, is_signed: bool) -> Samples:
    """Of grey images Pillow gives 16 bits, shifted up and above 0; of others the upper 8."""
    if image.mode != "I;16" or bits > 16:
        raise DataError(f"a JPEG 2000 of {bits} bits a channel in {image.mode}, which can't be read: save it as PNG")
    values = np.asarray(image).astype(np.int64) >> (16 - bits)
    return Samples((values - (2 ** (bits - 1) if is_signed else 0))[..., None])
