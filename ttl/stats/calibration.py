"""How often a decision of some confidence is right: reliability in bins of equal counts (fractions in 0..1)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ttl.stats.kinds import classified
from ttl.stats.resampling import Array, estimate, wilson
from ttl.stats.scoring import SIMULATED, SMALLEST_PROBABILITY, binned, mean_of_defined, ratio
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


def expected_error(kind: str, labels: npt.ArrayLike, probabilities: npt.ArrayLike, seed: int = 0) -> Estimate:
    """The calibration error (`ece`) that these probabilities have on so many images where every one of them is true.

    It isn't 0: in few images chance alone makes shares differ from probabilities. An error within the interval, 2.5 to
    97.5 % of 500 sets of labels drawn from the probabilities, is no sign of bad calibration. Labels are drawn each by
    itself: with several images of a patient, which are alike, chance does more.

    Args:
        kind: as `calibration` takes it, as are the probabilities.
        labels: which are known, in `multilabel`; else only their number counts.
        seed: of the draws.

    Raises:
        UsageError, DataError: as of `calibration`.
    """
    scored = classified(kind, labels, probabilities)
    given = scored.scores
    if not len(given):
        return Estimate()
    several = kind == "multilabel"
    sure = np.maximum(given, 1 - given) if several else given.max(axis=1, keepdims=True)
    known = scored.known if several else np.ones(sure.shape, bool)
    rng, errors = np.random.default_rng(seed), []
    for confidence, counts in zip(sure.T, known.T, strict=True):
        none, count = binned(confidence, np.zeros(len(confidence)), counts)
        inside = (none != 0).astype(np.float64)
        right = np.stack([rng.random(len(confidence), np.float32) < confidence for _ in range(SIMULATED)])
        gaps = right.astype(np.float64) @ inside + none.sum(axis=0)
        errors.append(ratio(np.abs(gaps).sum(axis=1), np.full(SIMULATED, count.sum())))
    drawn = mean_of_defined(np.stack(errors))
    return estimate(float(drawn.mean()), drawn, 0.95)


def log_losses(kind: str, labels: npt.ArrayLike, rows: npt.ArrayLike) -> Array:
    """`(n,)` minus the natural log of the probability given to the truth, of `(n, classes)` probabilities.

    In `multilabel` the mean over the known labels of a sample, nan where none is; errors as of `calibration`.
    """
    scored = classified(kind, labels, rows)
    likely = np.where(scored.positive, scored.scores, 1 - scored.scores)
    surprise = -np.log(np.clip(likely, SMALLEST_PROBABILITY, 1))
    if kind == "multilabel":
        return _mean_of_known(surprise, scored.known)
    return np.asarray(surprise[np.arange(len(surprise)), scored.labels], np.float64)


def brier(kind: str, labels: npt.ArrayLike, rows: npt.ArrayLike) -> Array:
    """`(n,)` squared differences of probability and truth, of `(n, classes)` probabilities.

    In `binary` those of class 1, in `[0, 1]`; in `multiclass` summed over the classes, in `[0, 2]` (Brier 1950); in
    `multilabel` the mean over the known labels of a sample, nan where none is. Errors as of `calibration`.
    """
    scored = classified(kind, labels, rows)
    squares = (scored.scores - scored.positive) ** 2
    if kind == "multilabel":
        return _mean_of_known(squares, scored.known)
    return np.asarray(squares[:, 1] if kind == "binary" else squares.sum(axis=1), np.float64)


def _mean_of_known(values: Array, known: npt.NDArray[np.bool_]) -> Array:
    return ratio(np.where(known, values, 0).sum(axis=1), known.sum(axis=1).astype(np.float64))


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
