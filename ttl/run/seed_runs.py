"""Fine-tunes of one candidate that differ in nothing but the seed."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, isnan, nan
from statistics import fmean

from ttl.study.record import TrialRecord


@dataclass(frozen=True)
class SeedRuns:
    """The finished fine-tunes of one candidate, one a seed, in the order of their seeds."""

    records: tuple[TrialRecord, ...]

    @property
    def score(self) -> float:
        """The mean validation score of those that have one; NaN if none has: what a search compares candidates by."""
        defined = [record.value for record in self.records if not isnan(record.value)]
        return sum(defined) / len(defined) if defined else nan

    @property
    def best(self) -> TrialRecord:
        """The one with the highest validation score, the earliest among equals: whose weights are delivered."""
        return max(self.records, key=lambda record: -inf if isnan(record.value) else record.value)


@dataclass(frozen=True)
class PartialRuns:
    """The fine-tunes of one candidate, one a seed, as far as they went: each `epochs` epochs, or less if it ended."""

    records: tuple[TrialRecord, ...]
    epochs: int

    @property
    def score(self) -> float:
        """The mean over the seeds of the best validation score until then; NaN if one has none."""
        return fmean(record.best_until(self.epochs) for record in self.records)
