"""What a search strategy is, and how one is driven.

A strategy is a generator: it yields batches of points to try, is sent their scores, and returns the one
it chooses. It knows neither how nor where they are tried.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass

from ttl.points import TruncationPoint

Scores = dict[str, float]
"""Point name -> score, the higher the better; NaN where the trial failed."""


@dataclass(frozen=True)
class Batch:
    """Points to try next, in no order; `phase` says what for."""

    phase: str
    points: tuple[TruncationPoint, ...]


@dataclass(frozen=True)
class Choice:
    """The point that a strategy chose, and why, in a sentence."""

    point: TruncationPoint
    reason: str


Strategy = Generator[Batch, Scores, Choice]
Chooser = Callable[[Sequence[TruncationPoint], Scores], Choice]
"""Picks among points that were tried, by their scores."""


@dataclass(frozen=True)
class Found:
    """What a search ended with."""

    choice: Choice
    scores: Mapping[str, float]
    steps: tuple[Batch, ...]
    """The batches as they were tried; a point appears once."""


def drive(strategy: Strategy, evaluate: Callable[[TruncationPoint], float]) -> Found:
    """Run `strategy` to its end; a point that it asks for again is answered from memory.

    Args:
        strategy: the generator, not yet started.
        evaluate: fine-tunes at a point and returns its validation score.
    """
    scores: Scores = {}
    steps: list[Batch] = []
    batch = next(strategy)
    while True:
        new = tuple(point for point in batch.points if point.name not in scores)
        if new:
            steps.append(Batch(batch.phase, new))
        for point in new:
            scores[point.name] = evaluate(point)
        try:
            batch = strategy.send({point.name: scores[point.name] for point in batch.points})
        except StopIteration as end:
            return Found(end.value, scores, tuple(steps))
