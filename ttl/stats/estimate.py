"""A value with its confidence interval, and how one comes out of bootstrap resamples."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ttl.errors import UsageError
from ttl.stats.defined import Array


@dataclass(frozen=True)
class Estimate:
    """A value and its confidence interval; nan where undefined."""

    value: float
    ci_low: float
    ci_high: float

    def to_json(self) -> dict[str, float | None]:
        """The three figures, nan as None (JSON has no nan)."""
        figures = {"value": self.value, "ci_low": self.ci_low, "ci_high": self.ci_high}
        return {name: None if math.isnan(figure) else figure for name, figure in figures.items()}


def percentile_interval(value: float, drawn: Array, confidence: float) -> Estimate:
    """`value` with the percentile interval of its resamples.

    Args:
        value: Of the data itself; where it is nan, so is the interval.
        drawn: `(resamples,)` the figure of every resample; those that are nan are left out.
        confidence: Of the interval, in (0, 1).
    """
    defined = drawn[~np.isnan(drawn)]
    if math.isnan(value) or not len(defined):
        return Estimate(value, math.nan, math.nan)
    low, high = np.quantile(defined, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Estimate(value, float(low), float(high))


def check_confidence(confidence: float) -> None:
    """Refuse what is no level of confidence.

    Raises:
        UsageError: It doesn't lie between 0 and 1.
    """
    if not 0 < confidence < 1:
        raise UsageError(f"confidence must lie between 0 and 1, not {confidence}.")


def check_bootstrap(resamples: int, confidence: float) -> None:
    """Refuse options that no bootstrap can follow.

    Raises:
        UsageError: There is no resample, or `confidence` doesn't lie between 0 and 1.
    """
    if resamples < 1:
        raise UsageError(f"resamples must be at least 1, not {resamples}.")
    check_confidence(confidence)
