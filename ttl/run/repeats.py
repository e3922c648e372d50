"""Fine-tunes of one point that differ in nothing but the seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isnan, nan
from typing import Any

import numpy as np

from ttl.run.trial import Record, score


@dataclass(frozen=True)
class Repeats:
    """The finished fine-tunes of one point, one a seed, in the order of their seeds."""

    records: tuple[Record, ...]

    @property
    def score(self) -> float:
        """The mean validation score of those that have one; NaN if none has: what a search compares points by."""
        scores = [score(record) for record in self.records]
        defined = [value for value in scores if not isnan(value)]
        return sum(defined) / len(defined) if defined else nan

    @property
    def best(self) -> Record:
        """The one with the highest validation score, the earliest among equals: whose weights are delivered."""
        return max(self.records, key=lambda record: -np.inf if isnan(value := score(record)) else value)

    def spread(self) -> dict[str, Any]:
        """How the seeds differ, as JSON values: of each metric of each split, mean and standard deviation."""
        seeds = [record["seed"] for record in self.records]
        return {"seeds": seeds} | {split: _spread([record[split] for record in self.records]) for split in SPREAD}


SPREAD = ("val", "test")


def _spread(found: Sequence[dict[str, Any]]) -> dict[str, dict[str, float | None]]:
    """Metric -> mean and sample standard deviation (n - 1) of the values; None where one is undefined."""
    spread: dict[str, dict[str, float | None]] = {}
    for metric in found[0]:
        values = [row[metric]["value"] for row in found]
        known = None not in values
        spread[metric] = {
            "mean": float(np.mean(values)) if known else None,
            "sd": float(np.std(values, ddof=1)) if known and len(values) > 1 else None,
        }
    return spread
