"""Metrics of decisions on findings, present or absent, of many weightings of the samples at once.

Fractions in `[0, 1]`; undefined ones (the sensitivity where nothing is positive) are nan. Of several labels a sample
each metric is the mean over the labels for which it is defined.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from ttl.errors import DataError, UsageError
from ttl.stats.resampling import Array, Labels
from ttl.stats.scoring import mean_of_defined, ratio

DECISION_METRICS = ("balanced_accuracy", "sensitivity", "specificity", "ppv", "npv")


@dataclass(frozen=True)
class Outcomes:
    """Decisions on one finding, or label, by whether they are right: images, or patients."""

    true_positives: int
    false_negatives: int
    false_positives: int
    true_negatives: int

    @property
    def prevalence(self) -> float:
        """The share of positives; nan of none."""
        positives = self.true_positives + self.false_negatives
        total = positives + self.false_positives + self.true_negatives
        return positives / total if total else float("nan")


class DecisionScorer:
    """Metrics of one set of decisions under weights of its samples.

    Labels are `(n,)`, predictions `(n,)` decisions: 1 where the finding is there, 0 where it isn't; or both
    `(n, labels)`, where a label may be unknown (-1) and is left out. To add a metric: its name in `DECISION_METRICS`
    and a row in `_by_label`.

    `prevalence` makes PPV and NPV those of a population with so many positives (Bayes) instead of these samples'.

    Raises:
        UsageError: shapes that don't fit, or a prevalence outside (0, 1).
        DataError: a label or a decision that is neither 0 nor 1.
    """

    every: ClassVar[tuple[str, ...]] = DECISION_METRICS
    headline: ClassVar[tuple[str, ...]] = DECISION_METRICS[:3]

    def __init__(
        self,
        kind: str,
        labels: npt.ArrayLike,
        predicted: npt.ArrayLike,
        names: Sequence[str],
        prevalence: float | None = None,
    ) -> None:
        self.names, self.prevalence = tuple(names), prevalence
        truth, decided = np.asarray(labels), np.asarray(predicted)
        if truth.ndim not in (1, 2) or truth.shape != decided.shape:
            raise UsageError(f"labels {truth.shape} and decisions {decided.shape} must both be (n,) or (n, labels).")
        unknown = (-1,) if truth.ndim == 2 else ()
        if not (np.isin(truth, (0, 1, *unknown)).all() and np.isin(decided, (0, 1)).all()):
            raise DataError(f"labels and decisions must be 0 or 1{', unknown labels -1' if unknown else ''}.")
        if prevalence is not None and not 0 < prevalence < 1:
            raise UsageError(f"prevalence must lie between 0 and 1, not {prevalence}.")
        self.labels: Labels = truth.astype(np.int64)
        of_label = self.labels.reshape(len(truth), -1)
        positive, negative, found = of_label == 1, of_label == 0, decided.reshape(len(truth), -1) == 1
        pairs = (positive & found, positive & ~found, negative & found, negative & ~found)
        self.outcomes: Array = np.stack(pairs).astype(np.float64)  # `(4, n, labels)`

    def __call__(self, weights: Array) -> dict[str, Array]:
        """Metric name -> `(resamples,)`, for `weights` `(resamples, n)`: how often each sample counts."""
        return {name: mean_of_defined(values.T) for name, values in self._by_label(weights, self.names).items()}

    def denominator(self, name: str) -> float | None:
        """How many samples a rate is a share of, of the label with the fewest; None where it is of two such shares."""
        hits, misses, alarms, rejections = self.outcomes.sum(axis=1)
        of = {"sensitivity": hits + misses, "specificity": alarms + rejections}
        if self.prevalence is None:
            of |= {"ppv": hits + alarms, "npv": misses + rejections}
        return float(of[name].min()) if name in of else None

    def per_class(self) -> dict[str, Array]:
        """Every metric and support (positives) of each label, `(labels,)`; one where there is one finding."""
        ones = np.ones((1, len(self.labels)))
        figures = {name: values[0] for name, values in self._by_label(ones, DECISION_METRICS).items()}
        return figures | {"support": self.outcomes[:2].sum(axis=(0, 1))}

    def counts(self) -> tuple[Outcomes, ...]:
        """The decisions counted by whether they are right, of each label; one where there is one finding."""
        return tuple(Outcomes(*each) for each in self.outcomes.sum(axis=1).astype(np.int64).T.tolist())

    def _by_label(self, weights: Array, names: Sequence[str]) -> dict[str, Array]:
        """Metric name -> `(resamples, labels)`."""
        hits, misses, alarms, rejections = weights @ self.outcomes
        sensitivity, specificity = ratio(hits, hits + misses), ratio(rejections, rejections + alarms)
        if self.prevalence is not None:
            hits, misses = self.prevalence * sensitivity, self.prevalence * (1 - sensitivity)
            alarms, rejections = (1 - self.prevalence) * (1 - specificity), (1 - self.prevalence) * specificity
        figures = {
            "balanced_accuracy": (sensitivity + specificity) / 2,
            "sensitivity": sensitivity,
            "specificity": specificity,
            "ppv": ratio(hits, hits + alarms),
            "npv": ratio(rejections, rejections + misses),
        }
        return {name: figures[name] for name in names}
