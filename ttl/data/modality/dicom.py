"""DICOM files as 8-bit images."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import numpy as np
from PIL import Image

from ttl.data.modality.dicom_colour import PALETTE, check_colours, from_palette, in_eight_bits
from ttl.data.modality.dicom_greys import grey_shares
from ttl.data.modality.dicom_header import frame_count, parsed, patient, photometric, spacing_mm, use_of
from ttl.data.modality.dicom_pixels import stored_pixels
from ttl.data.modality.eight_bits import contrast
from ttl.data.modality.facts import Facts
from ttl.data.modality.frames import frame_number
from ttl.data.modality.rendering import AS_FILED, Rendering, digest_of

EXTENSIONS = frozenset({".dcm", ".dicom"})


def read_dicom(data: bytes, rendering: Rendering = AS_FILED) -> tuple[Image.Image, Facts]:
    """A frame as 8 bits, of mode `L` or `RGB`, and what else the file holds.

    Grey values are rescaled as the header says, for this frame or for all, then a window of them is spread over 0..255:
    the one asked for, or a range, else the header's (its lookup table, or the first of its windows). Without any, 8
    bits are taken as they are, and more are stretched as in other files (`ttl.data.modality.stretch.limits`), padding
    left out. What a
    low value should show as white (MONOCHROME1) is inverted. Palettes become colours; of more than 8 bits a channel
    these are stretched like greys.

    Raises:
        DataError: pydicom or a decoder isn't installed, there is no such frame, or what the header says would leave
            nothing of the picture.
        Exception: nearly anything, of a damaged file.
    """
    header = parsed(data)
    return _frame(hashlib.sha256(data), header, frame_number(rendering.frame, frame_count(header)), rendering)


def read_frames(data: bytes, rendering: Rendering) -> Iterator[tuple[Image.Image, Facts]]:
    """Every frame; otherwise as `read_dicom`."""
    header, file = parsed(data), hashlib.sha256(data)
    for number in range(1, frame_count(header) + 1):
        yield _frame(file, header, number, rendering)


def _frame(file: hashlib._Hash, header: Any, number: int, rendering: Rendering) -> tuple[Image.Image, Facts]:
    check_colours(header)
    stored, shown, deep, clipped = stored_pixels(header, number), None, False, False
    if photometric(header) == PALETTE:
        pixels = from_palette(header, stored.values)
    elif stored.values.ndim == 2:
        shown = grey_shares(header, number, stored, rendering)
        pixels = np.rint(255 * shown.shares).astype(np.uint8)
        deep, clipped = shown.greys == "stretched", shown.clipped
    else:
        pixels, scale = in_eight_bits(header, stored.values, rendering)
        deep, clipped = scale is not None, scale is not None and scale.clipped
    image, count = Image.fromarray(pixels), frame_count(header)
    return image, Facts(
        digest_of(file, number, rendering.window, rendering.way if deep else None),
        *image.size,
        channels=len(image.getbands()),
        deep=deep,
        clipped=clipped,
        contrast=contrast(image),
        frame=number if count > 1 else 0,
        windowed=shown is not None and shown.greys == "window",
        window=None if shown is None else shown.own_window,
        patient=patient(header),
        study=str(header.get("StudyInstanceUID") or ""),
        use=use_of(header, number),
        spacing_mm=spacing_mm(header, number),
    )
