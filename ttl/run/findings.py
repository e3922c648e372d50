"""What a run has found out so far: all that its report is made of."""

from __future__ import annotations

from dataclasses import dataclass, field

from ttl.run.seed_runs import PartialRuns, SeedRuns
from ttl.search.candidates import Cut
from ttl.search.evidence.curve import Curve, Look
from ttl.search.evidence.overlap import Similarities
from ttl.study.record import TrialRecord


@dataclass
class Findings:
    """Of one run.

    Attributes:
        tried: the finished fine-tunes.
        paused: those that were stopped early, or are to go on.
        failed: candidate -> why its fine-tune failed.
        joints: records of the joint fine-tunes, one a seed.
        curves: name of the evidence -> what it says.
        similarities: behind the curve of SVCCA, where that was asked for.
    """

    tried: dict[Cut, SeedRuns] = field(default_factory=dict)
    paused: dict[Cut, PartialRuns] = field(default_factory=dict)
    failed: dict[Cut, str] = field(default_factory=dict)
    joints: tuple[TrialRecord, ...] = ()
    curves: dict[str, Curve] = field(default_factory=dict)
    similarities: Similarities | None = None

    @property
    def stopped(self) -> dict[Cut, PartialRuns]:
        """Those that didn't go on, lowest first: side by side they end in any order."""
        left = {one: runs for one, runs in self.paused.items() if one not in self.tried and one not in self.failed}
        return dict(sorted(left.items(), key=lambda item: item[0].top.index))

    @property
    def records(self) -> list[TrialRecord]:
        """Of all that was trained."""
        tried = [record for runs in self.tried.values() for record in runs.records]
        return [*tried, *(record for runs in self.stopped.values() for record in runs.records), *self.joints]

    def looks(self, evidence: str) -> tuple[Look, ...]:
        """What a kind of evidence says of each candidate; nothing where it wasn't asked."""
        return self.curves[evidence].looks if evidence in self.curves else ()

    def score(self, candidate: Cut, epochs: int | None) -> float:
        """A candidate's validation score: at its end, or after so many epochs; NaN where its fine-tune failed."""
        if candidate in self.failed:
            return float("nan")
        if epochs is None:
            return self.tried[candidate].score
        runs = self.tried[candidate] if candidate in self.tried else self.paused[candidate]
        return PartialRuns(runs.records, epochs).score
