"""A figure with its confidence interval."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ttl.typed import Figure


@dataclass(frozen=True)
class Estimate:
    """A value and its 95 % confidence interval; NaN where undefined."""

    value: Figure = math.nan
    ci_low: Figure = math.nan
    ci_high: Figure = math.nan

    @property
    def is_defined(self) -> bool:
        """Whether there is a value."""
        return math.isfinite(self.value)

    @property
    def has_interval(self) -> bool:
        """Whether both bounds are there."""
        return math.isfinite(self.ci_low) and math.isfinite(self.ci_high)

    def holds(self, value: float) -> bool:
        """Whether a value lies in the interval."""
        return self.ci_low <= value <= self.ci_high

    def to_json(self) -> dict[str, float | None]:
        """The three figures, NaN as None (JSON has no NaN)."""
        return {name: None if math.isnan(figure) else figure for name, figure in vars(self).items()}
