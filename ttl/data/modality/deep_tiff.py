"""TIFFs whose samples Pillow reads wrongly, by halves or not at all: it unpacks the bytes, and numpy reads them.

What is more than 8 bits, or signed, is read here by the file's own tags, in any of the ways to lay samples out.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, TiffImagePlugin
from PIL.TiffImagePlugin import (
    BITSPERSAMPLE,
    COMPRESSION,
    EXTRASAMPLES,
    FILLORDER,
    IMAGELENGTH,
    IMAGEWIDTH,
    PHOTOMETRIC_INTERPRETATION,
    PLANAR_CONFIGURATION,
    PREDICTOR,
    ROWSPERSTRIP,
    SAMPLEFORMAT,
    SAMPLESPERPIXEL,
    STRIPBYTECOUNTS,
    STRIPOFFSETS,
    TILEBYTECOUNTS,
    TILELENGTH,
    TILEOFFSETS,
    TILEWIDTH,
)

from ttl.errors import DataError

Array = npt.NDArray[Any]
Tags = Mapping[int, Any]
PREFIXES = tuple(TiffImagePlugin.PREFIXES)
BIG = 43  # in the third byte of a BigTIFF, whose header is longer
ORIENTATION = 274
MIN_IS_WHITE, MIN_IS_BLACK, RGB, SEPARATED = 0, 1, 2, 5  # photometric interpretations
COLOURS = {MIN_IS_WHITE: 1, MIN_IS_BLACK: 1, RGB: 3, SEPARATED: 4}  # samples of a pixel, alpha left aside
PREMULTIPLIED, UNASSOCIATED = 1, 2  # alphas, among the extra samples
UNSIGNED, SIGNED, FLOATING = 1, 2, 3
KINDS = {UNSIGNED: "u", SIGNED: "i", FLOATING: "f"}
# Of the types, those that have whole bytes; other depths are unsigned and packed, the first bit the highest.
TYPES = frozenset({"u1", "i1", "u2", "i2", "f2", "u4", "i4", "f4", "u8", "i8", "f8"})
HORIZONTAL, FLOATING_POINT = 2, 3  # predictors
BYTEWISE = {1, 5, 8, 32773, 32946, 34925, 50000}
"""Compressions of bytes, whatever they mean: none, LZW, deflate (two numbers), PackBits, LZMA and Zstandard."""
MOST_PIXELS = 2 * (Image.MAX_IMAGE_PIXELS or 0)
"""As many as Pillow opens."""
LONG = 4  # the type of a tag
REMEDY = "save it as PNG, or as grey or RGB TIFF of 8 or 16 bits"


@dataclass(frozen=True, eq=False)
class Samples:
    """What a file stores, before it is 8 bits.

    Attributes:
        values: `(h, w, channels)`, grey or colour, of any type.
        alpha: `(h, w)` in 0..1; None where all is opaque.
        premultiplied: whether the alpha is in the values already, so that they lie on black.
        inverted: whether the lowest value is white.
        orientation: as EXIF numbers them; 1 where they are upright.
    """

    values: Array
    alpha: Array | None = None
    premultiplied: bool = False
    inverted: bool = False
    orientation: int = 1


@dataclass(frozen=True)
class Layout:
    """How a plane of samples lies in the file."""

    bits: int  # of a sample
    dtype: np.dtype[Any]  # of a sample of whole bytes in the file; of another depth, what it is unpacked to
    samples: int  # of a pixel, in one plane
    predictor: int

    def row_bytes(self, width: int) -> int:
        """Those of so many pixels."""
        return -(-width * self.samples * self.bits // 8)


def tags_of(data: bytes) -> Tags | None:
    """The tags of a TIFF's first image, where the file begins as one."""
    if not data.startswith(PREFIXES):
        return None
    tags = TiffImagePlugin.ImageFileDirectory_v2(data[:16] if data[2] == BIG else data[:8])
    file = BytesIO(data)
    file.seek(tags.next)
    tags.load(file)
    return tags


def is_misread(tags: Tags) -> bool:
    """Whether Pillow doesn't give all: of samples of more than 8 bits, of signed ones, and of two channels of grey."""
    if max(_several(tags, BITSPERSAMPLE, 1)) > 8 or {*_several(tags, SAMPLEFORMAT, UNSIGNED)} != {UNSIGNED}:
        return True
    is_grey = tags.get(PHOTOMETRIC_INTERPRETATION) in (MIN_IS_WHITE, MIN_IS_BLACK)
    return is_grey and _per_pixel(tags) > 1 and 0 in _several(tags, EXTRASAMPLES, 0)


def is_known(tags: Tags) -> bool:
    """Whether they are those of an image, with what is needed to say how its samples are stored."""
    return {IMAGEWIDTH, IMAGELENGTH, PHOTOMETRIC_INTERPRETATION} <= {*tags}


def unreadable(tags: Tags) -> str:
    """Why neither Pillow nor this reads it: how its pixels are stored, and what to do."""
    depths = "/".join(map(str, sorted({*_several(tags, BITSPERSAMPLE, 1)})))
    photometric, compression = tags.get(PHOTOMETRIC_INTERPRETATION), tags.get(COMPRESSION, 1)
    return (
        f"a TIFF of {_per_pixel(tags)} samples a pixel, {depths} bits each, photometric interpretation {photometric} "
        f"and compression {compression}, which can't be read: {REMEDY}"
    )


def read_samples(data: bytes, tags: Tags) -> Samples:
    """The samples as they are stored.

    Args:
        data: the whole file.
        tags: of the image in it.

    Raises:
        DataError: they are laid out in a way that isn't read; in a few words.
    """
    photometric, samples = tags.get(PHOTOMETRIC_INTERPRETATION, MIN_IS_BLACK), _per_pixel(tags)
    if photometric not in COLOURS or tags.get(COMPRESSION, 1) not in BYTEWISE:
        raise DataError(unreadable(tags))
    if int(tags[IMAGEWIDTH]) * int(tags[IMAGELENGTH]) > MOST_PIXELS:
        raise DataError(f"more than {MOST_PIXELS} pixels: make it smaller")
    colours = COLOURS[photometric]
    extra = (*_several(tags, EXTRASAMPLES, 0), *(0,) * samples)[: samples - colours]
    if EXTRASAMPLES not in tags and (photometric, samples) == (RGB, 4):
        extra = (UNASSOCIATED,)
    is_alpha = extra in ((PREMULTIPLIED,), (UNASSOCIATED,))
    if samples < colours or len(extra) > 1 or (extra and not is_alpha and colours == 1):
        raise DataError(f"{samples} channels a pixel, which is neither grey nor colour: {REMEDY}")
    planes = samples if tags.get(PLANAR_CONFIGURATION, 1) == 2 else 1
    layout = _layout(data, tags, samples // planes)
    try:
        pixels = np.concatenate([_plane(data, tags, layout, plane, planes) for plane in range(planes)], axis=2)
    except (KeyError, ValueError, ZeroDivisionError, struct.error):
        raise DataError("damaged: the tags that say where its pixels are make no sense") from None
    values = pixels[..., :colours]
    return Samples(
        values=_rgb(values, 2**layout.bits - 1) if photometric == SEPARATED else values,
        alpha=_shares(pixels[..., colours], 2**layout.bits - 1) if is_alpha else None,
        premultiplied=extra == (PREMULTIPLIED,),
        inverted=photometric == MIN_IS_WHITE,
        orientation=int(tags.get(ORIENTATION, 1)),
    )


def _shares(values: Array, most: int) -> Array:
    """Of the most that a sample can be; of floats that is 1."""
    share: Array = np.clip(values.astype(np.float64) / (1 if values.dtype.kind == "f" else most), 0, 1)
    return share


def _rgb(values: Array, most: int) -> Array:
    """`(h, w, 3)` of cyan, magenta, yellow and black."""
    paper = 1 - _shares(values, most)
    light: Array = paper[..., :3] * paper[..., 3:]
    return light * most


def _layout(data: bytes, tags: Tags, samples: int) -> Layout:
    depths, kinds = {*_several(tags, BITSPERSAMPLE, 1)}, {*_several(tags, SAMPLEFORMAT, UNSIGNED)}
    bits, kind, predictor = depths.pop(), KINDS.get(kinds.pop(), ""), int(tags.get(PREDICTOR, 1))
    name = f"{kind}{bits // 8}"
    whole = bits % 8 == 0 and name in TYPES and predictor in (1, HORIZONTAL, FLOATING_POINT)
    packed = kind == "u" and 8 < bits < 32 and bits % 8 and predictor == 1
    if depths or kinds or not (whole or packed):
        raise DataError(unreadable(tags))
    order = ">" if data.startswith(b"MM") else "<"
    return Layout(bits, np.dtype(order + name if whole else "u4"), samples, predictor)


def _per_pixel(tags: Tags) -> int:
    return int(tags.get(SAMPLESPERPIXEL, 1))


def _several(tags: Tags, tag: int, default: int) -> tuple[int, ...]:
    value = tags.get(tag, default)
    return tuple(value) if isinstance(value, tuple) else (int(value),)


def _plane(data: bytes, tags: Tags, layout: Layout, plane: int, planes: int) -> Array:
    """`(h, w, samples)` of one of the file's planes, in the machine's byte order."""
    width, height = int(tags[IMAGEWIDTH]), int(tags[IMAGELENGTH])
    across = int(tags[TILEWIDTH]) if TILEWIDTH in tags else width
    tiles, row = -(-width // across), layout.row_bytes(across)
    rows = _unpacked(data, tags, row, tiles, plane, planes).reshape(height, tiles, row)
    values = _values(np.ascontiguousarray(rows), layout, across)
    return values.reshape(height, tiles * across, layout.samples)[:, :width].astype(layout.dtype.newbyteorder("="))


def _values(rows: npt.NDArray[np.uint8], layout: Layout, width: int) -> Array:
    """`(h, tiles, width, samples)` of rows of bytes `(h, tiles, bytes)`: the predictor undone, in some byte order."""
    shape, dtype = (*rows.shape[:2], width, layout.samples), layout.dtype
    if layout.bits % 8:
        bits = np.unpackbits(rows, axis=2)[..., : width * layout.samples * layout.bits]
        packed: Array = bits.reshape(*shape, layout.bits) @ (1 << np.arange(layout.bits, dtype=dtype)[::-1])
        return packed
    if layout.predictor == FLOATING_POINT:
        steps = rows.reshape(*rows.shape[:2], -1, layout.samples)
        whole = np.cumsum(steps, axis=2, dtype=np.uint8).reshape(*rows.shape[:2], dtype.itemsize, -1)
        # The highest bytes of all values of a row come first, whatever the file's byte order.
        by_value = np.ascontiguousarray(whole.transpose(0, 1, 3, 2))
        return by_value.view(dtype.newbyteorder(">")).reshape(shape)
    if layout.predictor == HORIZONTAL:
        number = np.dtype(f"u{dtype.itemsize}").newbyteorder(dtype.byteorder)
        # Modulo the type's range, as the differences were taken.
        summed = np.cumsum(rows.view(number).reshape(shape), axis=2, dtype=number.newbyteorder("="))
        return summed.view(dtype.newbyteorder("="))
    return rows.view(dtype).reshape(shape)


def _unpacked(data: bytes, tags: Tags, row: int, tiles: int, plane: int, planes: int) -> npt.NDArray[np.uint8]:
    """`(h, bytes)`: the same file, but its directory says that a plane is grey of 8 bits, as wide as there are bytes.

    Not through `Image.open`, whose limit is one of pixels: these are bytes.
    """
    height, is_tiled = int(tags[IMAGELENGTH]), TILEWIDTH in tags
    new: dict[int, tuple[int, ...]] = {
        IMAGEWIDTH: (row * tiles,),
        IMAGELENGTH: (height,),
        BITSPERSAMPLE: (8,),
        COMPRESSION: (int(tags.get(COMPRESSION, 1)),),
        PHOTOMETRIC_INTERPRETATION: (MIN_IS_BLACK,),
        FILLORDER: (int(tags.get(FILLORDER, 1)),),
        SAMPLESPERPIXEL: (1,),
    }
    if is_tiled:
        new |= {TILEWIDTH: (row,), TILELENGTH: (int(tags[TILELENGTH]),)}
    else:
        new[ROWSPERSTRIP] = (min(height, int(tags.get(ROWSPERSTRIP, height))),)
    for tag in (TILEOFFSETS, TILEBYTECOUNTS) if is_tiled else (STRIPOFFSETS, STRIPBYTECOUNTS):
        values = tags[tag] if isinstance(tags[tag], tuple) else (int(tags[tag]),)
        share = len(values) // planes
        new[tag] = values[plane * share : (plane + 1) * share]
    with TiffImagePlugin.TiffImageFile(BytesIO(_with_directory(data, new))) as file:
        return np.asarray(file)


def _with_directory(data: bytes, tags: Mapping[int, tuple[int, ...]]) -> bytes:
    """The file with other tags, all of type LONG: little-endian, since to it what is stored are bytes."""
    body = data[8:] + b"\0" * (len(data) % 2)
    start = 8 + len(body)
    entries, beyond, after = b"", b"", start + 2 + 12 * len(tags) + 4
    for tag, values in sorted(tags.items()):
        packed = struct.pack(f"<{len(values)}L", *values)
        if len(values) > 1:
            packed, beyond = struct.pack("<L", after + len(beyond)), beyond + packed
        entries += struct.pack("<HHL", tag, LONG, len(values)) + packed
    directory = struct.pack("<H", len(tags)) + entries + struct.pack("<L", 0)
    return struct.pack("<2sHL", b"II", 42, start) + body + directory + beyond
