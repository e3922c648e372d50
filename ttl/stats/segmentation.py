"""Metrics of segmented images, of many weightings of the images at once.

Dice and Jaccard are fractions in `[0, 1]`; `hd95`, the 95th-percentile Hausdorff distance, is in mm where the spacing
of the pixels is known, else in pixels, and lower is better. Each is taken class by class, then averaged over the
foreground classes (all but class 0) for which it is defined. `dice`, `jaccard` and `hd95` of a class are means over
the images in which truth or prediction hold it; the pooled ones add up the pixels of all images first.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from ttl.errors import DataError, UsageError
from ttl.stats.mask_overlap import COLUMNS
from ttl.stats.resampling import Array, Labels
from ttl.stats.scoring import mean_of_defined, ratio

SEGMENTATION_METRICS = ("dice", "jaccard", "dice_pooled", "jaccard_pooled", "hd95")


class SegmentationScorer:
    """Metrics of one set of segmented images under integer weights of the images.

    Labels are `(n, classes)`, whether the image holds the class: they make no strata, and are only counted. Predictions
    are `(n, classes, 5)`, of `overlap`.

    Raises:
        UsageError: shapes that don't fit.
        DataError: a count that isn't finite, or one below 0.
    """

    every: ClassVar[tuple[str, ...]] = SEGMENTATION_METRICS
    headline: ClassVar[tuple[str, ...]] = ("dice", "jaccard")

    def __init__(self, kind: str, labels: npt.ArrayLike, predicted: npt.ArrayLike, names: Sequence[str]) -> None:
        self.names = tuple(names)
        self.labels: Labels = np.asarray(labels, np.int64)
        counts = _checked(predicted)
        if self.labels.shape != counts.shape[:2]:
            raise UsageError(f"labels {self.labels.shape} must be (n, classes), of predictions {counts.shape}.")
        self.hits, alarms, misses, _, self.distances = np.moveaxis(counts, 2, 0)
        self.wrong = alarms + misses
        self.support = (self.hits + misses > 0).sum(axis=0).astype(np.float64)

    def __call__(self, weights: Array) -> dict[str, Array]:
        """Metric name -> `(resamples,)`, for `weights` `(resamples, n)`: how often each image was drawn."""
        return {name: mean_of_defined(self._by_class(name, weights)[:, 1:].T) for name in self.names}

    def denominator(self, name: str) -> float | None:
        """None: no metric of masks is a share of images."""
        return None

    def per_class(self) -> dict[str, Array]:
        """Each metric, and support (images whose truth holds the class), `(classes,)`; nan if undefined."""
        ones = np.ones((1, len(self.labels)))
        return {name: self._by_class(name, ones)[0] for name in SEGMENTATION_METRICS} | {"support": self.support}

    def _by_class(self, name: str, weights: Array) -> Array:
        """`(resamples, classes)`."""
        if name == "hd95":
            return _mean_over_images(self.distances, weights)
        hits = 2 * self.hits if name.startswith("dice") else self.hits
        if name.endswith("_pooled"):
            return ratio(weights @ hits, weights @ (hits + self.wrong))
        return _mean_over_images(ratio(hits, hits + self.wrong), weights)


def segmentation_log_loss(predicted: npt.ArrayLike) -> float:
    """The mean over all labelled pixels of minus the natural log of the probability given to the truth.

    It is nan where nothing is labelled, or a probability was nan.

    Args:
        predicted: `(n, classes, 5)`, of `overlap`.

    Raises:
        UsageError: another shape.
    """
    hits, _, misses, surprise, _ = np.moveaxis(_checked_shape(predicted), 2, 0)
    return float(ratio(surprise.sum(), (hits + misses).sum()))


def _mean_over_images(values: Array, weights: Array) -> Array:
    """`(resamples, classes)`: the weighted mean of `values` `(n, classes)` over the images where it isn't nan."""
    defined = ~np.isnan(values)
    return ratio(weights @ np.where(defined, values, 0), weights @ defined.astype(np.float64))


def _checked(predicted: npt.ArrayLike) -> Array:
    counts = _checked_shape(predicted)
    unasked = np.isnan(counts) & (np.array(COLUMNS) == "hd95")
    bad = int((~np.isfinite(counts) & ~unasked).any(axis=(1, 2)).sum())
    if bad:
        raise DataError(f"{bad} of {len(counts)} predictions are not finite; the model that gave them is broken.")
    if (counts < 0).any():
        raise DataError(f"predictions go down to {np.nanmin(counts):g}; give counts and distances from 0 up.")
    return counts


def _checked_shape(predicted: npt.ArrayLike) -> Array:
    counts = np.asarray(predicted, np.float64)
    if counts.ndim != 3 or counts.shape[1] < 2 or counts.shape[2] != len(COLUMNS):
        raise UsageError(
            f"predictions {counts.shape} must be (n, classes, {len(COLUMNS)}), background included: "
            f"{', '.join(COLUMNS)} of each class in each image."
        )
    return counts
