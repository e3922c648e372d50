"""Which points are fast enough: a plain value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ttl.words.counts import counted
from ttl.words.units import milliseconds


@dataclass(frozen=True)
class MeasuredPoint:
    """Milliseconds an image through the network cut at a point, as JSON has it."""

    cut: str
    p50_ms: float


@dataclass(frozen=True)
class LatencyBudget:
    """Milliseconds an image, the median of calls with one image, and the highest point within the budget."""

    budget_ms: float
    threads: int
    highest: str
    measured: Mapping[str, float]
    """Point name -> milliseconds, of those measured, lowest first."""

    @property
    def rows(self) -> tuple[MeasuredPoint, ...]:
        """What was measured, as JSON has it."""
        return tuple(MeasuredPoint(name, p50_ms) for name, p50_ms in self.measured.items())

    def words(self) -> str:
        """One line without its full stop."""
        rows = ", ".join(f"{name} {milliseconds(p50_ms)}" for name, p50_ms in self.measured.items())
        threads = counted(self.threads, "thread")
        return f"At most {self.budget_ms:g} ms an image on {threads}: up to {self.highest} (measured: {rows})"
