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
from ttl.stats.scoring import THRESHOLD, Marks, Scorer, binned, check_values, mean_of_defined, ratio


class LabelScorer(Scorer):
    """See `Scorer`: of several labels a sample."""

    @staticmethod
    def checked(kind: str, labels: npt.ArrayLike, probabilities: npt.ArrayLike) -> tuple[Labels, Array]:
        """See `Scorer`."""
        truth, scores = np.asarray(labels, np.int64), np.asarray(probabilities, np.float64)
        if scores.ndim != 2 or truth.shape != scores.shape or not scores.shape[1]:
            raise UsageError(f"labels {truth.shape} and probabilities {scores.shape} must both be (n, classes).")
        check_values(truth, scores, -1, 1)
        return truth, scores

    def confidence(self) -> tuple[Array, Marks, float]:
        """See `Scorer`: the decisions are those on all known labels of all samples."""
        return self._sure[self.known], (self.guessed == self.positive)[self.known], THRESHOLD

    def _averaged(self) -> list[int]:
        return list(range(self.classes))

    def _by_class(self) -> tuple[Marks, Marks, Marks]:
        return self.labels >= 0, self.labels == 1, self.scores >= THRESHOLD

    @cached_property
    def _sure(self) -> Array:
        """`(n, classes)`: the probability of what is decided."""
        return np.maximum(self.scores, 1 - self.scores)

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
        return [binned(self._sure[:, c], self._right[:, c], self.known[:, c]) for c in range(self.classes)]

    def _accuracy(self, weights: Array) -> Array:
        return mean_of_defined(ratio(weights @ self._right, weights @ self._known).T)

    def _balanced_accuracy(self, weights: Array) -> Array:
        hits, misses, alarms = weights @ self._outcomes
        negatives = weights @ self._known - hits - misses
        recalls = (ratio(hits, hits + misses) + ratio(negatives - alarms, negatives)) / 2
        return mean_of_defined(recalls.T)

    def _kappa(self, weights: Array) -> Array:
        return np.full(len(weights), np.nan)
