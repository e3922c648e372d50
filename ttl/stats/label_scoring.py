"""Metrics where a sample may have several labels: each class by itself, then the mean over the classes.

Labels are `(n, classes)` of 0, 1 and -1, which is unknown and left out; a probability from 0.5 on is positive. The mean
is over the classes for which a figure is defined.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
import numpy.typing as npt

from ttl.errors import UsageError
from ttl.stats.resampling import Array, Labels
from ttl.stats.scoring import Marks, Scorer, binned, check_values, counted, mean_of_defined, ratio

POSITIVE_FROM = 0.5


class LabelScorer(Scorer):
    """See `Scorer`: of several labels a sample."""

    @staticmethod
    def checked(kind: str, labels: npt.ArrayLike, probabilities: npt.ArrayLike) -> tuple[Labels, Array]:
        """Labels and probabilities as arrays that fit each other; errors as of the class."""
        found, scores = np.asarray(labels, np.int64), np.asarray(probabilities, np.float64)
        if scores.ndim != 2 or found.shape != scores.shape or not scores.shape[1]:
            raise UsageError(f"labels {found.shape} and probabilities {scores.shape} must both be (n, classes).")
        check_values(found, scores, -1, 1)
        return found, scores

    def confidence(self) -> tuple[Array, Marks, float]:
        """See `Scorer`: the decisions are those on all known labels of all samples."""
        sure = np.maximum(self.scores, 1 - self.scores)
        return sure[self.known], (self.guessed == self.positive)[self.known], POSITIVE_FROM

    def confusion(self) -> Labels:
        """`(classes, 2, 2)`: of each class, known labels by truth (rows) and decision (columns), absent first."""
        decided = self.guessed.astype(np.int64)
        return np.stack([counted(self.labels[k, c], decided[k, c], 2) for c, k in enumerate(self.known.T)])

    def _wanted(self) -> list[int]:
        return list(range(self.classes))

    def _known_if_some_are_not(self, column: int) -> Marks | None:
        known: Marks = self.known[:, column]
        return known

    def _by_class(self) -> tuple[Marks, Marks, Marks]:
        return self.labels >= 0, self.labels == 1, self.scores >= POSITIVE_FROM

    @cached_property
    def _right(self) -> Array:
        """`(n, classes)`: whether a known label is decided rightly."""
        return np.asarray(self.known & (self.positive == self.guessed), np.float64)

    @cached_property
    def _known(self) -> Array:
        return self.known.astype(np.float64)

    @cached_property
    def _gaps(self) -> list[tuple[Array, Array]]:
        """See `Scorer`: for each class by itself, so that two errors don't cancel."""
        sure = np.maximum(self.scores, 1 - self.scores)
        return [binned(sure[:, c], self._right[:, c], self.known[:, c]) for c in range(self.classes)]

    def _accuracy(self, weights: Array) -> Array:
        return mean_of_defined(ratio(weights @ self._right, weights @ self._known).T)

    def _balanced_accuracy(self, weights: Array) -> Array:
        hits, misses, alarms = (weights @ marks for marks in self._outcomes)
        negatives = weights @ self._known - hits - misses
        recalls = (ratio(hits, hits + misses) + ratio(negatives - alarms, negatives)) / 2
        return mean_of_defined(recalls.T)

    def _kappa(self, weights: Array) -> Array:
        return np.full(len(weights), np.nan)
