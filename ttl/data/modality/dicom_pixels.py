"""Stored pixels of a DICOM frame, and the file's decoder, where there is one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ttl.data.modality.dicom_header import whole_number
from ttl.errors import DataError

Array = npt.NDArray[Any]
SEGMENTATION = "Segmentation Storage"
GDCM, OPENJPEG = "pip install python-gdcm", "pip install pylibjpeg pylibjpeg-openjpeg"


@dataclass(frozen=True, eq=False)
class Stored:
    """Values `(h, w)` or `(h, w, channels)` as they are stored, and which of them only pad the image."""

    values: Array
    padding: npt.NDArray[np.bool_]


def stored_pixels(header: Any, number: int) -> Stored:
    """Those of a frame, `number` from 1 on; bits beyond those that are said to be stored are left out.

    Raises:
        DataError: it has no pixels, or no decoder that is installed reads them.
    """
    pixels = _decoded(header, number)
    padding = _padding(header, pixels) if pixels.ndim == 2 else np.zeros(pixels.shape, np.bool_)
    return Stored(_own_bits(header, pixels), padding)


def _decoded(header: Any, number: int) -> Array:
    from pydicom.pixels.decoders.base import get_decoder
    from pydicom.pixels.utils import pixel_array

    kind = str(getattr(header.get("SOPClassUID"), "name", ""))
    if kind == SEGMENTATION:
        raise DataError("it is a segmentation of images, and no image itself: take it away")
    if not any(header.get(name) for name in ("PixelData", "FloatPixelData", "DoubleFloatPixelData")):
        if kind.endswith("Storage") and not kind.endswith(("Image Storage", "RT Dose Storage")):
            raise DataError(f"it holds no image but another object ({kind}): take it away")
        raise DataError("it has no pixels: it is cut off, or was saved without them")
    syntax = header.file_meta.TransferSyntaxUID
    try:
        decoder = get_decoder(syntax)
    except NotImplementedError:
        raise DataError(f"{syntax.name} can't be read: save its frames without compression") from None
    missing = " ".join(decoder.missing_dependencies)
    remedy = GDCM if "gdcm" in missing else OPENJPEG
    if not decoder.is_available:
        raise DataError(f"{syntax.name} needs a decoder that isn't installed: {remedy}")
    try:
        # Its own correction of the bits takes HighBit for granted, and the padding, which may lie beyond, for a value.
        pixels: Array = pixel_array(header, index=number - 1, correct_unused_bits=False)
    except RuntimeError:
        if decoder.is_encapsulated and missing:
            wrong = f"{syntax.name} that the decoders installed can't read: it is damaged, or needs {remedy}"
            raise DataError(wrong) from None
        raise
    if pixels.ndim == 3 and pixels.shape[-1] != 3:
        raise DataError(f"it has {pixels.shape[-1]} channels: grey or three of colour are needed")
    return pixels


def _own_bits(header: Any, pixels: Array) -> Array:
    """The values without what other bits of their words hold: overlays, in old files, or anything.

    The unsigned lose those bits, of the signed their highest own one says the sign (PS3.5, 8.1.1).
    """
    allocated, stored = 8 * pixels.dtype.itemsize, whole_number(header, "BitsStored", 0)
    if pixels.dtype.kind not in "iu" or not 0 < stored < allocated or whole_number(header, "BitsAllocated", 0) < 8:
        return pixels
    highest = whole_number(header, "HighBit", 0)
    if not stored - 1 <= highest < allocated:
        highest = stored - 1
    own: Array = (pixels << (allocated - 1 - highest)) >> (allocated - stored)
    return own


def _padding(header: Any, pixels: Array) -> npt.NDArray[np.bool_]:
    """Which pixels have the padding value, or lie between it and its limit; whatever sign either was read with."""
    value, limit = header.get("PixelPaddingValue"), header.get("PixelPaddingRangeLimit")
    if not isinstance(value, int) or pixels.dtype.kind not in "iu":
        return np.zeros(pixels.shape, np.bool_)
    own = np.array([value, limit if isinstance(limit, int) else value]).astype(pixels.dtype)
    padding: npt.NDArray[np.bool_] = (pixels >= own.min()) & (pixels <= own.max())
    return padding
