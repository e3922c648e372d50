"""How far the probabilities of masks can be believed: of the labelled pixels of an image first, then over images.

Each image counts alike, however large it is. Pixels of an image are much alike, so that nothing is taken for known
better than by so many images (patients).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from ttl.errors import UsageError
from ttl.stats.mask_overlap import UNLABELLED, Floats
from ttl.stats.resampling import Array, Labels, estimate
from ttl.stats.scoring import ECE_BINS, SIMULATED, SMALLEST_PROBABILITY, ratio
from ttl.words.estimate import Estimate

FEWEST = 2
"""Images (patients), to know how much chance does."""


def pixel_calibration(truth: npt.NDArray[np.integer[Any]], probabilities: Floats) -> Array:
    """Means over the labelled pixels of one image.

    Args:
        truth: `(h, w)` class of each pixel, or 255 where unlabelled.
        probabilities: `(classes, h, w)`.

    Returns:
        `(2 + classes + ECE_BINS,)` float64, nan where no pixel is labelled: the log loss (nats), the Brier score (as
        `ttl.stats.brier`), the probability of each class less its share, and in each bin of the most probable class's
        probability how often that class is right less its probability, as a share of all labelled pixels.

    Raises:
        UsageError: shapes that don't fit.
    """
    if probabilities.ndim != 3 or truth.shape != probabilities.shape[1:]:
        raise UsageError(
            f"truth {truth.shape} and probabilities {probabilities.shape} must be (h, w) and (classes, h, w)."
        )
    labelled = truth != UNLABELLED
    known, count, classes = truth[labelled], int(labelled.sum()), len(probabilities)
    if not count:
        return np.full(2 + classes + ECE_BINS, np.nan)
    surprise = squares = 0.0
    bias, sure = np.zeros(classes), np.zeros(count, probabilities.dtype)
    right = np.zeros(count, bool)
    for c, of_class in enumerate(probabilities):
        given, held = of_class[labelled], known == c
        surprise -= float(np.log(np.clip(given[held], SMALLEST_PROBABILITY, 1)).sum(dtype=np.float64))
        if classes > 2 or c == 1:
            squares += float(np.square(given - held).sum(dtype=np.float64))
        bias[c] = given.sum(dtype=np.float64) - held.sum()
        higher = given > sure
        sure[higher], right[higher] = given[higher], held[higher]
    bins = np.clip((sure * ECE_BINS).astype(np.int64), 0, ECE_BINS - 1)
    gaps = np.bincount(bins, weights=right - sure.astype(np.float64), minlength=ECE_BINS)
    return np.concatenate([[surprise, squares], bias, gaps]) / count


@dataclass(frozen=True, eq=False)
class PixelCalibration:
    """What `pixel_calibration` gives for images; all nan of one without a labelled pixel."""

    log_loss: Array  # `(n,)`
    brier: Array  # `(n,)`
    bias: Array  # `(n, classes)`
    gaps: Array  # `(n, ECE_BINS)`

    @classmethod
    def of(cls, rows: Array) -> PixelCalibration:
        """From `rows` `(n, 2 + classes + ECE_BINS)`.

        Raises:
            UsageError: another shape.
        """
        if rows.ndim != 2 or rows.shape[1] < 2 + 2 + ECE_BINS:
            raise UsageError(f"what is known of pixels {rows.shape} must be (n, 2 + classes + {ECE_BINS}).")
        end = rows.shape[1] - ECE_BINS
        return cls(rows[:, 0], rows[:, 1], rows[:, 2:end], rows[:, end:])

    def expected_error(self, groups: Sequence[str] | None, seed: int = 0) -> Estimate:
        """The calibration error of a perfectly calibrated model that varies as much from image to image.

        It isn't 0: in few images chance alone leaves gaps. Those of the images (of patients, taken whole) are centred,
        and drawn with random normal weights: the wild bootstrap. Pixels drawn each by itself would make it far too
        small, for a mistake covers many neighbours. The interval holds 2.5 to 97.5 % of 500 draws.

        Args:
            groups: the patient of each image; None makes each its own.
            seed: of the draws.

        Returns:
            undefined where there are fewer than two images (patients).
        """
        kept = ~np.isnan(self.log_loss)
        gaps, names = self.gaps[kept], np.arange(len(kept)) if groups is None else np.array(groups, object).astype(str)
        own, place = np.unique(names[kept], return_inverse=True)
        if len(own) < FEWEST:
            return Estimate()
        sums = np.zeros((len(own), ECE_BINS))
        np.add.at(sums, place.reshape(-1), gaps - gaps.mean(axis=0))
        weights = np.random.default_rng(seed).standard_normal((SIMULATED, len(own)))
        drawn = np.abs(weights @ sums).sum(axis=1) / len(gaps) * np.sqrt(len(own) / (len(own) - 1))
        return estimate(float(drawn.mean()), drawn, 0.95)


class PixelScorer:
    """The calibration error of masks under weights of the images: over the bins, how far their mean is from 0.

    Labels are `(n, classes)`, whether the image holds the class: they make no strata. Predictions are
    `(n, 2 + classes + ECE_BINS)`, of `pixel_calibration`; an image without a labelled pixel counts in nothing.

    Raises:
        UsageError: shapes that don't fit.
    """

    every: ClassVar[tuple[str, ...]] = ("ece",)
    headline: ClassVar[tuple[str, ...]] = every

    def __init__(self, kind: str, labels: npt.ArrayLike, predicted: npt.ArrayLike, names: Sequence[str]) -> None:
        self.names = tuple(names)
        self.labels: Labels = np.asarray(labels, np.int64)
        of = PixelCalibration.of(np.asarray(predicted, np.float64))
        if self.labels.shape != of.bias.shape:
            raise UsageError(f"labels {self.labels.shape} must be (n, classes), of images {of.bias.shape}.")
        self.defined: Array = (~np.isnan(of.log_loss)).astype(np.float64)
        self.gaps: Array = np.where(np.isnan(of.gaps), 0, of.gaps)

    def __call__(self, weights: Array) -> dict[str, Array]:
        """Metric name -> `(resamples,)`, for `weights` `(resamples, n)`: how often each image counts."""
        return dict.fromkeys(self.names, ratio(np.abs(weights @ self.gaps).sum(axis=1), weights @ self.defined))

    def denominator(self, name: str) -> float | None:
        """None: the error of pixels is no share of images."""
        return None

    def per_class(self) -> dict[str, Array]:
        """The metrics asked for and support (images with a labelled pixel), `(1,)`: the error is of all classes."""
        return self(np.ones((1, len(self.labels)))) | {"support": self.defined.sum(keepdims=True)}
