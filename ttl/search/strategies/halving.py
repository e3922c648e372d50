"""Successive halving: fine-tunes that fall behind are stopped early (Jamieson & Talwalkar, AISTATS 2016)."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from math import isnan, nan

from ttl.search.strategy import Batch, Choice, Scores, Strategy
from ttl.study.candidate import Candidate


def halving(strategy: Strategy, *, first: int, cap: int | None, margin: float, spared: Candidate) -> Strategy:
    """`strategy`, each of its batches tried in rungs: after `first` epochs, and each time after twice as many, the
    lower half is stopped.

    What lies within `margin` of the best one goes on all the same: a smaller candidate that is as good must not lose
    its place to chance. A stopped fine-tune has no score (NaN), so it is not chosen.

    The strategy isn't started yet. A fine-tune has `cap` epochs at most; None where its own rule ends it. `spared`, the
    whole network, which others are compared with, is never stopped.
    """
    batch = next(strategy)
    while True:
        scores = yield from _in_rungs(batch, first, cap, margin, spared)
        try:
            batch = strategy.send(scores)
        except StopIteration as end:
            choice: Choice = end.value
            return choice


def _in_rungs(
    batch: Batch, first: int, cap: int | None, margin: float, spared: Candidate
) -> Generator[Batch, Scores, Scores]:
    alive, epochs = list(batch.candidates), first
    for _ in range((len(alive) - 1).bit_length()):
        if cap is not None and epochs >= cap:
            break
        scores = yield replace(batch, candidates=tuple(alive), epochs=epochs)
        ranked = sorted((score for score in scores.values() if not isnan(score)), reverse=True)
        if not ranked:
            break
        worst = min(ranked[(len(ranked) - 1) // 2], ranked[0] - margin)
        alive = [candidate for candidate in alive if scores[candidate] >= worst or candidate == spared]
        epochs *= 2
    finished = yield replace(batch, candidates=tuple(alive))
    return {candidate: finished.get(candidate, nan) for candidate in batch.candidates}
