"""Metrics of decisions on one finding, present or absent, of many weightings of the samples at once.

Fractions in `[0, 1]`; undefined ones (the sensitivity where nothing is positive) are nan.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from ttl.errors import DataError, UsageError
from ttl.stats.resampling import Array, Labels
from ttl.stats.scoring import ratio

DECISION_METRICS = ("balanced_accuracy", "sensitivity", "specificity", "ppv", "npv")


class DecisionScorer:
    """Metrics of one set of decisions under weights of its samples.

    Labels are `(n,)`, predictions `(n,)` decisions: 1 where the finding is there, 0 where it isn't. To add a metric:
    its name in `DECISION_METRICS` and a row in `__call__`.

    Raises:
        UsageError: shapes that don't fit.
        DataError: a label or a decision that is neither 0 nor 1.
    """

    every: ClassVar[tuple[str, ...]] = DECISION_METRICS
    headline: ClassVar[tuple[str, ...]] = DECISION_METRICS[:3]

    def __init__(self, kind: str, labels: npt.ArrayLike, predicted: npt.ArrayLike, names: Sequence[str]) -> None:
        self.names = tuple(names)
        truth, decided = np.asarray(labels), np.asarray(predicted)
        if truth.ndim != 1 or truth.shape != decided.shape:
            raise UsageError(f"labels {truth.shape} and decisions {decided.shape} must both be (n,).")
        if not (np.isin(truth, (0, 1)).all() and np.isin(decided, (0, 1)).all()):
            raise DataError("labels and decisions must be 0 or 1.")
        self.labels: Labels = truth.astype(np.int64)
        positive, found = self.labels == 1, decided == 1
        pairs = (positive & found, positive & ~found, ~positive & found, ~positive & ~found)
        self.outcomes: Array = np.stack(pairs, axis=1).astype(np.float64)

    def __call__(self, weights: Array) -> dict[str, Array]:
        """Metric name -> `(resamples,)`, for `weights` `(resamples, n)`: how often each sample counts."""
        hits, misses, alarms, rejections = (weights @ self.outcomes).T
        sensitivity, specificity = ratio(hits, hits + misses), ratio(rejections, rejections + alarms)
        figures = {
            "balanced_accuracy": (sensitivity + specificity) / 2,
            "sensitivity": sensitivity,
            "specificity": specificity,
            "ppv": ratio(hits, hits + alarms),
            "npv": ratio(rejections, rejections + misses),
        }
        return {name: figures[name] for name in self.names}

    def per_class(self) -> dict[str, Array]:
        """Every metric and support (positives), `(1,)`: there is one finding."""
        figures = type(self)("", self.labels, self.outcomes[:, [0, 2]].sum(axis=1), DECISION_METRICS)
        return figures(np.ones((1, len(self.labels)))) | {"support": np.array([float(self.labels.sum())])}
