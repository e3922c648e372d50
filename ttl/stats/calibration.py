"""How often what is said with some confidence is right: reliability in bins of equal counts (fractions in 0..1)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ttl.stats.kinds import classified
from ttl.stats.resampling import Array
from ttl.stats.wilson import wilson
from ttl.words.estimate import Estimate

BINS = 10
SMALLEST_BIN = 20
HISTOGRAM_BINS = 10


@dataclass(frozen=True)
class Bin:
    """Samples of like confidence.

    Attributes:
        n: how many.
        low: the lowest confidence among them.
        high: the highest.
        confidence: the mean.
        accuracy: the share that is right, with its 95% Wilson interval.
    """

    n: int
    low: float
    high: float
    confidence: float
    accuracy: Estimate


@dataclass(frozen=True, eq=False)
class Calibration:
    """Confidence against correctness of one network.

    Attributes:
        bins: from the least to the most confident.
        edges: `(HISTOGRAM_BINS + 1,)`, from the lowest confidence there can be to 1.
        counts: `(HISTOGRAM_BINS,)` samples between the edges.
    """

    bins: tuple[Bin, ...]
    edges: Array
    counts: npt.NDArray[np.int64]


def calibration(kind: str, labels: npt.ArrayLike, probabilities: npt.ArrayLike) -> Calibration:
    """The confidence in what is said, against how often it is right.

    Confidence is the probability of the most probable class; in `multilabel` that of what is said of a label, present
    or absent, all known labels of all samples taken together. Bins hold equally many samples, 10 or as many as leave
    20 to each; equal confidences are not torn apart.

    Args:
        kind: `binary`, `multiclass` or `multilabel`.
        labels: `(n,)`; `(n, classes)` for `multilabel`, where -1 is unknown and left out.
        probabilities: `(n, classes)`.

    Raises:
        UsageError: shapes that don't fit.
        DataError: a probability is not finite, or a label is outside the classes.
    """
    sure, right, lowest = classified(kind, labels, probabilities).confidence()
    edges = np.linspace(lowest, 1, HISTOGRAM_BINS + 1)
    places = np.clip(((sure - lowest) / (1 - lowest) * HISTOGRAM_BINS).astype(np.int64), 0, HISTOGRAM_BINS - 1)
    return Calibration(_bins(sure, right), edges, np.bincount(places, minlength=HISTOGRAM_BINS))


def _bins(sure: Array, right: npt.NDArray[np.bool_]) -> tuple[Bin, ...]:
    order = np.argsort(sure, kind="stable")
    sure, right = sure[order], right[order]
    wanted = min(BINS, max(1, len(sure) // SMALLEST_BIN))
    last = np.linspace(0, len(sure), wanted + 1).round().astype(np.int64)[1:] - 1
    ends = np.unique(np.searchsorted(sure, sure[last], side="right")) if len(sure) else np.zeros(0, np.int64)
    starts = [0, *ends[:-1].tolist()]
    return tuple(_bin(sure[start:end], right[start:end]) for start, end in zip(starts, ends.tolist(), strict=False))


def _bin(sure: Array, right: npt.NDArray[np.bool_]) -> Bin:
    return Bin(len(sure), float(sure[0]), float(sure[-1]), float(sure.mean()), wilson(int(right.sum()), len(right)))
