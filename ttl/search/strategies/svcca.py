"""SVCCA search: cut where fine-tuning left features no more alike than random ones (Peng et al. 2023, C.1)."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ttl.cut.points import TruncationPoint
from ttl.search.strategy import Batch, Chooser, Strategy

OVERLAP = 0.1
"""From here on two distributions overlap substantially; it is 0 for distributions apart and 0.5 for equal ones."""


@dataclass(frozen=True)
class Similarity:
    """Canonical correlations at a point, of all draws together.

    Attributes:
        coefficients: of the features before and after fine-tuning.
        random: of independent Gaussian features of the same number and sizes.
    """

    coefficients: tuple[float, ...]
    random: tuple[float, ...]

    @property
    def overlap(self) -> float:
        """The probability that a random coefficient is above one of the features' (ties half): the Mann-Whitney
        statistic U over the number of pairs."""
        ordered = sorted(self.random)
        above = sum(
            2 * len(ordered) - bisect_left(ordered, value) - bisect_right(ordered, value) for value in self.coefficients
        )
        return above / (2 * len(self.random) * len(self.coefficients))

    def to_json(self) -> dict[str, Any]:
        """The whole distributions, to four digits, and the statistic."""
        rounded = {name: [round(value, 4) for value in values] for name, values in vars(self).items()}
        return {**rounded, "overlap": self.overlap}

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Similarity:
        """What `to_json` gave; other keys are left alone."""
        return cls(tuple(told["coefficients"]), tuple(told["random"]))


def svcca(
    points: Sequence[TruncationPoint], choose: Chooser, similarities: Callable[[], Mapping[str, Similarity]]
) -> Strategy:
    """Fine-tune the whole network, then at the point where what it learned comes to overlap with chance.

    Args:
        points: the network's points, lowest first.
        choose: picks between the two.
        similarities: compares, point by name, the features before and after the highest point's fine-tune.
    """
    top = points[-1]
    scores = yield Batch("whole", (top,))
    picked = first_overlap(points, similarities())
    if picked is not top:
        scores |= yield Batch("svcca", (picked,))
    tried = [top] if picked is top else [picked, top]
    return choose(tried, scores).after("SVCCA", picked, len(points))


def first_overlap(points: Sequence[TruncationPoint], similarities: Mapping[str, Similarity]) -> TruncationPoint:
    """The lowest point whose distributions overlap substantially; the highest one where none do: don't cut."""
    return next((point for point in points if similarities[point.name].overlap >= OVERLAP), points[-1])
