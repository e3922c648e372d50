"""How often a decision of some confidence is right: reliability in bins of equal counts (fractions in 0..1)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ttl.stats.kinds import classified
from ttl.stats.resampling import Array, wilson
from ttl.words.estimate import Estimate

BINS = 10
SMALLEST_BIN = 20
HISTOGRAM_BINS = 10


@dataclass(frozen=True)
class Bin:
    """`n` samples of like confidence: from `low` to `high`, `confidence` on average."""

    n: int
    low: float
    high: float
    confidence: float
    accuracy: Estimate  # the share that is right, with its 95% Wilson interval


@dataclass(frozen=True, eq=False)
class Calibration:
    """Confidence against correctness of one network."""

    bins: tuple[Bin, ...]  # from the least to the most confident
    edges: Array  # `(HISTOGRAM_BINS + 1,)`, from the lowest confidence there can be to 1
    counts: npt.NDArray[np.int64]  # `(HISTOGRAM_BINS,)` samples between the edges


def calibration(kind: str, labels: npt.ArrayLike, probabilities: npt.ArrayLike) -> Calibration:
    """The confidence of decisions, against how often they are right.

    Confidence is the probability of the most probable class; in `multilabel` that of each label's decision, present or
    absent, all known labels of all samples taken together. Bins hold equally many samples, 10 or as many as leave 20
    to each; equal confidences are not torn apart.

    Args:
        kind: `binary`, `multiclass` or `multilabel`.
        labels: as `metrics` takes them.
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
    if not len(sure):
        return ()
    order = np.argsort(sure, kind="stable")
    sure, right = sure[order], right[order]
    wanted = min(BINS, max(1, len(sure) // SMALLEST_BIN))
    last = np.linspace(0, len(sure), wanted + 1).round().astype(np.int64)[1:] - 1
    ends = np.unique(np.searchsorted(sure, sure[last], side="right"))[:-1]
    return tuple(
        Bin(len(part), float(part[0]), float(part[-1]), float(part.mean()), wilson(int(hits.sum()), len(hits)))
        for part, hits in zip(np.split(sure, ends), np.split(right, ends), strict=True)
    )
