"""One class against the rest, ranked by score: AUPRC and AUROC under integer weights."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ttl.stats.resampling import Array


@dataclass(frozen=True)
class Ranking:
    """One class against the rest, from the highest score to the lowest.

    Attributes:
        order: `(known,)` positions of the samples whose label is known, by falling score.
        positive: `(known,)` 1 for the class and 0 for the rest, in that order.
        ends: `(groups,)` the last position of every run of equal scores.
    """

    order: npt.NDArray[np.intp]
    positive: Array
    ends: npt.NDArray[np.intp]

    @classmethod
    def of(cls, positive: npt.NDArray[np.bool_], scores: Array, known: npt.NDArray[np.bool_] | None = None) -> Ranking:
        """Rank the samples once; `known` leaves some out.

        Args:
            positive: `(n,)`.
            scores: `(n,)`.
            known: `(n,)`; None keeps all.
        """
        order = np.argsort(-scores, kind="stable")
        if known is not None:
            order = order[known[order]]
        falling = scores[order]
        last = np.append(falling[1:] != falling[:-1], True)[: len(order)]
        return cls(order, positive[order].astype(np.float64), np.flatnonzero(last))

    def auprc_auroc(self, weights: Array) -> Array:
        """AUPRC and AUROC of every resample.

        Args:
            weights: `(resamples, n)`: how often each sample was drawn.

        Returns:
            `(2, resamples)`; nan without positives or without negatives.
        """
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
        negatives = passed[:, -1]
        defined = (positives > 0) & (negatives > 0)
        average = np.einsum("rg,rg->r", hits, precision) / np.where(defined, positives, 1)
        above = 1 - lost / np.where(defined, positives * negatives, 1)
        return np.where(defined, np.stack([average, above]), np.nan)
