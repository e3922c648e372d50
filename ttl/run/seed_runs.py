"""Fine-tunes of one candidate that differ in nothing but the seed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf, isnan, nan
from statistics import fmean

import numpy as np

from ttl.report.schema.searched import MeanAndDeviation, SeedSpread
from ttl.study.record import TrialRecord
from ttl.words.estimate import Estimate


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

    @property
    def spread(self) -> SeedSpread | None:
        """How the seeds differ, of every metric; None of one seed."""
        if len(self.records) < 2:
            return None
        val, test = [record.val for record in self.records], [record.test for record in self.records]
        return SeedSpread(seeds=tuple(record.seed for record in self.records), val=_over(val), test=_over(test))


def _over(figures: Sequence[Mapping[str, Estimate]]) -> dict[str, MeanAndDeviation]:
    """Metric -> mean and sample standard deviation (n - 1) of the values; NaN if one of them is."""
    values = {metric: [each[metric].value for each in figures] for metric in figures[0]}
    return {
        metric: MeanAndDeviation(mean=float(np.mean(each)), sd=float(np.std(each, ddof=1)))
        for metric, each in values.items()
    }


@dataclass(frozen=True)
class PartialRuns:
    """The fine-tunes of one candidate, one a seed, as far as they went: each `epochs` epochs, or less if it ended."""

    records: tuple[TrialRecord, ...]
    epochs: int

    @property
    def score(self) -> float:
        """The mean over the seeds of the best validation score until then; NaN if one has none."""
        return fmean(record.best_until(self.epochs) for record in self.records)
