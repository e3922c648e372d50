"""What a search strategy is, and how one is driven.

A strategy is a generator: it yields batches of candidates to try, is sent their scores, and returns the one
it chooses. It knows neither how nor where they are tried.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, replace

from ttl.study.candidate import Candidate

Scores = dict[Candidate, float]  # candidate -> score, the higher the better; NaN where the trial failed


@dataclass(frozen=True)
class Batch:
    """Candidates to fine-tune next, in no order, and what for."""

    phase: str
    candidates: tuple[Candidate, ...]
    # Pause each fine-tune after so many; None lets it end. Asked for again with more, it goes on.
    epochs: int | None = None
    # The candidate whose fine-tune they go on from; None begins with the pretrained weights.
    start: Candidate | None = None


@dataclass(frozen=True)
class Choice:
    """The candidate that a strategy chose, and why, in a sentence."""

    candidate: Candidate
    reason: str

    def after(self, look: str, picked: Candidate, among: int) -> Choice:
        """The same, of few that were tried because a look at all of them spoke for one."""
        return replace(self, reason=f"{self.reason}; {look} spoke for {picked.name}, of {among} points")


Strategy = Generator[Batch, Scores, Choice]
Chooser = Callable[[Sequence[Candidate], Scores], Choice]  # picks among candidates that were tried, by their scores


@dataclass(frozen=True)
class SearchEnd:
    """What a search ended with."""

    choice: Choice
    scores: Mapping[Candidate, float]  # of the fine-tunes that weren't stopped
    steps: tuple[Batch, ...]
    """The batches as they were tried; a candidate appears once, or once with each number of epochs."""


def drive(strategy: Strategy, evaluate: Callable[[Batch], Scores]) -> SearchEnd:
    """Run a strategy that isn't started yet to its end; what it asks for again is answered from memory.

    `evaluate` fine-tunes the candidates of a batch and returns their validation scores.
    """
    known: dict[tuple[Candidate, int | None], float] = {}
    steps: list[Batch] = []
    batch = next(strategy)
    while True:
        epochs = batch.epochs
        new = tuple(candidate for candidate in batch.candidates if (candidate, epochs) not in known)
        if new:
            steps.append(replace(batch, candidates=new))
            known |= {(candidate, epochs): score for candidate, score in evaluate(steps[-1]).items()}
        try:
            batch = strategy.send({candidate: known[candidate, epochs] for candidate in batch.candidates})
        except StopIteration as end:
            finished = {candidate: score for (candidate, paused), score in known.items() if paused is None}
            return SearchEnd(end.value, finished, tuple(steps))


def one_by_one(evaluate: Callable[[Candidate], float]) -> Callable[[Batch], Scores]:
    """For `drive`: an `evaluate` of one candidate, from the pretrained weights to the end, for those of a batch."""
    return lambda batch: {candidate: evaluate(candidate) for candidate in batch.candidates}
