"""AUROC and AUPRC of one class against the rest, for many weightings of the same samples at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ttl.stats.defined import Array, divide

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Ranking:
    """One class against the rest, from the highest score to the lowest; sorted once.

    Attributes:
        order: `(m,)` positions of the samples whose label is known, by falling score.
        positive: `(m,)` 1 for the class and 0 for the rest, in that order.
        ends: `(ties,)` the last position of every run of equal scores.
    """

    order: npt.NDArray[np.intp]
    positive: Array
    ends: npt.NDArray[np.intp]

    @classmethod
    def of(cls, positive: Flags, scores: Array, known: Flags) -> Ranking:
        """Sort the samples that `known` marks; every argument is `(n,)`."""
        samples = np.flatnonzero(known)
        order = samples[np.argsort(-scores[samples], kind="stable")]
        falling = scores[order]
        last = np.append(falling[1:] != falling[:-1], True)[: len(order)]
        return cls(order, positive[order].astype(np.float64), np.flatnonzero(last))

    def auprc_auroc(self, weights: Array) -> Array:
        """`(2, resamples)` for `weights` `(resamples, n)`; nan where no positives or no negatives were drawn."""
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
        # Runs that a resample drew nothing of come with hits of 0: their precision is never used.
        precision = found / np.maximum(taken, 1)
        passed = taken - found
        # A positive loses to the negatives above its run of ties and half-loses to those in it.
        lost = np.einsum("rg,rg->r", hits, passed)
        if tied:
            lost -= np.einsum("rg,rg->r", hits, np.diff(passed, axis=1, prepend=0)) / 2
        positives, negatives = found[:, -1], passed[:, -1]
        gained = np.einsum("rg,rg->r", hits, precision)
        auprc = divide(gained, np.where(negatives > 0, positives, 0))
        return np.stack([auprc, 1 - divide(lost, positives * negatives)])
