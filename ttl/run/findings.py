"""What a run found out so far: all that its report is made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import inf, isnan, nan
from statistics import fmean
from typing import Any

import numpy as np

from ttl.report.schema.searched import MeanAndDeviation, SeedSpread
from ttl.search.evidence.curve import Curve, Look
from ttl.search.evidence.overlap import Similarities
from ttl.study.candidate import Candidate
from ttl.study.record import TrialRecord
from ttl.study.tested import Tested
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
    def undertrained(self) -> bool:
        """Whether what would be delivered is under-trained, so that it must not be delivered as a cut."""
        found = self.best.undertrained
        return found is not None and found.blocks

    def spread(self, tested: Mapping[str, Tested]) -> SeedSpread | None:
        """How the seeds differ, of every metric; None of one seed. `tested`: trial -> what it gives for test."""
        if len(self.records) < 2:
            return None
        test = [tested[record.id].figures for record in self.records if record.id in tested]
        return SeedSpread(
            seeds=tuple(record.seed for record in self.records),
            val=_over([record.val for record in self.records]),
            test=_over(test) if len(test) == len(self.records) else {},
        )


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


@dataclass
class Findings:
    """Of one run: its fine-tunes and its evidence."""

    tried: dict[Candidate, SeedRuns] = field(default_factory=dict)
    paused: dict[Candidate, PartialRuns] = field(default_factory=dict)
    """Those that were stopped early, or are to go on."""
    failed: dict[Candidate, str] = field(default_factory=dict)
    """With the cause."""
    joints: tuple[TrialRecord, ...] = ()
    members: dict[str, tuple[TrialRecord, ...]] = field(default_factory=dict)
    """With folds: the record of several folds, by its id -> theirs."""
    refits: list[TrialRecord] = field(default_factory=list)
    """With folds: those on train and val together."""
    curves: dict[str, Curve] = field(default_factory=dict)
    tested: Mapping[str, Tested] = field(default_factory=dict)
    """Trial -> what it gives for the test images: of the chosen and the whole network, after the choice."""
    on_test: Mapping[str, Any] = field(default_factory=dict)
    """The sections of the report that compare both networks on the test images, under their names."""
    similarities: Similarities | None = None
    """Behind the curve of SVCCA."""

    @property
    def stopped(self) -> dict[Candidate, PartialRuns]:
        """Those that didn't go on, lowest first: side by side they end in any order."""
        left = {one: runs for one, runs in self.paused.items() if one not in self.tried and one not in self.failed}
        return dict(sorted(left.items(), key=lambda item: (item[0].top.index, item[0].name)))

    @property
    def records(self) -> list[TrialRecord]:
        """Of all that was trained."""
        tried = [record for runs in self.tried.values() for record in runs.records]
        stopped = [record for runs in self.stopped.values() for record in runs.records]
        if self.members:
            return [*(record for parts in self.members.values() for record in parts), *self.refits]
        return [*tried, *stopped, *self.joints]

    def looks(self, evidence: str) -> tuple[Look, ...]:
        """What a kind of evidence says of each candidate; nothing where it wasn't asked."""
        return self.curves[evidence].looks if evidence in self.curves else ()

    def score(self, candidate: Candidate, epochs: int | None) -> float:
        """A candidate's validation score: at its end, or after so many epochs; NaN where its fine-tune failed."""
        if candidate in self.failed:
            return float("nan")
        if epochs is None:
            return self.tried[candidate].score
        runs = self.tried[candidate] if candidate in self.tried else self.paused[candidate]
        return PartialRuns(runs.records, epochs).score
