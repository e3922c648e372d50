"""What the segmentation of an image is boiled down to: counts of pixels and distances of edges, class by class."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.ndimage import binary_erosion, distance_transform_edt, find_objects

from ttl.errors import DataError, UsageError
from ttl.stats.resampling import Array

COLUMNS = ("tp", "fp", "fn", "nll", "hd95")
"""Of a class in an image: pixels hit, wrongly claimed and missed, surprise and distance; see `overlap`."""
UNLABELLED = 255
PERCENTILE = 95
"""Of the distances, so that a stray pixel decides nothing."""

Integers = npt.NDArray[np.integer[Any]]
Floats = npt.NDArray[np.floating[Any]]
Bytes = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]


def overlap(
    truth: Integers,
    probabilities: Floats,
    *,
    spacing: tuple[float, float] | None = None,
    with_distance: bool = False,
    threshold: float | None = None,
) -> Array:
    """How well one image is segmented, class by class.

    A pixel is predicted as its most probable class, the lowest one in a tie: of two classes, foreground where its
    probability is above 0.5. Unlabelled pixels (255) count nowhere, and what is predicted there isn't seen.

    Args:
        truth: `(h, w)` class of each pixel, or 255.
        probabilities: `(classes, h, w)` float32 or float64; not looked through, to be fast: where one given to the
            truth is nan, so is the log loss.
        spacing: mm from row to row and from column to column; None measures distances in pixels.
        with_distance: fill `hd95`, which takes many times as long as the rest.
        threshold: of two classes, the probability of the second from which on a pixel is predicted as it.

    Returns:
        `(classes, 5)` float64 of `COLUMNS`. `tp`, `fp`, `fn`: pixels of the class predicted as it, others predicted
        as it, pixels of it predicted as another. `nll`: the sum over its pixels of minus the natural log of the
        probability given to it (0 counts as the smallest normal number). `hd95`: the 95th-percentile Hausdorff
        distance; nan unless asked for, and where neither holds the class; the image's diagonal where one of them does.

    Raises:
        UsageError: the shapes don't fit, or the spacing isn't two positive numbers.
        DataError: a pixel's class is outside the classes.
    """
    check_spacing(spacing)
    truth = _checked(truth, probabilities)
    decision = decided(probabilities, threshold)
    decision[truth == UNLABELLED] = UNLABELLED
    smallest = np.finfo(probabilities.dtype).tiny
    rows = np.full((len(probabilities), len(COLUMNS)), np.nan)
    for c, given in enumerate(probabilities):
        held, claimed = truth == c, decision == c
        hits = np.count_nonzero(held & claimed)
        rows[c, :3] = hits, np.count_nonzero(claimed) - hits, np.count_nonzero(held) - hits
        rows[c, 3] = -np.log(np.clip(given[held], smallest, 1)).sum(dtype=np.float64)
        if with_distance:
            rows[c, 4] = hausdorff95(held, claimed, spacing)
    return rows


def decided(probabilities: Floats, threshold: float | None = None) -> Bytes:
    """`(h, w)`: the most probable class of each pixel, of probabilities `(classes, h, w)`, the lowest one in a tie.

    With a threshold, of two classes: the second from this probability on.
    """
    if threshold is not None:
        return np.asarray(probabilities[1] >= threshold, np.uint8)
    # numpy's own argmax takes many times as long.
    best = probabilities[0]
    decision = np.zeros(best.shape, np.uint8)
    for c, given in enumerate(probabilities[1:], start=1):
        decision[given > best] = c
        if c + 1 < len(probabilities):
            best = np.maximum(best, given)
    return decision


def _checked(truth: Integers, probabilities: Floats) -> Bytes:
    if probabilities.ndim != 3 or truth.shape != probabilities.shape[1:]:
        raise UsageError(
            f"truth {truth.shape} and probabilities {probabilities.shape} must be (h, w) and (classes, h, w)."
        )
    classes = len(probabilities)
    if not 2 <= classes <= UNLABELLED:
        raise UsageError(f"a segmentation can't have {classes} classes; give the background and 1 to 254 others.")
    outside = truth[((truth < 0) | (truth >= classes)) & (truth != UNLABELLED)]
    if outside.size:
        raise DataError(
            f"{outside.size} pixels have a class such as {outside[0]}; they must be in 0..{classes - 1}, "
            f"or {UNLABELLED} where unlabelled."
        )
    return truth.astype(np.uint8, copy=False)


def hausdorff95(truth: Mask, predicted: Mask, spacing: tuple[float, float] | None = None) -> float:
    """The larger of the two directed 95th percentiles of the distances between the boundaries, as in MONAI.

    Undefined (nan) where both masks are empty; the image's diagonal where exactly one is, so that a missed object
    counts as the worst case rather than disappearing from the mean.

    Args:
        truth: `(h, w)`, as is `predicted`.
        spacing: mm from row to row and from column to column; None measures in pixels.

    Raises:
        UsageError: the shapes don't fit, or the spacing isn't two positive numbers.
    """
    if truth.ndim != 2 or truth.shape != predicted.shape:
        raise UsageError(f"masks {truth.shape} and {predicted.shape} must both be (h, w).")
    steps = check_spacing(spacing)
    if not (truth.any() and predicted.any()):
        diagonal = math.hypot(*(side * step for side, step in zip(truth.shape, steps, strict=True)))
        return diagonal if truth.any() or predicted.any() else math.nan
    # The rectangle that holds both masks holds both boundaries too, and is faster than the image.
    (inside,) = find_objects((truth | predicted).astype(np.uint8))
    first, second = boundary(truth[inside]), boundary(predicted[inside])
    return max(_directed(first, second, steps), _directed(second, first, steps))


def check_spacing(spacing: tuple[float, float] | None) -> tuple[float, float]:
    """The spacing, `(1, 1)` for None; a UsageError where it isn't two positive numbers."""
    if spacing is None:
        return 1.0, 1.0
    if len(spacing) != 2 or not all(math.isfinite(step) and step > 0 for step in spacing):
        raise UsageError(f"spacing must be two positive numbers, mm by row and by column, not {spacing}.")
    return float(spacing[0]), float(spacing[1])


def boundary(mask: Mask) -> Mask:
    """`(h, w)`: the pixels of the mask with a 4-neighbour outside of it, or at the image's edge."""
    edge: Mask = mask & ~binary_erosion(mask)
    return edge


def _directed(start: Mask, end: Mask, spacing: tuple[float, float]) -> float:
    """The percentile, over the pixels of `start`, of the distance to the nearest pixel of `end`."""
    return float(np.percentile(distance_transform_edt(~end, sampling=spacing)[start], PERCENTILE))
