"""A value with its 95% interval, as report.json has it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


def number(value: Any) -> float:
    """A JSON number as a float; `nan` for anything else."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number else math.nan


@dataclass(frozen=True)
class Estimate:
    """A value and its 95% interval, each `nan` where the report has none."""

    value: float = math.nan
    low: float = math.nan
    high: float = math.nan

    @property
    def known(self) -> bool:
        """Whether there is a value."""
        return math.isfinite(self.value)

    @property
    def has_interval(self) -> bool:
        """Whether both bounds are there."""
        return math.isfinite(self.low) and math.isfinite(self.high)

    @classmethod
    def read(cls, value: Mapping[str, Any]) -> Estimate:
        """From `{"value", "ci_low", "ci_high"}`."""
        return cls(number(value.get("value")), number(value.get("ci_low")), number(value.get("ci_high")))
