"""Two-stage search: coarse over the stage ends, then fine around the best (Peng et al. 2023, section 3)."""

from __future__ import annotations

from collections.abc import Sequence

from ttl.search.candidates import Cut
from ttl.search.select import best
from ttl.search.strategy import Batch, Chooser, Scores, Strategy


def two_stage(candidates: Sequence[Cut], choose: Chooser) -> Strategy:
    """Try every stage end and the whole network; then every candidate between the best one's neighbours.

    Args:
        candidates: lowest first.
        choose: picks among all that were tried.
    """
    last = len(candidates) - 1
    coarse = [i for i, candidate in enumerate(candidates) if candidate.point.is_stage_end or i == last]
    scores: Scores = dict((yield Batch("coarse", tuple(candidates[i] for i in coarse))))
    stage_end = best([candidates[i] for i in coarse], scores)
    fine = _between_neighbours(coarse, candidates.index(stage_end))
    if fine:
        scores |= yield Batch("fine", tuple(candidates[i] for i in fine))
    return choose([candidates[i] for i in sorted({*coarse, *fine})], scores)


def _between_neighbours(coarse: list[int], winner: int) -> list[int]:
    """Positions strictly between the stage ends before and after the best one, itself left out."""
    place = coarse.index(winner)
    below = coarse[place - 1] if place > 0 else -1
    above = coarse[place + 1] if place + 1 < len(coarse) else winner
    return [i for i in range(below + 1, above) if i != winner]
