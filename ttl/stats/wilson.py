"""The interval of a share of independent samples."""

from __future__ import annotations

import math
from statistics import NormalDist

from ttl.words.estimate import Estimate


def wilson(hits: int, n: int, confidence: float = 0.95) -> Estimate:
    """A share with its score interval (Wilson 1927), which stays within 0..1 and isn't empty at its ends.

    Args:
        hits: of `n`.
        n: how many; of none nothing is known, and all three figures are nan.
        confidence: of the interval, in (0, 1).
    """
    if not n:
        return Estimate(math.nan, math.nan, math.nan)
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    share = hits / n
    middle = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * math.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    return Estimate(share, max(0.0, middle - half), min(1.0, middle + half))
