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
    place = coarse.index(candidates.index(best([candidates[i] for i in coarse], scores)))
    below = coarse[place - 1] if place else -1
    above = coarse[place + 1] if place + 1 < len(coarse) else last
    fine = [i for i in range(below + 1, above) if i != coarse[place]]
    if fine:
        scores |= yield Batch("fine", tuple(candidates[i] for i in fine))
    return choose([candidates[i] for i in sorted({*coarse, *fine})], scores)
