"""Metrics of a classifier as fractions in `[0, 1]` (kappa in `[-1, 1]`), of many weightings of its samples at once.

Undefined figures (a ranking of a set that holds one class) are nan. Probabilities are `(n, classes)`. The kinds:

- `binary`: labels `(n,)` 0 or 1, two columns; the positive class is 1.
- `multiclass`: labels `(n,)`; AUROC, AUPRC, recall and F1 are macro averages of one class against the rest, over
  the classes that the labels hold.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from ttl.errors import DataError, UsageError
from ttl.stats.resampling import Array, Labels

METRICS = ("auprc", "auroc", "accuracy")
"""What is reported of a classifier unless more is asked for."""
ALL_METRICS = (*METRICS, "balanced_accuracy", "f1", "kappa", "ece")
RANKED = {"auprc", "auroc"}
AVERAGED = RANKED | {"balanced_accuracy"}
THRESHOLD = 0.5
"""From this probability on a class counts as present, where each class is decided by itself."""
ECE_BINS = 15
SIMULATED = 500
"""Draws for the calibration error of a perfectly calibrated model."""
SMALLEST_PROBABILITY = 1e-12
"""A log loss takes lower ones for this: one label that was given none doesn't make the mean infinite."""
ROUNDING = 1e-6
"""By how much a sum of probabilities in single precision may miss 1."""

Marks = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Ranking:
    """One class against the rest, from the highest score to the lowest."""

    order: npt.NDArray[np.intp]  # `(known,)` positions of the samples whose label is known, by falling score
    positive: Array  # `(known,)` 1 for the class and 0 for the rest, in that order
    ends: npt.NDArray[np.intp]  # `(groups,)` the last position of every run of equal scores

    @classmethod
    def of(cls, positive: Marks, scores: Array, known: Marks) -> Ranking:
        """Rank the samples whose label is `known` once; all arguments are `(n,)`."""
        order = np.argsort(-scores, kind="stable")
        order = order[known[order]]
        falling = scores[order]
        last = np.append(falling[1:] != falling[:-1], True)[: len(order)]
        return cls(order, positive[order].astype(np.float64), np.flatnonzero(last))

    def auprc_auroc(self, weights: Array) -> Array:
        """`(2, resamples)`, nan without positives or negatives; `weights` as of `Scorer`."""
        if self.positive.all() or not self.positive.any():
            return np.full((2, len(weights)), np.nan)
        drawn = np.take(weights, self.order, axis=1)
        taken = np.cumsum(drawn, axis=1)
        hits = drawn * self.positive
        caught = np.cumsum(hits, axis=1)
        tied = len(self.ends) < len(self.order)
        if tied:
            taken, caught = taken[:, self.ends], caught[:, self.ends]
            hits = np.diff(caught, axis=1, prepend=0)
        # Groups that a resample drew nothing of come with hits of 0: their precision is never used.
        precision = caught / np.maximum(taken, 1)
        positives = caught[:, -1]
        passed = taken - caught
        # A positive loses to the negatives above its group and half-loses to those in it.
        lost = np.einsum("rg,rg->r", hits, passed)
        if tied:
            lost -= np.einsum("rg,rg->r", hits, np.diff(passed, axis=1, prepend=0)) / 2
        negatives = passed[:, -1]
        defined = (positives > 0) & (negatives > 0)
        average = np.einsum("rg,rg->r", hits, precision) / np.where(defined, positives, 1)
        above = 1 - lost / np.where(defined, positives * negatives, 1)
        return np.where(defined, np.stack([average, above]), np.nan)


class Scorer:
    """Metrics of one set of predictions under integer weights of its samples; scores are sorted once.

    Of samples that have one class each; `ttl.stats.label_scoring` has the scorer of several labels a sample. To add a
    metric: its name in `ALL_METRICS`, and a method of that name with an underscore before it.

    Raises:
        UsageError: shapes that don't fit.
        DataError: a probability is not finite, or a label is outside the classes.
    """

    every: ClassVar[tuple[str, ...]] = ALL_METRICS
    headline: ClassVar[tuple[str, ...]] = METRICS

    def __init__(self, kind: str, labels: npt.ArrayLike, probabilities: npt.ArrayLike, names: Sequence[str]) -> None:
        self.kind, self.names = kind, tuple(names)
        self.labels, self.scores = self.checked(kind, labels, probabilities)
        self.classes = self.scores.shape[1]
        self.known, self.positive, self.guessed = self._by_class()
        if RANKED & set(names):
            self.rankings = [self._ranking(c) for c in self._averaged()]

    def __call__(self, weights: Array) -> dict[str, Array]:
        """Metric name -> `(resamples,)`, for `weights` `(resamples, n)`: how often each sample was drawn."""
        if not len(self.labels):
            return dict.fromkeys(self.names, np.full(len(weights), np.nan))
        figures: dict[str, Array] = {}
        if RANKED & set(self.names):
            both = mean_of_defined(np.stack([ranking.auprc_auroc(weights) for ranking in self.rankings]))
            figures |= {"auprc": both[0], "auroc": both[1]}
        return {name: figures[name] if name in figures else getattr(self, f"_{name}")(weights) for name in self.names}

    def denominator(self, name: str) -> float | None:
        """How many samples a rate is a share of; None where that isn't one number."""
        if name == "accuracy":
            return float(len(self.labels))
        if self.kind == "binary" or name not in AVERAGED:
            return None
        # A mean over classes: one sample of the rarest moves it by a share of what it moves the class's own figure by.
        classes = self._averaged()
        return float(self.positive[:, classes].sum(axis=0).min() * len(classes))

    def per_class(self) -> dict[str, Array]:
        """AUPRC, AUROC, recall, precision and support (positives) of each class, `(classes,)`; nan if undefined."""
        ones = np.ones((1, len(self.labels)))
        hits, misses, alarms = (ones @ self._outcomes)[:, 0]
        auprc, auroc = np.hstack([self._ranking(c).auprc_auroc(ones) for c in range(self.classes)])
        return {
            "auprc": auprc,
            "auroc": auroc,
            "recall": ratio(hits, hits + misses),
            "precision": ratio(hits, hits + alarms),
            "support": hits + misses,
        }

    @staticmethod
    def checked(kind: str, labels: npt.ArrayLike, probabilities: npt.ArrayLike) -> tuple[Labels, Array]:
        """Labels and probabilities as arrays that fit each other and the kind; errors as of the class."""
        truth, scores = np.asarray(labels, np.int64), np.asarray(probabilities, np.float64)
        if truth.ndim != 1 or scores.ndim != 2 or len(truth) != len(scores):
            raise UsageError(f"labels {truth.shape} and probabilities {scores.shape} must be (n,) and (n, classes).")
        if scores.shape[1] < 2 or (kind == "binary" and scores.shape[1] != 2):
            raise UsageError(f"a {kind} task can't have {scores.shape[1]} columns of probabilities; give one a class.")
        check_values(truth, scores, 0, scores.shape[1] - 1)
        return truth, scores

    def confidence(self) -> tuple[Array, Marks, float]:
        """Of all decisions `(decisions,)` the probability, and whether they are right; the lowest one there can be."""
        return self.scores.max(axis=1), self.decided == self.labels, 1 / self.classes

    @cached_property
    def decided(self) -> Labels:
        """`(n,)` the most probable class of each sample."""
        return np.asarray(self.scores.argmax(axis=1), np.int64)

    def _averaged(self) -> list[int]:
        """The classes whose rankings are averaged: those that the labels hold."""
        if self.kind == "binary":
            return [1]
        return [c for c in range(self.classes) if self.positive[:, c].any()] or [0]

    def _ranking(self, column: int) -> Ranking:
        return Ranking.of(self.positive[:, column], self.scores[:, column], self.known[:, column])

    def _by_class(self) -> tuple[Marks, Marks, Marks]:
        """Per sample and class: whether the label is known, is positive, and is predicted positive."""
        columns = np.arange(self.classes)
        positive = self.labels[:, None] == columns
        return np.ones_like(positive), positive, self.decided[:, None] == columns

    # What is counted under each weighting, as floats made once: a resample is one row, drawn two thousand times.

    @cached_property
    def _outcomes(self) -> Array:
        """`(3, n, classes)`: hits, misses and false alarms."""
        pairs = (self.positive, self.guessed), (self.positive, ~self.guessed), (~self.positive, self.guessed)
        return np.stack([self.known & truth & guess for truth, guess in pairs]).astype(np.float64)

    @cached_property
    def _right(self) -> Array:
        """`(n,)`: whether the most probable class is the label."""
        return np.asarray(self.decided == self.labels, np.float64)

    @cached_property
    def _gaps(self) -> list[tuple[Array, Array]]:
        """Correctness less confidence in the bin of the confidence, `(n, bins)`, and who counts, `(n,)`."""
        return [binned(self.scores.max(axis=1), self._right, np.ones(len(self.scores), bool))]

    def _accuracy(self, weights: Array) -> Array:
        shares: Array = weights @ self._right / weights.sum(axis=1)
        return shares

    def _balanced_accuracy(self, weights: Array) -> Array:
        hits, misses, _ = weights @ self._outcomes
        return mean_of_defined(ratio(hits, hits + misses).T)

    def _f1(self, weights: Array) -> Array:
        hits, misses, alarms = weights @ self._outcomes
        scores: Array = np.where(hits + misses > 0, ratio(2 * hits, 2 * hits + misses + alarms), np.nan)
        return scores[:, 1] if self.kind == "binary" else mean_of_defined(scores.T)

    def _kappa(self, weights: Array) -> Array:
        """Cohen's kappa with quadratic weights: for classes that are an order (grades)."""
        total = weights.sum(axis=1)
        observed = weights @ (self.labels - self.decided) ** 2.0 / total
        truth, guess = weights @ self.positive.astype(np.float64), weights @ self.guessed.astype(np.float64)
        columns = np.arange(self.classes)
        expected = np.einsum("ri,ij,rj->r", truth, (columns[:, None] - columns) ** 2.0, guess) / total**2
        return 1 - ratio(observed, expected)

    def _ece(self, weights: Array) -> Array:
        """Expected calibration error: |confidence - accuracy| over `ECE_BINS` equal bins of confidence, weighted."""
        each = [ratio(np.abs(weights @ gaps).sum(axis=1), weights @ known) for gaps, known in self._gaps]
        return mean_of_defined(np.stack(each))


def binned(confidence: Array, right: Array, known: Marks) -> tuple[Array, Array]:
    """Of one class: correctness less confidence in the bin of the confidence, `(n, bins)`, and who counts, `(n,)`."""
    bins = np.clip((confidence * ECE_BINS).astype(np.int64), 0, ECE_BINS - 1)
    gaps = np.zeros((len(confidence), ECE_BINS))
    gaps[np.arange(len(bins)), bins] = np.where(known, right - confidence, 0)
    return gaps, known.astype(np.float64)


def ratio(top: Array, bottom: Array) -> Array:
    """Their quotient; nan where the divisor is 0."""
    quotient: Array = np.where(bottom > 0, top / np.where(bottom > 0, bottom, 1), np.nan)
    return quotient


def mean_of_defined(values: Array) -> Array:
    """The mean over the first axis of what isn't nan; nan where all is."""
    defined = ~np.isnan(values)
    return ratio(np.where(defined, values, 0).sum(axis=0), defined.sum(axis=0).astype(np.float64))


def check_values(labels: Labels, scores: Array, low: int, high: int) -> None:
    """Refuse labels outside `low..high`, and scores that are no probabilities, with a DataError."""
    if not np.isfinite(scores).all():
        bad = int((~np.isfinite(scores)).any(axis=1).sum())
        raise DataError(f"{bad} of {len(scores)} predictions are not finite; the model that gave them is broken.")
    if scores.size and not (scores.min() >= -ROUNDING and scores.max() <= 1 + ROUNDING):
        raise DataError(f"predictions go from {scores.min():g} to {scores.max():g}; give probabilities, not logits.")
    if labels.size and (labels.min() < low or labels.max() > high):
        raise DataError(f"labels go from {labels.min()} to {labels.max()}; they must be in {low}..{high}.")
