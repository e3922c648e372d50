"""Arithmetic in which a figure that isn't defined is nan, without warnings."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


def divide(top: Array, bottom: Array) -> Array:
    """`top / bottom`, nan where `bottom` is 0; shapes are broadcast."""
    empty = np.full(np.broadcast_shapes(top.shape, bottom.shape), np.nan)
    return np.asarray(np.divide(top, bottom, out=empty, where=bottom > 0))


def mean(figures: Array, axis: int = -1) -> Array:
    """The mean along an axis over what is not nan; nan where all of it is."""
    undefined = np.isnan(figures)
    if not undefined.any() and figures.shape[axis]:
        return np.asarray(figures.mean(axis=axis))
    total = np.where(undefined, 0, figures).sum(axis=axis)
    return divide(total, np.asarray((~undefined).sum(axis=axis)))
