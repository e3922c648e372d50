"""The choice among points whose scores are known."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from math import isnan

from ttl.cut.points import TruncationPoint
from ttl.errors import TrainingError
from ttl.search.strategy import Choice, Chooser

Evidence = Callable[[TruncationPoint, TruncationPoint], str | None]
"""Given a point and the best one: what shows that the point is not inferior, in words; None where nothing does."""


def best(points: Iterable[TruncationPoint], scores: Mapping[str, float]) -> TruncationPoint:
    """The point with the highest score; among equals the one with the fewest parameters.

    Raises:
        TrainingError: no point has a score (NaN counts as none).
    """
    scored = _scored(points, scores)
    if not scored:
        raise TrainingError("No truncation point could be fine-tuned, so none can be chosen: see the trials' causes")
    return max(scored, key=lambda point: (scores[point.name], -point.params, -point.index))


def choose_best(points: Sequence[TruncationPoint], scores: Mapping[str, float]) -> Choice:
    """The `best` point, and why.

    Raises:
        TrainingError: no point has a score.
    """
    chosen = best(points, scores)
    score, of = scores[chosen.name], f"{len(points)} point{'s' if len(points) > 1 else ''} tried"
    sharing = sum(scores.get(point.name) == score for point in points)
    if sharing > 1:
        words = f"is the smallest of the {sharing} points that share the highest validation score"
        return Choice(chosen, f"{chosen.name} {words}, {score:.4f}, of {of}")
    return Choice(chosen, f"{chosen.name} has the highest validation score, {score:.4f}, of {of}")


def choose_smallest(evidence: Evidence) -> Chooser:
    """A chooser of the smallest point that is shown not to be inferior to the best one.

    Args:
        evidence: compares a point with the best one.
    """
    return partial(_smallest, evidence)


def _smallest(evidence: Evidence, points: Sequence[TruncationPoint], scores: Mapping[str, float]) -> Choice:
    top = choose_best(points, scores)
    smaller = [point for point in _scored(points, scores) if point.params < top.point.params]
    for point in sorted(smaller, key=lambda point: (point.params, point.index)):
        shown = evidence(point, top.point)
        if shown is not None:
            words = f"{point.name} is the smallest of {len(points)} points tried that is shown not to be inferior to"
            return Choice(point, f"{words} the best, {top.point.name} ({scores[top.point.name]:.4f}): {shown}")
    if not smaller:
        return top
    return Choice(top.point, f"{top.reason}, and no smaller one is shown not to be inferior to it")


def _scored(points: Iterable[TruncationPoint], scores: Mapping[str, float]) -> list[TruncationPoint]:
    return [point for point in points if not isnan(scores.get(point.name, float("nan")))]
