"""A figure with its confidence interval."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ttl.typed import Figure


def number(value: Any) -> float:
    """A JSON number as a float; `nan` for anything else."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number else math.nan


@dataclass(frozen=True)
class Estimate:
    """A value and its confidence interval, of 95 % unless said otherwise; NaN where undefined."""

    value: Figure = math.nan
    ci_low: Figure = math.nan
    ci_high: Figure = math.nan

    @property
    def known(self) -> bool:
        """Whether there is a value."""
        return math.isfinite(self.value)

    @property
    def has_interval(self) -> bool:
        """Whether both bounds are there."""
        return math.isfinite(self.ci_low) and math.isfinite(self.ci_high)

    @property
    def low(self) -> float:
        """The lower bound."""
        return self.ci_low

    @property
    def high(self) -> float:
        """The upper bound."""
        return self.ci_high

    @classmethod
    def read(cls, value: Mapping[str, Any]) -> Estimate:
        """From `{"value", "ci_low", "ci_high"}`."""
        return cls(number(value.get("value")), number(value.get("ci_low")), number(value.get("ci_high")))

    def to_json(self) -> dict[str, float | None]:
        """The three figures, nan as None (JSON has no nan)."""
        figures = {"value": self.value, "ci_low": self.ci_low, "ci_high": self.ci_high}
        return {name: None if math.isnan(figure) else figure for name, figure in figures.items()}
