"""Every metric of one set of predictions under integer weights of its samples: what a bootstrap calls."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ttl.errors import UsageError
from ttl.stats.defined import Array, divide, mean
from ttl.stats.predictions import Predictions, check_probabilities
from ttl.stats.ranking import Ranking

METRICS = ("auprc", "auroc", "accuracy")
"""What a report shows."""
ALL_METRICS = (*METRICS, "balanced_accuracy", "f1", "kappa", "ece")
LOWER_IS_BETTER = ("ece",)
ECE_BINS = 15

Part = Callable[[Array], dict[str, Array]]
"""Weights `(resamples, n)` -> metric name -> `(resamples,)`."""


class Scorer:
    """Metrics of `predictions`; sorting and counting that resamples share are done once, here.

    Raises:
        UsageError: A name is not in `ALL_METRICS`.
        DataError: "ece" is asked for, and the probabilities don't lie in [0, 1].
    """

    def __init__(self, predictions: Predictions, names: Sequence[str]) -> None:
        check_names(names)
        self.names = tuple(names)
        self.parts = [build(predictions) for build in dict.fromkeys(PARTS[name] for name in names)]

    def __call__(self, weights: Array) -> dict[str, Array]:
        """Metric name -> `(resamples,)`, for `weights` `(resamples, n)`: how often each sample was drawn."""
        figures: dict[str, Array] = {}
        for part in self.parts:
            figures |= part(weights)
        return {name: figures[name] for name in self.names}


def check_names(names: Sequence[str]) -> None:
    """Refuse metrics that don't exist.

    Raises:
        UsageError: A name is not in `ALL_METRICS`.
    """
    for name in names:
        if name not in ALL_METRICS:
            raise UsageError(f"metric {name!r} is unknown; choose one of {', '.join(ALL_METRICS)}.")


@dataclass(frozen=True, eq=False)
class Counts:
    """Drawn samples of each class, `(resamples, classes)` each; samples whose label is missing don't count.

    Attributes:
        known: whose label is known.
        support: that are of the class.
        predicted: that are said to be of it.
        hits: that are both.
    """

    known: Array
    support: Array
    predicted: Array
    hits: Array

    @property
    def recall(self) -> Array:
        """Share of the class that was found; nan where none of it was drawn."""
        return divide(self.hits, self.support)

    @property
    def precision(self) -> Array:
        """Share of what was said to be of the class that is; nan where nothing was."""
        return divide(self.hits, self.predicted)

    @property
    def specificity(self) -> Array:
        """Share of the rest that was said to be of the rest; nan where all was of the class."""
        rest = self.known - self.support
        return divide(rest - (self.predicted - self.hits), rest)

    @property
    def f1(self) -> Array:
        """Harmonic mean of precision and recall; nan where none of the class was drawn."""
        both = np.where(self.support > 0, self.support + self.predicted, 0)
        return divide(2 * self.hits, both)


def counter(predictions: Predictions) -> Callable[[Array], Counts]:
    """Weights `(resamples, n)` -> how often each class was drawn, predicted and hit."""
    p = predictions
    said = p.predicted & p.known
    one_hot = np.concatenate([p.known, p.actual, said, p.actual & said], axis=1).astype(np.float64)
    return lambda weights: Counts(*np.split(weights @ one_hot, 4, axis=1))


def rankings(predictions: Predictions) -> Part:
    """AUPRC and AUROC: of class 1 if binary, else the mean over the classes that have both sides."""
    p = predictions
    classes = [1] if p.kind == "binary" else np.flatnonzero(p.actual.any(axis=0)).tolist()
    ranked = [Ranking.of(p.actual[:, c], p.scores[:, c], p.known[:, c]) for c in classes]

    def score(weights: Array) -> dict[str, Array]:
        each = np.array([ranking.auprc_auroc(weights) for ranking in ranked]).reshape(-1, 2, len(weights))
        auprc, auroc = mean(each, axis=0)
        return {"auprc": auprc, "auroc": auroc}

    return score


def decisions(predictions: Predictions) -> Part:
    """Accuracy: the share of right decisions, the mean over the classes if multilabel."""
    right, decided = predictions.right.astype(np.float64), predictions.decided.astype(np.float64)
    return lambda weights: {"accuracy": mean(divide(weights @ right, weights @ decided))}


def confusion(predictions: Predictions) -> Part:
    """Balanced accuracy, F1 and kappa."""
    count, agreement = counter(predictions), _kappa(predictions)

    def score(weights: Array) -> dict[str, Array]:
        counts = count(weights)
        f1 = counts.f1[:, 1] if predictions.kind == "binary" else mean(counts.f1)
        recalls = counts.recall
        if predictions.kind == "multilabel":
            recalls = mean(np.stack([counts.recall, counts.specificity], axis=-1))
        return {"balanced_accuracy": mean(recalls), "f1": f1, "kappa": agreement(weights, counts)}

    return score


def _kappa(predictions: Predictions) -> Callable[[Array, Counts], Array]:
    """Cohen's kappa, disagreement weighted by the squared distance of the classes; nan if multilabel."""
    if predictions.kind == "multilabel":
        return lambda weights, counts: np.full(len(weights), np.nan)
    ranks = np.arange(predictions.classes, dtype=np.float64)
    squares = (predictions.labels - predictions.predicted @ ranks) ** 2

    def kappa(weights: Array, counts: Counts) -> Array:
        total = weights.sum(axis=1)
        # The sum over i, j of support_i predicted_j (i - j)^2, multiplied out.
        by_chance = total * ((counts.support + counts.predicted) @ ranks**2)
        by_chance -= 2 * (counts.support @ ranks) * (counts.predicted @ ranks)
        return 1 - divide(total * (weights @ squares), by_chance)

    return kappa


def calibration(predictions: Predictions) -> Part:
    """Expected calibration error (Guo et al. 2017, eq. 3), the mean over the classes if multilabel.

    Bin m of M holds the confidences in ((m - 1) / M, m / M]; the gap of a bin is weighted by its share.
    """
    p = predictions
    check_probabilities(p.scores)
    edges = np.linspace(0, 1, ECE_BINS + 1)[1:-1]
    bins = np.searchsorted(edges, p.confidence)[..., None] == np.arange(ECE_BINS)
    gaps = np.where(p.decided, p.right - p.confidence, 0)[..., None] * bins
    decided = p.decided.astype(np.float64)

    def score(weights: Array) -> dict[str, Array]:
        each = [np.abs(weights @ gaps[:, d]).sum(axis=1) for d in range(gaps.shape[1])]
        return {"ece": mean(divide(np.stack(each, axis=1), weights @ decided))}

    return score


PARTS: dict[str, Callable[[Predictions], Part]] = {
    "auprc": rankings,
    "auroc": rankings,
    "accuracy": decisions,
    "balanced_accuracy": confusion,
    "f1": confusion,
    "kappa": confusion,
    "ece": calibration,
}
