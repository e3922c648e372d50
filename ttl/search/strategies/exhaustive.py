"""Exhaustive search: every point, the truth that the other strategies are measured against."""

from __future__ import annotations

from collections.abc import Sequence

from ttl.cut.points import TruncationPoint
from ttl.search.strategy import Batch, Chooser, Strategy


def exhaustive(points: Sequence[TruncationPoint], choose: Chooser) -> Strategy:
    """Try every point.

    Args:
        points: the network's points, lowest first.
        choose: picks among all of them.
    """
    scores = yield Batch("exhaustive", tuple(points))
    return choose(points, scores)
