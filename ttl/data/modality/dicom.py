"""DICOM files as 8-bit images: stored values to the modality's units, and a window of those to grey."""

from __future__ import annotations

import hashlib
import math
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from PIL import Image

from ttl.data.modality.facts import Facts
from ttl.data.modality.rendering import AS_FILED, Rendering, Window
from ttl.errors import DataError

EXTENSIONS = frozenset({".dcm", ".dicom"})
PREAMBLE = 128
Values = npt.NDArray[np.float64]
Greys = Literal["window", "stretched", "stored"]
"""What decides what is black and what is white: a window, the darkest and the brightest pixel, or 8 bits as stored."""


def is_dicom(data: bytes) -> bool:
    """Whether a file's bytes say that they are DICOM."""
    return data[PREAMBLE : PREAMBLE + 4] == b"DICM"


def patient_in(path: Path) -> str:
    """Who a file says it is of; empty where it doesn't say, or isn't DICOM that can be read."""
    try:
        from pydicom import dcmread

        with path.open("rb") as file:
            if not is_dicom(file.read(PREAMBLE + 4)):
                return ""
        header: Any = dcmread(path, stop_before_pixels=True, specific_tags=["PatientID"])
        return str(header.get("PatientID") or "").strip()
    except Exception:  # nearly anything, of a damaged file: who opens the image says so
        return ""


def read_dicom(data: bytes, rendering: Rendering = AS_FILED) -> tuple[Image.Image, Facts]:
    """The first frame as 8 bits, of mode `L` or `RGB`, and what else the file holds.

    Grey values are rescaled as the header says, then a window of them is spread over 0..255: the one asked for, else
    the header's (its lookup table, or the first of its windows). Without any, 8 bits are taken as they are, and more
    are stretched from the darkest to the brightest pixel, padding left out. What a low value should show as white
    (MONOCHROME1) is inverted.

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
    window = rendering.window
    header: Any = dcmread(BytesIO(data))
    pixels = pixel_array(header, index=0)
    greys: Greys = "stored"
    if header.PhotometricInterpretation == "PALETTE COLOR":
        pixels = apply_color_lut(pixels, header)
    if pixels.ndim == 2:
        shares, greys = _shares(header, pixels, window)
        pixels = np.rint(255 * (1 - shares if header.PhotometricInterpretation == "MONOCHROME1" else shares))
    elif pixels.dtype.itemsize > 1:
        pixels = pixels >> 8
    image = Image.fromarray(pixels.astype(np.uint8))
    # Another window makes another image of the same bytes.
    digest = hashlib.sha256(data if window is None else data + repr(window).encode()).digest()
    return image, Facts(
        digest,
        *image.size,
        channels=len(image.getbands()),
        deep=greys == "stretched",
        frame=int(int(header.get("NumberOfFrames") or 1) > 1),
        windowed=greys == "window",
        patient=str(header.get("PatientID") or "").strip(),
        study=str(header.get("StudyInstanceUID") or ""),
        spacing_mm=_spacing(header),
    )


def _shares(header: Any, stored: npt.NDArray[Any], window: Window | None) -> tuple[Values, Greys]:
    """How far each pixel is from black (0) to white (1), and what decided that."""
    from pydicom.pixels.processing import apply_modality_lut, apply_voi

    values = np.asarray(apply_modality_lut(stored, header), np.float64)
    if window is None and header.get("VOILUTSequence"):
        bits = int(header.VOILUTSequence[0].LUTDescriptor[2])
        looked_up = apply_voi(values.astype(np.int64), header)
        return np.asarray(looked_up, np.float64) / (2**bits - 1), "window"
    function = "LINEAR"
    if window is None and header.get("WindowWidth") is not None and header.get("WindowCenter") is not None:
        # Of several, one for each way to look at the image, the first.
        window = (float(np.ravel(header.WindowCenter)[0]), float(np.ravel(header.WindowWidth)[0]))
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
