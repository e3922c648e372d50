"""What fine-tuning changed: how far the similarity of features before and after it overlaps with chance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import nan

import numpy as np

from ttl.search.evidence.curve import Curve, Look
from ttl.study.candidate import Candidate

OVERLAP = 0.1
"""From here on two distributions overlap substantially; it is 0 for distributions apart and 0.5 for equal ones."""


@dataclass(frozen=True)
class Similarity:
    """Canonical correlations at a point, of all draws together."""

    cut: str  # the point's name
    coefficients: tuple[float, ...]  # of the features before and after fine-tuning


@dataclass(frozen=True)
class Similarities:
    """Of all points, lowest first, beside what chance alone gives."""

    points: tuple[Similarity, ...]  # one a point
    random: tuple[float, ...]  # canonical correlations of independent Gaussian features of the same number and sizes

    def overlap(self, similarity: Similarity) -> float:
        """The probability that a random coefficient is above one of the features' (ties half): the Mann-Whitney
        statistic U over the number of pairs."""
        twice, ordered = 2 * len(self.random) * len(similarity.coefficients), np.sort(self.random)
        below = (np.searchsorted(ordered, similarity.coefficients, side).sum() for side in ("left", "right"))
        return float((twice - sum(below)) / twice)

    def curve(self) -> Curve:
        """The overlap at each point."""
        return Curve("svcca", "overlap", tuple(Look(point.cut, self.overlap(point), nan) for point in self.points))


def first_overlap(candidates: Sequence[Candidate], curve: Curve) -> Candidate:
    """The lowest candidate whose distributions overlap substantially; the highest one where none do: don't cut."""
    overlaps = {look.cut: look.mean for look in curve.looks}
    return next((one for one in candidates if overlaps[one.top.name] >= OVERLAP), candidates[-1])
