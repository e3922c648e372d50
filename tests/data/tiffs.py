"""A small writer of TIFFs, of all the ways to lay samples out; what it is given stands in the file bit by bit."""

from __future__ import annotations

import struct
import zlib
from typing import Any

import numpy as np
import numpy.typing as npt

NONE, LZW, DEFLATE, PACKBITS = 1, 5, 8, 32773
FORMATS = {"u": 1, "i": 2, "f": 3}


def tiff(
    values: npt.NDArray[Any],
    *,
    photometric: int | None = None,
    planar: bool = False,
    compression: int = NONE,
    predictor: int = 1,
    tile: int = 0,
    rows: int = 0,
    big_endian: bool = False,
    extra: tuple[int, ...] = (),
    bits: int = 0,
    orientation: int = 0,
) -> bytes:
    """A file of `(h, w)` or `(h, w, samples)`.

    Args:
        values: of the type of a sample.
        photometric: by default 2 (RGB) of three samples and more, else 1 (0 is black).
        planar: one plane a sample, in place of pixel by pixel.
        compression: `NONE`, `LZW`, `DEFLATE` or `PACKBITS`.
        predictor: 2 takes differences along a row, 3 those of the bytes of floats, the highest first.
        tile: the side of square tiles; 0 writes strips of so many `rows`, 0 all in one.
        big_endian: the order of bytes.
        extra: what the samples beyond grey or RGB are.
        bits: of a sample, packed, where they aren't whole bytes.
        orientation: as EXIF numbers them.
    """
    order = ">" if big_endian else "<"
    pixels = values[..., None] if values.ndim == 2 else values
    height, width, samples = pixels.shape
    side = tile or max(height, width)
    across, down = (tile, tile) if tile else (width, rows or height)
    planes = [pixels[..., i : i + 1] for i in range(samples)] if planar else [pixels]
    chunks = []
    for plane in planes:
        for top in range(0, height, down):
            for left in range(0, width, across):
                part = plane[top : top + down, left : left + across]
                if tile:
                    grow = ((0, side - part.shape[0]), (0, side - part.shape[1]), (0, 0))
                    part = np.pad(part, grow)
                chunks.append(_packed(_bytes(part, predictor, order, bits), compression))
    depth = bits or 8 * values.dtype.itemsize
    tags: dict[int, tuple[str, tuple[int, ...]]] = {
        256: ("L", (width,)),
        257: ("L", (height,)),
        258: ("H", (depth,) * samples),
        259: ("H", (compression,)),
        262: ("H", ((2 if samples > 2 else 1) if photometric is None else photometric,)),
        277: ("H", (samples,)),
        284: ("H", (2 if planar else 1,)),
        317: ("H", (predictor,)),
        339: ("H", (FORMATS[values.dtype.kind],) * samples),
    }
    tags |= {274: ("H", (orientation,))} if orientation else {}
    tags |= {338: ("H", extra)} if extra else {}
    tags |= {322: ("L", (tile,)), 323: ("L", (tile,))} if tile else {278: ("L", (down,))}
    places = np.cumsum([8, *map(len, chunks)]).tolist()
    where, sizes = (324, 325) if tile else (273, 279)
    tags |= {where: ("L", tuple(places[:-1])), sizes: ("L", tuple(map(len, chunks)))}
    body = b"".join(chunks) + b"\0" * (places[-1] % 2)
    start = 8 + len(body)
    entries, beyond, after = b"", b"", start + 2 + 12 * len(tags) + 4
    for tag, (kind, numbers) in sorted(tags.items()):
        packed = struct.pack(f"{order}{len(numbers)}{kind}", *numbers)
        if len(packed) > 4:
            packed, beyond = struct.pack(f"{order}L", after + len(beyond)), beyond + packed
        entries += struct.pack(f"{order}HHL", tag, 3 if kind == "H" else 4, len(numbers)) + packed.ljust(4, b"\0")
    head = struct.pack(f"{order}2sHL", b"MM" if big_endian else b"II", 42, start)
    return head + body + struct.pack(f"{order}H", len(tags)) + entries + b"\0" * 4 + beyond


def _bytes(part: npt.NDArray[Any], predictor: int, order: str, bits: int) -> bytes:
    """Rows of samples as they lie in the file, before they are compressed."""
    kind = part.dtype.newbyteorder(order)
    if bits:
        wide = [[format(int(value), f"0{bits}b") for value in row.ravel()] for row in part]
        lines = ("".join(row) for row in wide)
        return b"".join(int(line.ljust(-(-len(line) // 8) * 8, "0"), 2).to_bytes(-(-len(line) // 8)) for line in lines)
    if predictor == 2:
        whole = part.view(f"u{part.dtype.itemsize}")
        steps = np.concatenate([whole[:, :1], whole[:, 1:] - whole[:, :-1]], axis=1)
        return steps.astype(steps.dtype.newbyteorder(order)).tobytes()
    if predictor == 3:
        high_first = np.ascontiguousarray(part.astype(part.dtype.newbyteorder(">"))).view(np.uint8)
        flat = high_first.reshape(part.shape[0], -1, part.dtype.itemsize).transpose(0, 2, 1).reshape(part.shape[0], -1)
        by = part.shape[2]
        return np.concatenate([flat[:, :by], flat[:, by:] - flat[:, :-by]], axis=1).tobytes()
    return part.astype(kind).tobytes()


def _packed(data: bytes, compression: int) -> bytes:
    if compression == DEFLATE:
        return zlib.compress(data)
    if compression == PACKBITS:
        parts = (data[i : i + 128] for i in range(0, len(data), 128))
        return b"".join(bytes([len(part) - 1]) + part for part in parts)
    if compression == LZW:  # literals alone, the table cleared before codes grow beyond 9 bits
        codes = [code for i, byte in enumerate(data) for code in ([256, byte] if i % 200 == 0 else [byte])]
        line = "".join(format(code, "09b") for code in [*codes, 257])
        length = -(-len(line) // 8)
        return int(line.ljust(8 * length, "0"), 2).to_bytes(length)
    return data
