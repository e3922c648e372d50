"""The 95th-percentile Hausdorff distance of two masks, in mm where the spacing of the pixels is known."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy.ndimage import distance_transform_edt

from ttl.errors import UsageError

Mask = npt.NDArray[np.bool_]
PERCENTILE = 95


def hausdorff95(truth: Mask, predicted: Mask, spacing: tuple[float, float] | None = None) -> float:
    """The larger of the two directed 95th percentiles of the distances between the boundaries, as in MONAI.

    A boundary pixel is one of the mask that has a 4-neighbour outside of it, or lies at the image's edge. Undefined
    (nan) where both masks are empty; the image's diagonal where exactly one is, so that a missed object counts as
    the worst case rather than disappearing from the mean.

    Args:
        truth: `(h, w)`.
        predicted: `(h, w)`.
        spacing: mm from row to row and from column to column; None measures in pixels.

    Raises:
        UsageError: the shapes don't fit, or the spacing isn't two positive numbers.
    """
    if truth.ndim != 2 or truth.shape != predicted.shape:
        raise UsageError(f"masks {truth.shape} and {predicted.shape} must both be (h, w).")
    row, column = check_spacing(spacing)
    if not (truth.any() and predicted.any()):
        diagonal = math.hypot(truth.shape[0] * row, truth.shape[1] * column)
        return diagonal if truth.any() or predicted.any() else math.nan
    inside = _box(truth | predicted)
    first, second = boundary(truth)[inside], boundary(predicted)[inside]
    return max(_directed(first, second, (row, column)), _directed(second, first, (row, column)))


def check_spacing(spacing: tuple[float, float] | None) -> tuple[float, float]:
    """The spacing, `(1, 1)` for None.

    Raises:
        UsageError: it isn't two positive numbers.
    """
    if spacing is None:
        return 1.0, 1.0
    if len(spacing) != 2 or not all(math.isfinite(step) and step > 0 for step in spacing):
        raise UsageError(f"spacing must be two positive numbers, mm by row and by column, not {spacing}.")
    return float(spacing[0]), float(spacing[1])


def boundary(mask: Mask) -> Mask:
    """`(h, w)`: the pixels of the mask with a 4-neighbour outside of it, or at the image's edge."""
    around = np.pad(mask, 1)
    buried = around[:-2, 1:-1] & around[2:, 1:-1] & around[1:-1, :-2] & around[1:-1, 2:]
    edge: Mask = mask & ~buried
    return edge


def _box(mask: Mask) -> tuple[slice, slice]:
    """The smallest rectangle that holds the mask: both boundaries lie in it, and it is faster than the image."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)


def _directed(start: Mask, end: Mask, spacing: tuple[float, float]) -> float:
    """The percentile, over the pixels of `start`, of the distance to the nearest pixel of `end`."""
    return float(np.percentile(distance_transform_edt(~end, sampling=spacing)[start], PERCENTILE))
