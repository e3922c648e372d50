"""What a search strategy is, and how one is driven.

A strategy is a generator: it yields batches of points to try, is sent their scores, and returns the one
it chooses. It knows neither how nor where they are tried.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from ttl.cut.points import TruncationPoint

Scores = dict[str, float]
"""Point name -> score, the higher the better; NaN where the trial failed."""


Start = Literal["pretrained", "joint"]
"""What a fine-tune begins with."""


@dataclass(frozen=True)
class Batch:
    """Points to try next, in no order.

    Attributes:
        phase: what for.
        points: where to cut.
        epochs: pause each fine-tune after so many; None lets it end. Asked for again with more, it goes on.
        start: from the pretrained weights, or from what the joint network has learned up to the point.
    """

    phase: str
    points: tuple[TruncationPoint, ...]
    epochs: int | None = None
    start: Start = "pretrained"


@dataclass(frozen=True)
class Choice:
    """The point that a strategy chose, and why, in a sentence."""

    point: TruncationPoint
    reason: str

    def after(self, look: str, picked: TruncationPoint, among: int) -> Choice:
        """The same, of few that were tried because a look at all of them spoke for one."""
        return replace(self, reason=f"{self.reason}; {look} spoke for {picked.name}, of {among} points")


Strategy = Generator[Batch, Scores, Choice]
Chooser = Callable[[Sequence[TruncationPoint], Scores], Choice]
"""Picks among points that were tried, by their scores."""


@dataclass(frozen=True)
class Found:
    """What a search ended with."""

    choice: Choice
    scores: Mapping[str, float]
    """Of the fine-tunes that weren't stopped."""
    steps: tuple[Batch, ...]
    """The batches as they were tried; a point appears once, or once with each number of epochs."""


def drive(strategy: Strategy, evaluate: Callable[[Batch], Scores]) -> Found:
    """Run `strategy` to its end; a point that it asks for again is answered from memory.

    Args:
        strategy: the generator, not yet started.
        evaluate: fine-tunes at the points of a batch and returns their validation scores.
    """
    known: dict[tuple[str, int | None], float] = {}
    steps: list[Batch] = []
    batch = next(strategy)
    while True:
        epochs = batch.epochs
        new = tuple(point for point in batch.points if (point.name, epochs) not in known)
        if new:
            steps.append(replace(batch, points=new))
            known |= {(name, epochs): score for name, score in evaluate(steps[-1]).items()}
        try:
            batch = strategy.send({point.name: known[point.name, epochs] for point in batch.points})
        except StopIteration as end:
            finished = {name: score for (name, paused), score in known.items() if paused is None}
            return Found(end.value, finished, tuple(steps))


def one_by_one(evaluate: Callable[[TruncationPoint], float]) -> Callable[[Batch], Scores]:
    """For `drive`: tries the points of a batch one after another.

    Args:
        evaluate: fine-tunes at a point, from the pretrained weights to the end, and returns its validation score.
    """
    return lambda batch: {point.name: evaluate(point) for point in batch.points}
