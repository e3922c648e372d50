"""DICOM files as 8-bit images: stored values to the modality's units, and a window of those to grey."""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import dataclass
from io import BytesIO
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from PIL import Image

from ttl.errors import DataError

EXTENSIONS = frozenset({".dcm", ".dicom"})
PREAMBLE = 128
Values = npt.NDArray[np.float64]
Shown = Literal["window", "stretched", "stored"]
Window = tuple[float, float]
"""Centre and width, in the units that the file's values have after its rescaling (Hounsfield units in CT)."""


@dataclass(frozen=True)
class Dicom:
    """What a file holds.

    Attributes:
        image: the first frame, of mode `L` or `RGB`.
        shown: what decided what is black and what is white: a `window`, the darkest and the brightest pixel
            (`stretched`), or nothing: 8 bits `stored` as they are meant to be seen.
        patient: the header's PatientID; empty where it has none.
        frames: how many the file has.
        spacing_mm: from row to row and from column to column; None where the header doesn't say.
    """

    image: Image.Image
    shown: Shown
    patient: str
    frames: int
    spacing_mm: tuple[float, float] | None


def is_dicom(data: bytes) -> bool:
    """Whether a file's bytes say that they are DICOM."""
    return data[PREAMBLE : PREAMBLE + 4] == b"DICM"


def read_dicom(data: bytes, window: Window | None = None) -> Dicom:
    """The first frame as 8 bits.

    Grey values are rescaled as the header says, then a window of them is spread over 0..255: `window`, else the
    header's (its lookup table, or the first of its windows). Without any, 8 bits are taken as they are, and more
    are stretched from the darkest to the brightest pixel, padding left out. What a low value should show as white
    (MONOCHROME1) is inverted.

    Args:
        data: the file's bytes.
        window: centre and width, in place of the header's.

    Raises:
        DataError: pydicom isn't installed.
        Exception: nearly anything, of a damaged file.
    """
    try:
        from pydicom import dcmread
        from pydicom.pixels.processing import apply_color_lut
        from pydicom.pixels.utils import pixel_array
    except ImportError:
        raise DataError("DICOM needs pydicom, pip install 'ttl[dicom]'") from None
    header: Any = dcmread(BytesIO(data))
    pixels = pixel_array(header, index=0)
    shown: Shown = "stored"
    if header.PhotometricInterpretation == "PALETTE COLOR":
        pixels = apply_color_lut(pixels, header)
    if pixels.ndim == 2:
        shares, shown = _shares(header, pixels, window)
        pixels = np.rint(255 * (1 - shares if header.PhotometricInterpretation == "MONOCHROME1" else shares))
    elif pixels.dtype.itemsize > 1:
        pixels = pixels >> 8
    patient, frames = str(header.get("PatientID") or "").strip(), int(header.get("NumberOfFrames") or 1)
    return Dicom(Image.fromarray(pixels.astype(np.uint8)), shown, patient, frames, _spacing(header))


def _shares(header: Any, stored: npt.NDArray[Any], window: Window | None) -> tuple[Values, Shown]:
    """How far each pixel is from black (0) to white (1), and what decided that."""
    from pydicom.pixels.processing import apply_modality_lut, apply_voi

    values = np.asarray(apply_modality_lut(stored, header), np.float64)
    if window is None and header.get("VOILUTSequence"):
        bits = int(header.VOILUTSequence[0].LUTDescriptor[2])
        looked_up = apply_voi(values.astype(np.int64), header)
        return np.asarray(looked_up, np.float64) / (2**bits - 1), "window"
    function = "LINEAR"
    if window is None and header.get("WindowWidth") is not None and header.get("WindowCenter") is not None:
        window = (_first(header.WindowCenter), _first(header.WindowWidth))
        function = str(header.get("VOILUTFunction") or function)
    if window is not None:
        return _windowed(values, *window, function), "window"
    if stored.dtype == np.uint8 and np.array_equal(values, stored):
        return values / (2 ** int(header.BitsStored) - 1), "stored"
    padding = header.get("PixelPaddingValue")
    seen = values[stored != padding] if padding is not None and (stored != padding).any() else values
    low, high = seen.min(), seen.max()
    return np.clip((values - low) / (high - low if high > low else 1.0), 0, 1), "stretched"


def _windowed(values: Values, center: float, width: float, function: str) -> Values:
    """DICOM PS3.3, C.11.2.1.2 and C.11.2.1.3: each value's place in the window, 0 below it and 1 above."""
    if function == "SIGMOID":
        place: Values = 0.5 * (1 + np.tanh(2 * (values - center) / width))
        return place
    if function == "LINEAR_EXACT":
        return np.clip((values - center) / width + 0.5, 0, 1)
    if width <= 1:
        return (values > center - 0.5).astype(np.float64)
    return np.clip((values - (center - 0.5)) / (width - 1) + 0.5, 0, 1)


def _spacing(header: Any) -> tuple[float, float] | None:
    """In the patient, else at the detector: radiographs often have the latter alone."""
    for name in ("PixelSpacing", "ImagerPixelSpacing"):
        with suppress(TypeError, ValueError):  # header.get is None, or holds no two numbers
            row, column = (float(value) for value in header.get(name))
            if 0 < row < math.inf and 0 < column < math.inf:
                return row, column
    return None


def _first(value: Any) -> float:
    """A header's figure; the first where it has several, one for each way to look at the image."""
    return float(value[0] if hasattr(value, "__len__") and not isinstance(value, str) else value)
