"""Metrics of a classifier as fractions in `[0, 1]`, with bootstrap intervals, and ratios of latencies.

Undefined figures (a metric of a set that holds one class) are nan, and null in JSON. Probabilities are
`(n, classes)`; labels `(n,)` integers in `[0, classes)`. The positive class of two is 1; with more, AUROC
and AUPRC are macro averages of one class against the rest, over the classes that the labels hold.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ttl.errors import DataError, UsageError

Array = npt.NDArray[np.float64]
METRICS = ("auprc", "auroc", "accuracy")
KINDS = ("binary", "multiclass")
CHUNK_ELEMENTS = 16_000
"""Weights drawn at once: from 128 kB on, Linux hands every array out as new, unmapped pages, which costs a third."""


@dataclass(frozen=True)
class Estimate:
    """A value and its confidence interval; nan where undefined."""

    value: float
    ci_low: float
    ci_high: float

    def to_json(self) -> dict[str, float | None]:
        """The three figures, nan as None (JSON has no nan)."""
        figures = {"value": self.value, "ci_low": self.ci_low, "ci_high": self.ci_high}
        return {name: None if math.isnan(figure) else figure for name, figure in figures.items()}


def metrics(kind: str, labels: npt.ArrayLike, probabilities: npt.ArrayLike) -> dict[str, float]:
    """AUPRC (average precision), AUROC and accuracy of one set of predictions, as scikit-learn defines them.

    Args:
        kind: "binary" or "multiclass".
        labels: `(n,)` integers.
        probabilities: `(n, classes)`.

    Raises:
        UsageError: The kind is neither, or the shapes don't fit.
        DataError: A probability is not finite, or a label is outside the classes.
    """
    scorer = _Scorer(kind, labels, probabilities)
    return {name: float(values[0]) for name, values in scorer(np.ones((1, len(scorer.labels)))).items()}


def auprc(kind: str, labels: npt.ArrayLike, probabilities: npt.ArrayLike) -> float:
    """Average precision: the mean, over positives, of the precision at their score. See `metrics`."""
    return metrics(kind, labels, probabilities)["auprc"]


def auroc(kind: str, labels: npt.ArrayLike, probabilities: npt.ArrayLike) -> float:
    """The chance that a positive scores above a negative, a tie counting half. See `metrics`."""
    return metrics(kind, labels, probabilities)["auroc"]


def accuracy(kind: str, labels: npt.ArrayLike, probabilities: npt.ArrayLike) -> float:
    """The share of samples whose most probable class is their label. See `metrics`."""
    return metrics(kind, labels, probabilities)["accuracy"]


def intervals(
    kind: str,
    labels: npt.ArrayLike,
    probabilities: npt.ArrayLike,
    *,
    resamples: int = 2000,
    seed: int = 0,
    confidence: float = 0.95,
) -> dict[str, Estimate]:
    """Every metric with its percentile bootstrap interval, samples redrawn within their class.

    Args:
        kind: "binary" or "multiclass".
        labels: `(n,)` integers.
        probabilities: `(n, classes)`.
        resamples: Bootstrap resamples.
        seed: Of the resampling; the same labels and seed give the same resamples.
        confidence: Of the interval, in (0, 1).

    Raises:
        UsageError: The kind, a shape, `resamples` or `confidence` makes no sense.
        DataError: A probability is not finite, or a label is outside the classes.
    """
    _check_bootstrap(resamples, confidence)
    scorer = _Scorer(kind, labels, probabilities)
    values = metrics(kind, labels, probabilities)
    drawn = [scorer(weights) for weights in _resample_weights(scorer.labels, resamples, seed)]
    return {
        name: _estimate(value, np.concatenate([chunk[name] for chunk in drawn]), confidence)
        for name, value in values.items()
    }


def paired_difference(
    metric: str,
    kind: str,
    labels: npt.ArrayLike,
    a: npt.ArrayLike,
    b: npt.ArrayLike,
    *,
    resamples: int = 2000,
    seed: int = 0,
    confidence: float = 0.95,
) -> Estimate:
    """A metric of `a` minus that of `b`, two models on the same samples, both scored on each resample.

    Args:
        metric: One of `METRICS`.
        kind: "binary" or "multiclass".
        labels: `(n,)` integers.
        a: `(n, classes)` probabilities.
        b: `(n, classes)` probabilities.
        resamples: Bootstrap resamples.
        seed: Of the resampling.
        confidence: Of the interval, in (0, 1).

    Raises:
        UsageError: The metric, the kind, a shape, `resamples` or `confidence` makes no sense.
        DataError: A probability is not finite, or a label is outside the classes.
    """
    if metric not in METRICS:
        raise UsageError(f"metric {metric!r} is unknown; choose one of {', '.join(METRICS)}.")
    _check_bootstrap(resamples, confidence)
    first, second = _Scorer(kind, labels, a), _Scorer(kind, labels, b)

    def difference(weights: Array) -> Array:
        return first(weights)[metric] - second(weights)[metric]

    value = float(difference(np.ones((1, len(first.labels))))[0])
    drawn = [difference(weights) for weights in _resample_weights(first.labels, resamples, seed)]
    return _estimate(value, np.concatenate(drawn), confidence)


@dataclass(frozen=True)
class NonInferiority:
    """Whether `a` is shown to be worse than `b` by less than a margin.

    Attributes:
        metric: what both were scored by.
        difference: the metric of `a` minus that of `b`, with its interval.
        margin: the largest loss that doesn't matter.
    """

    metric: str
    difference: Estimate
    margin: float

    @property
    def shown(self) -> bool:
        """The whole interval lies above minus the margin; False where the difference is undefined."""
        return self.difference.ci_low > -self.margin

    def to_json(self) -> dict[str, object]:
        """All of it as JSON values."""
        difference = self.difference.to_json()
        return {"metric": self.metric, "difference": difference, "margin": self.margin, "shown": self.shown}


def non_inferior(
    metric: str,
    kind: str,
    labels: npt.ArrayLike,
    a: npt.ArrayLike,
    b: npt.ArrayLike,
    *,
    margin: float = 0.01,
    resamples: int = 2000,
    seed: int = 0,
    confidence: float = 0.95,
) -> NonInferiority:
    """Test whether `a` is worse than `b` by less than `margin`, on the same samples. See `paired_difference`.

    A two-sided 95 % interval makes it a one-sided test at 2.5 %.

    Args:
        metric: One of `METRICS`.
        kind: "binary" or "multiclass".
        labels: `(n,)` integers.
        a: `(n, classes)` probabilities.
        b: `(n, classes)` probabilities of the reference.
        margin: Positive, in the metric's own unit (0.01 of AUPRC).
        resamples: Bootstrap resamples.
        seed: Of the resampling.
        confidence: Of the interval, in (0, 1).

    Raises:
        UsageError: The margin isn't positive, or what `paired_difference` raises.
        DataError: A probability is not finite, or a label is outside the classes.
    """
    if not margin > 0:
        raise UsageError(f"margin must be above 0, not {margin}.")
    difference = paired_difference(metric, kind, labels, a, b, resamples=resamples, seed=seed, confidence=confidence)
    return NonInferiority(metric, difference, margin)


def ratio_interval(
    a: npt.ArrayLike, b: npt.ArrayLike, *, resamples: int = 2000, seed: int = 0, confidence: float = 0.95
) -> Estimate:
    """The median of `a` over that of `b`, with a bootstrap interval that redraws whole rounds.

    Two models timed in turns share what slows the machine in a round: both medians are of the same rounds.

    Args:
        a: `(rounds,)` positive times.
        b: `(rounds,)` positive times; `a[i]` and `b[i]` are of one round.
        resamples: Bootstrap resamples.
        seed: Of the resampling.
        confidence: Of the interval, in (0, 1).

    Raises:
        UsageError: The lengths differ, a time is not positive, or `resamples` or `confidence` makes no sense.
    """
    _check_bootstrap(resamples, confidence)
    times = np.stack([np.asarray(times, np.float64) for times in _same_shape(a, b)])
    if not np.all(times > 0):
        raise UsageError(f"times must be positive, and the smallest is {times.min()}; drop the failed rounds.")
    rounds = times.shape[1]
    if rounds == 0:
        return Estimate(math.nan, math.nan, math.nan)
    rng = np.random.default_rng(seed)

    def ratio(picked: Array) -> Array:
        top, bottom = np.median(picked, axis=-1)
        return np.asarray(top / bottom)

    drawn = [ratio(times[:, rng.integers(rounds, size=(n, rounds))]) for n in _chunks(resamples, rounds)]
    return _estimate(float(ratio(times)), np.concatenate(drawn), confidence)


class _Scorer:
    """Every metric of one set of predictions under integer weights of its samples; scores are sorted once."""

    def __init__(self, kind: str, labels: npt.ArrayLike, probabilities: npt.ArrayLike) -> None:
        self.labels, scores = _checked(kind, labels, probabilities)
        self.correct = (scores.argmax(axis=1) == self.labels).astype(np.float64)
        present = [1] if kind == "binary" else np.unique(self.labels).tolist()
        self.rankings = [_Ranking.of(self.labels == c, scores[:, c]) for c in present]

    def __call__(self, weights: Array) -> dict[str, Array]:
        """Metric name -> `(resamples,)`, for `weights` `(resamples, n)`: how often each sample was drawn."""
        undefined = np.full(len(weights), np.nan)
        if not len(self.labels):
            return dict.fromkeys(METRICS, undefined)
        both = np.mean([ranking.auprc_auroc(weights) for ranking in self.rankings], axis=0)
        return {"auprc": both[0], "auroc": both[1], "accuracy": weights @ self.correct / weights.sum(axis=1)}


@dataclass(frozen=True)
class _Ranking:
    """One class against the rest, from the highest score to the lowest.

    Attributes:
        order: `(n,)` sample positions by falling score.
        positive: `(n,)` 1 for the class and 0 for the rest, in that order.
        ends: `(groups,)` the last position of every run of equal scores.
    """

    order: npt.NDArray[np.intp]
    positive: Array
    ends: npt.NDArray[np.intp]

    @classmethod
    def of(cls, positive: npt.NDArray[np.bool_], scores: Array) -> _Ranking:
        order = np.argsort(-scores, kind="stable")
        falling = scores[order]
        last = np.append(falling[1:] != falling[:-1], True)[: len(order)]
        return cls(order, positive[order].astype(np.float64), np.flatnonzero(last))

    def auprc_auroc(self, weights: Array) -> Array:
        """`(2, resamples)` for `weights` `(resamples, n)`; nan without positives or without negatives."""
        if self.positive.all() or not self.positive.any():
            return np.full((2, len(weights)), np.nan)
        drawn = np.take(weights, self.order, axis=1)
        taken = np.cumsum(drawn, axis=1)
        hits = drawn * self.positive
        found = np.cumsum(hits, axis=1)
        tied = len(self.ends) < len(self.order)
        if tied:
            taken, found = taken[:, self.ends], found[:, self.ends]
            hits = np.diff(found, axis=1, prepend=0)
        # Groups that a resample drew nothing of come with hits of 0: their precision is never used.
        precision = found / np.maximum(taken, 1)
        positives = found[:, -1]
        passed = taken - found
        # A positive loses to the negatives above its group and half-loses to those in it.
        lost = np.einsum("rg,rg->r", hits, passed)
        if tied:
            lost -= np.einsum("rg,rg->r", hits, np.diff(passed, axis=1, prepend=0)) / 2
        average = np.einsum("rg,rg->r", hits, precision) / positives
        return np.stack([average, 1 - lost / (positives * passed[:, -1])])


def _resample_weights(labels: npt.NDArray[np.int64], resamples: int, seed: int) -> Iterator[Array]:
    """Yield `(some resamples, n)`: how often each sample is drawn; classes keep their sizes."""
    rng = np.random.default_rng(seed)
    members = [np.flatnonzero(labels == c) for c in np.unique(labels)]
    for n in _chunks(resamples, len(labels)):
        weights = np.empty((n, len(labels)))
        for member in members:
            draws = rng.integers(len(member), size=(n, len(member)))
            draws += np.arange(n)[:, None] * len(member)
            weights[:, member] = np.bincount(draws.ravel(), minlength=draws.size).reshape(draws.shape)
        yield weights


def _chunks(resamples: int, n: int) -> Iterator[int]:
    """Split `resamples` so that a part times `n` stays small."""
    size = max(1, CHUNK_ELEMENTS // max(1, n))
    for start in range(0, resamples, size):
        yield min(size, resamples - start)


def _estimate(value: float, drawn: Array, confidence: float) -> Estimate:
    if math.isnan(value):
        return Estimate(value, math.nan, math.nan)
    low, high = np.quantile(drawn, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Estimate(value, float(low), float(high))


def _checked(kind: str, labels: npt.ArrayLike, probabilities: npt.ArrayLike) -> tuple[npt.NDArray[np.int64], Array]:
    """Return labels `(n,)` and probabilities `(n, classes)` as arrays that fit each other and the kind."""
    found, scores = np.asarray(labels, np.int64), np.asarray(probabilities, np.float64)
    if kind not in KINDS:
        raise UsageError(f"there are no metrics for kind {kind!r}; choose one of {', '.join(KINDS)}.")
    if found.ndim != 1 or scores.ndim != 2 or len(found) != len(scores):
        raise UsageError(f"labels {found.shape} and probabilities {scores.shape} must be (n,) and (n, classes).")
    if scores.shape[1] < 2 or (kind == "binary" and scores.shape[1] != 2):
        raise UsageError(f"a {kind} task can't have {scores.shape[1]} columns of probabilities; give one a class.")
    if not np.isfinite(scores).all():
        bad = int((~np.isfinite(scores)).any(axis=1).sum())
        raise DataError(f"{bad} of {len(scores)} predictions are not finite; the model that gave them is broken.")
    if len(found) and (found.min() < 0 or found.max() >= scores.shape[1]):
        raise DataError(f"labels go from {found.min()} to {found.max()}; they must be in 0..{scores.shape[1] - 1}.")
    return found, scores


def _same_shape(a: npt.ArrayLike, b: npt.ArrayLike) -> tuple[npt.ArrayLike, npt.ArrayLike]:
    shapes = np.shape(a), np.shape(b)
    if shapes[0] != shapes[1] or len(shapes[0]) != 1:
        raise UsageError(f"times of shapes {shapes[0]} and {shapes[1]} can't be paired; give one a round of each.")
    return a, b


def _check_bootstrap(resamples: int, confidence: float) -> None:
    if resamples < 1:
        raise UsageError(f"resamples must be at least 1, not {resamples}.")
    if not 0 < confidence < 1:
        raise UsageError(f"confidence must lie between 0 and 1, not {confidence}.")
