"""Ratios of latencies."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from ttl.errors import UsageError
from ttl.stats.estimate import Array, Estimate, check_bootstrap, chunks, estimate


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
    check_bootstrap(resamples, confidence)
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

    drawn = [ratio(times[:, rng.integers(rounds, size=(n, rounds))]) for n in chunks(resamples, rounds)]
    return estimate(float(ratio(times)), np.concatenate(drawn), confidence)


def _same_shape(a: npt.ArrayLike, b: npt.ArrayLike) -> tuple[npt.ArrayLike, npt.ArrayLike]:
    shapes = np.shape(a), np.shape(b)
    if shapes[0] != shapes[1] or len(shapes[0]) != 1:
        raise UsageError(f"times of shapes {shapes[0]} and {shapes[1]} can't be paired; give one a round of each.")
    return a, b
