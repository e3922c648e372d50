"""What a run knows so far: all that its report is made of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import isnan, nan
from statistics import fmean
from typing import Any

from ttl.run.repeats import Repeats
from ttl.search.strategies.probe import Curve
from ttl.search.strategies.svcca import Similarity


@dataclass(frozen=True)
class Paused:
    """The fine-tunes of one point, one a seed, as far as they went: each `epochs` epochs, or less if it ended."""

    records: tuple[Mapping[str, Any], ...]
    epochs: int

    @property
    def score(self) -> float:
        """The mean over the seeds of the best validation score until then; NaN if one has none."""
        return fmean(best_score(record["curve"][: self.epochs], record["score"]) for record in self.records)


def best_score(curve: Iterable[Mapping[str, Any]], metric: str) -> float:
    """The highest validation score of a learning curve; NaN if no epoch has one."""
    scores = [row.get(f"val_{metric}") for row in curve]
    return max((score for score in scores if score is not None and not isnan(score)), default=nan)


@dataclass
class Known:
    """Of one run.

    Attributes:
        tried: the finished fine-tunes, by point.
        paused: those that were stopped early, or are to go on, by point.
        failed: point -> why its fine-tune failed.
        joints: records of the joint fine-tunes, one a seed.
        probe: what a probe found, by point.
        joint: what the joint network's heads say, by point.
        similarities: the features before and after the whole network's fine-tune, by point.
    """

    tried: dict[str, Repeats] = field(default_factory=dict)
    paused: dict[str, Paused] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    joints: tuple[Mapping[str, Any], ...] = ()
    probe: Curve = field(default_factory=dict)
    joint: Curve = field(default_factory=dict)
    similarities: Mapping[str, Similarity] = field(default_factory=dict)

    @property
    def stopped(self) -> dict[str, Paused]:
        """Those that didn't go on, lowest first: side by side they end in any order."""
        left = {name: paused for name, paused in self.paused.items() if name not in self.tried | self.failed}
        return dict(sorted(left.items(), key=lambda item: int(item[1].records[0]["index"])))

    @property
    def records(self) -> list[Mapping[str, Any]]:
        """Of all that was trained."""
        tried = [record for repeats in self.tried.values() for record in repeats.records]
        return [*tried, *(record for paused in self.stopped.values() for record in paused.records), *self.joints]
