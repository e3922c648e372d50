"""The choice among points whose scores are known."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import isnan

from ttl.errors import TrainingError
from ttl.points import TruncationPoint


def best(points: Iterable[TruncationPoint], scores: Mapping[str, float]) -> TruncationPoint:
    """The point with the highest score; among equals the one with the fewest parameters.

    Raises:
        TrainingError: no point has a score (NaN counts as none).
    """
    scored = [point for point in points if not isnan(scores.get(point.name, float("nan")))]
    if not scored:
        raise TrainingError("No truncation point could be fine-tuned, so none can be chosen: see the trials' causes")
    return max(scored, key=lambda point: (scores[point.name], -point.params, -point.index))
