"""What was found about the points that are fast enough: a plain value, kept in the run folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from ttl.words.counts import counted
from ttl.words.units import milliseconds


@dataclass(frozen=True)
class LatencyBudget:
    """Milliseconds an image, the median of calls with one image, and the highest point within the budget."""

    budget_ms: float
    threads: int
    highest: str
    measured: Mapping[str, float]
    """Point name -> milliseconds, of those measured, lowest first."""

    def words(self) -> str:
        """One line without its full stop."""
        rows = ", ".join(f"{name} {milliseconds(p50_ms)}" for name, p50_ms in self.measured.items())
        threads = counted(self.threads, "thread")
        return f"At most {self.budget_ms:g} ms an image on {threads}: up to {self.highest} (measured: {rows})"

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "budget_ms": self.budget_ms,
            "threads": self.threads,
            "highest": self.highest,
            "measured": [{"cut": name, "p50_ms": p50_ms} for name, p50_ms in self.measured.items()],
        }

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Self:
        """What `to_json` gave; other keys are left alone."""
        measured = {row["cut"]: row["p50_ms"] for row in told["measured"]}
        return cls(told["budget_ms"], told["threads"], told["highest"], measured)
