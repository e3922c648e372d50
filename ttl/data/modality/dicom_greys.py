"""Grey DICOM frames: stored values to the modality's units, and those to how far each is from black to white."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from ttl.data.modality.dicom_header import at_frame, number_at, photometric, whole_number
from ttl.data.modality.dicom_lut import LookUp, Values, lookup_of, white_of
from ttl.data.modality.dicom_pixels import Stored
from ttl.data.modality.eight_bits import scale_of
from ttl.data.modality.rendering import Rendering, Window
from ttl.data.modality.stretch import shares
from ttl.errors import DataError

Greys = Literal["window", "stretched", "stored"]
"""What decides what is black and what is white: a window, a range of values, or 8 bits as stored."""
OTHERWISE = "give --window CENTER WIDTH or --range LOW HIGH"


@dataclass(frozen=True, eq=False)
class Shown:
    """How far each pixel `(h, w)` is from black (0) to white (1), and what decided that."""

    shares: Values
    greys: Greys
    own_window: Window | None = None  # the header's, where it is that
    clipped: bool = False  # see `Facts`


def grey_shares(header: Any, number: int, stored: Stored, rendering: Rendering) -> Shown:
    """A frame's greys: by a window or a range that is given, else as the header says, else by the pixels themselves.

    Raises:
        DataError: the header's rescaling or window leaves nothing of the picture.
    """
    shown = _shown(header, number, stored, rendering)
    return replace(shown, shares=1 - shown.shares) if photometric(header) == "MONOCHROME1" else shown


def _shown(header: Any, number: int, stored: Stored, rendering: Rendering) -> Shown:
    values, seen = in_units(header, number, stored.values), ~stored.padding
    if rendering.window is not None:
        return Shown(windowed(values, *rendering.window), "window")
    if rendering.value_range is None and (table := _table(header, "VOILUTSequence", values)) is not None:
        looked_up = table(values) / white_of(table.entries)
        _check_not_flat(values[seen], looked_up[seen], "lookup table")
        return Shown(looked_up, "window")
    if rendering.value_range is None and (window := _own_window(header, number)) is not None:
        places = windowed(values, *window, str(at_frame(header, number, "VOILUTFunction") or "LINEAR").upper())
        _check_not_flat(values[seen], places[seen], f"window (center {window[0]:g}, width {window[1]:g})")
        return Shown(places, "window", window)
    if _of_eight_bits(header, stored.values) and np.array_equal(values, stored.values):
        return Shown(values / (2 ** whole_number(header, "BitsStored", 8) - 1), "stored")
    scale = scale_of(values[seen] if seen.any() else values, rendering)
    return Shown(shares(values, scale), "stretched", clipped=scale.clipped)


def in_units(header: Any, number: int, stored: npt.NDArray[Any]) -> Values:
    """Stored values of a frame in what they mean, such as Hounsfield units: by a table, else slope and intercept.

    Raises:
        DataError: they lose all that they say, or are no numbers.
    """
    slope, intercept = (number_at(header, number, name) for name in ("RescaleSlope", "RescaleIntercept"))
    if table := _table(header, "ModalityLUTSequence", stored):
        return table(stored).astype(np.float64)
    if slope == 0:
        raise DataError("its RescaleSlope is 0, which makes all pixels equal: repair the header")
    values = np.asarray(stored, np.float64)
    if not np.isfinite(values).all():
        raise DataError("a pixel isn't a number")
    return values * (1.0 if slope is None else slope) + (intercept or 0.0)


def windowed(values: Values, center: float, width: float, function: str = "LINEAR") -> Values:
    """DICOM PS3.3, C.11.2.1.2 and C.11.2.1.3: each value's place in the window, 0 below it and 1 above."""
    if function == "SIGMOID":
        place: Values = 0.5 * (1 + np.tanh(2 * (values - center) / width))
        return place
    if function == "LINEAR_EXACT" or width < 1:  # LINEAR, of whole numbers, has no width below 1
        return np.clip((values - center) / width + 0.5, 0, 1)
    if width == 1:
        return (values > center - 0.5).astype(np.float64)
    return np.clip((values - (center - 0.5)) / (width - 1) + 0.5, 0, 1)


def _own_window(header: Any, number: int) -> Window | None:
    """The header's window; of several, one for each way to look at the image, the first."""
    center, width = (number_at(header, number, name) for name in ("WindowCenter", "WindowWidth"))
    if center is None or width is None:
        return None
    if width <= 0:
        raise DataError(f"its header's window has the width {width:g}, which shows nothing: {OTHERWISE}")
    return center, width


def _table(header: Any, sequence: str, values: npt.NDArray[Any]) -> LookUp | None:
    """The first table of a sequence; None where there is none, or an empty one."""
    for item in (header.get(sequence) or ())[:1]:
        if item.get("LUTDescriptor") and item.get("LUTData") is not None:
            little = header.file_meta.TransferSyntaxUID.is_little_endian
            return lookup_of(item.LUTDescriptor, item.LUTData, little_endian=little, lowest=float(values.min()))
    return None


def _of_eight_bits(header: Any, stored: npt.NDArray[Any]) -> bool:
    """Whether the values are those of a picture; such lie in words of 16 bits, too."""
    return stored.dtype.kind == "u" and 1 <= whole_number(header, "BitsStored", 16) <= 8


def _check_not_flat(values: Values, shares: Values, what: str) -> None:
    if values.size and values.min() < values.max() and np.ptp(255 * shares) < 1:
        raise DataError(
            f"its header's {what} makes all its values, {values.min():g} to {values.max():g}, one grey: {OTHERWISE}"
        )
