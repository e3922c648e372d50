"""Values of more than 8 bits as 8-bit greys: which of them become black and white, and the straight line between."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

OUTLIERS = 0.001
"""The share of the pixels at each end, those of the extreme value itself left aside, that may be outliers."""
FEWEST = 100  # pixels that lie between the extremes, from which on some can be called outliers


@dataclass(frozen=True)
class Limits:
    """The values that become black and white; those beyond are black or white, too."""

    low: float
    high: float
    clipped: bool = False  # whether pixels of an image were found to be outliers, and lie beyond


def limits(values: npt.NDArray[Any]) -> Limits:
    """The darkest and the brightest value; an end with outliers is where they begin.

    Hot and dead pixels, burnt-in markers and values that stand for missing data would leave few greys for all the
    rest. The middle of an image is what remains without the pixels of its darkest and of its brightest value, however
    many, and without 0.1 % of the others at each end. An end of the image that lies further beyond its middle than the
    middle is wide holds outliers, and the limit on that side is the end of the middle. Elsewhere it is exactly the
    darkest or brightest pixel: one such tail leaves the middle at least half of the greys. Gaussian noise of a million
    pixels has tails of a third of its middle's width, exponential values of about the whole of it.

    Args:
        values: of any shape, with all channels of an image; finite, at least one.
    """
    low, high = values.min(), values.max()
    others = values[(values > low) & (values < high)]
    if others.size < FEWEST:
        return Limits(float(low), float(high))
    cut = math.ceil(OUTLIERS * others.size)
    ends = np.partition(others, (cut, others.size - 1 - cut))
    first, last = float(ends[cut]), float(ends[others.size - 1 - cut])
    width, low, high = last - first, float(low), float(high)
    is_below, is_above = (0 < width < beyond for beyond in (first - low, high - last))
    return Limits(first if is_below else low, last if is_above else high, is_below or is_above)


def shares(values: npt.NDArray[Any], within: Limits) -> npt.NDArray[np.float64]:
    """How far each value is from black (0) to white (1); all are black where the limits are one."""
    low, high = within.low, within.high
    # Halved first: the difference of two values of a float64 image may be infinite.
    half = high / 2 - low / 2
    if not half > 0:
        return np.zeros(values.shape)
    place: npt.NDArray[np.float64] = np.clip((values.astype(np.float64) / 2 - low / 2) / half, 0, 1)
    return place
