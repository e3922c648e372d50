"""Two-stage search: coarse over the stage ends, then fine around the best (Peng et al. 2023, section 3)."""

from __future__ import annotations

from collections.abc import Sequence

from ttl.points import TruncationPoint
from ttl.search.select import best
from ttl.search.strategy import Batch, Choice, Scores, Strategy


def two_stage(points: Sequence[TruncationPoint]) -> Strategy:
    """Try every stage end and the whole network; then every point between the best one's neighbours.

    Chosen is the best score of all tried; among equals the smaller point.

    Args:
        points: the network's points, lowest first.
    """
    coarse = [i for i, point in enumerate(points) if point.is_stage_end or i == len(points) - 1]
    scores: Scores = dict((yield Batch("coarse", tuple(points[i] for i in coarse))))
    stage_end = best([points[i] for i in coarse], scores)
    fine = _between_neighbours(coarse, points.index(stage_end))
    if fine:
        scores |= yield Batch("fine", tuple(points[i] for i in fine))
    chosen = best([points[i] for i in sorted({*coarse, *fine})], scores)
    return Choice(chosen, _reason(chosen, stage_end, scores))


def _between_neighbours(coarse: list[int], winner: int) -> list[int]:
    """Positions strictly between the stage ends before and after the best one, itself left out."""
    place = coarse.index(winner)
    below = coarse[place - 1] if place > 0 else -1
    above = coarse[place + 1] if place + 1 < len(coarse) else winner
    return [i for i in range(below + 1, above) if i != winner]


def _reason(chosen: TruncationPoint, stage_end: TruncationPoint, scores: Scores) -> str:
    score = scores[chosen.name]
    sharing = sum(other == score for other in scores.values())
    if sharing > 1:
        return (
            f"{chosen.name} is the smallest of the {sharing} points that share the highest validation score, "
            f"{score:.4f}, of {len(scores)} points tried"
        )
    tried = f"the best of {len(scores)} points tried"
    if chosen == stage_end:
        return f"{chosen.name} has the highest validation score, {score:.4f}, {tried}"
    return (
        f"{stage_end.name} is the best stage end ({scores[stage_end.name]:.4f}); of the points between its "
        f"neighbours {chosen.name} scores highest on the validation images ({score:.4f}), {tried}"
    )
