"""The exact interval of a share."""

from __future__ import annotations

from math import nan

from scipy.stats import binomtest

from ttl.words.estimate import Estimate


def clopper_pearson(hits: int, n: int, confidence: float = 0.95) -> Estimate:
    """The share of `hits` in `n` with its exact interval (Clopper and Pearson 1934); of no samples all three are nan.

    It holds the true share at least as often as the confidence says, however few samples there are.
    """
    if not n:
        return Estimate(nan, nan, nan)
    found = binomtest(hits, n).proportion_ci(confidence, method="exact")
    return Estimate(hits / n, float(found.low), float(found.high))
