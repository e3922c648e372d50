"""Strategies by fine-tunes alone: of every candidate, or in two stages (Peng et al. 2023, section 3).

Both take the candidates, lowest first, and a chooser, which picks among all that were tried.
"""

from __future__ import annotations

from collections.abc import Sequence

from ttl.search.select import best
from ttl.search.strategy import Batch, Chooser, Scores, Strategy
from ttl.study.candidate import Candidate


def exhaustive(candidates: Sequence[Candidate], choose: Chooser) -> Strategy:
    """Try every candidate: the truth that the other strategies are measured against."""
    return choose(candidates, (yield Batch("exhaustive", tuple(candidates))))


def two_stage(candidates: Sequence[Candidate], choose: Chooser) -> Strategy:
    """Coarse: try every stage end and the whole network. Fine: every candidate between the best one's neighbours."""
    last = len(candidates) - 1
    coarse = [i for i, candidate in enumerate(candidates) if candidate.top.is_stage_end or i == last]
    scores: Scores = dict((yield Batch("coarse", tuple(candidates[i] for i in coarse))))
    place = coarse.index(candidates.index(best([candidates[i] for i in coarse], scores)))
    below = coarse[place - 1] if place else -1
    above = coarse[place + 1] if place + 1 < len(coarse) else last
    fine = [i for i in range(below + 1, above) if i != coarse[place]]
    if fine:
        scores |= yield Batch("fine", tuple(candidates[i] for i in fine))
    return choose([candidates[i] for i in sorted({*coarse, *fine})], scores)
