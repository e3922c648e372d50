"""A figure with its confidence interval, and the resampling that gives it; shares have a formula."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from ttl.errors import UsageError
from ttl.words.estimate import Estimate

Array = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]
CHUNK_ELEMENTS = 16_000
"""Weights drawn at once: from 128 kB on, Linux hands every array out as new, unmapped pages, which costs a third."""


def estimate(value: float, drawn: Array, confidence: float) -> Estimate:
    """`value` with the percentile interval of the resamples in which it is defined."""
    defined = drawn[~np.isnan(drawn)]
    if math.isnan(value) or not len(defined):
        return Estimate(value, math.nan, math.nan)
    low, high = np.quantile(defined, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Estimate(value, float(low), float(high))


def wilson(hits: int, n: int, confidence: float = 0.95) -> Estimate:
    """The share of `hits` in `n`, with its score interval (Wilson 1927): within 0..1, and not empty at its ends.

    Of no samples nothing is known, and all three figures are nan. The confidence lies in (0, 1).
    """
    if not n:
        return Estimate(math.nan, math.nan, math.nan)
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    share = hits / n
    middle = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * math.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    return Estimate(share, max(0.0, middle - half), min(1.0, middle + half))


def check_bootstrap(resamples: int, confidence: float) -> None:
    """Refuse no resamples, and a confidence outside (0, 1), with a UsageError."""
    if resamples < 1:
        raise UsageError(f"resamples must be at least 1, not {resamples}.")
    if not 0 < confidence < 1:
        raise UsageError(f"confidence must lie between 0 and 1, not {confidence}.")


def chunks(resamples: int, n: int) -> Iterator[int]:
    """Split `resamples` so that a part times `n` stays small."""
    size = max(1, CHUNK_ELEMENTS // max(1, n))
    for start in range(0, resamples, size):
        yield min(size, resamples - start)


def units_of(labels: Labels, groups: Sequence[str] | None) -> tuple[Labels, Labels | None]:
    """The stratum of each unit, and the unit (patient) of each sample; None where each is its own.

    Samples of one class are a stratum; with groups, those groups are that hold the same classes. Several labels a
    sample make no strata.

    Raises:
        UsageError: not one group a sample.
    """
    flat = labels if labels.ndim == 1 else np.zeros(len(labels), np.int64)
    if groups is None:
        return flat, None
    if len(groups) != len(labels):
        raise UsageError(f"{len(groups)} groups for {len(labels)} samples: give one a sample.")
    names, member_of = np.unique(np.array(groups, object).astype(str), return_inverse=True)
    held = np.zeros((len(names), int(flat.max(initial=0)) + 1), bool)
    held[member_of, flat] = True
    return np.unique(held, axis=0, return_inverse=True)[1].reshape(-1), member_of
