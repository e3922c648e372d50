"""DICOM frames in colour as 8 bits a channel: palettes, and channels of more bits."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ttl.data.modality.dicom_header import photometric, whole_number
from ttl.data.modality.dicom_lut import LookUp, lookup_of, white_of
from ttl.data.modality.eight_bits import scale_of
from ttl.data.modality.rendering import Rendering
from ttl.data.modality.stretch import Limits, shares
from ttl.errors import DataError

PALETTE = "PALETTE COLOR"
COLOURS = ("Red", "Green", "Blue")
READ_AS_RGB = frozenset({"RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT"})
Pixels = npt.NDArray[np.uint8]


def check_colours(header: Any) -> None:
    """Refuse channels that aren't decoded as red, green and blue.

    Raises:
        DataError: they are others.
    """
    kind, deep = photometric(header), _is_deep(header)
    if whole_number(header, "SamplesPerPixel", 1) > 1 and (
        kind not in READ_AS_RGB or (deep and kind.startswith("YBR_FULL"))
    ):
        bits = f" of {header.BitsStored} bits" if deep else ""
        raise DataError(f"its colours are {kind}{bits}, which can't be read: save them as RGB")


def from_palette(header: Any, stored: npt.NDArray[Any]) -> Pixels:
    """`(h, w, 3)` of indices `(h, w)`; the brightest value that an entry of the three tables may have is white.

    Raises:
        DataError: there is no palette, or none that can be read.
    """
    tables = [_table(header, colour, stored) for colour in COLOURS]
    white = white_of(np.concatenate([table.entries for table in tables]))
    pixels: Pixels = np.rint(255 / white * np.stack([table(stored) for table in tables], -1)).astype(np.uint8)
    return pixels


def in_eight_bits(header: Any, stored: npt.NDArray[Any], rendering: Rendering) -> tuple[Pixels, Limits | None]:
    """`(h, w, 3)` of channels `(h, w, 3)`; where they have more bits, by one scale, as deep greys have."""
    if not _is_deep(header):
        return stored.astype(np.uint8), None
    # Of models of version 0.1, which have no way, colours were the upper bits of words of 16.
    scale = scale_of(stored, rendering) if rendering.way else Limits(0, 2**16 - 2**8)
    if rendering.way is None:
        stored = stored >> 8 << 8
    return np.rint(255 * shares(stored, scale)).astype(np.uint8), scale


def _is_deep(header: Any) -> bool:
    return whole_number(header, "BitsStored", 8) > 8


def _table(header: Any, colour: str, stored: npt.NDArray[Any]) -> LookUp:
    name = f"{colour}PaletteColorLookupTable"
    descriptor, data = header.get(f"{name}Descriptor"), header.get(f"{name}Data")
    if not descriptor:
        raise DataError(f"it has no palette ({name}Descriptor)")
    lowest = float(stored.min())
    little = bool(header.file_meta.TransferSyntaxUID.is_little_endian)
    if data is None and f"Segmented{name}Data" not in header:
        raise DataError(f"it has no palette ({name}Data)")
    if data is not None:
        return lookup_of(descriptor, data, little_endian=little, lowest=lowest)
    return _segmented(header, descriptor, COLOURS.index(colour))


def _segmented(header: Any, descriptor: Any, channel: int) -> LookUp:
    """The table that is stored as segments, each entry of it asked for by its value."""
    from pydicom.pixels.processing import apply_color_lut

    count, first, bits = int(descriptor[0]) or 2**16, int(descriptor[1]), int(descriptor[2])
    if bits == 8 and count > 2**8:
        raise DataError(f"its palette has {count} entries of 8 bits in segments, which can't be read: save it as RGB")
    entries = apply_color_lut(np.arange(first, first + count), header)[:, channel]
    return LookUp(entries.astype(np.int64), first)
