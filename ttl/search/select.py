"""The choice among candidates whose scores are known."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from math import isnan, nan

from ttl.errors import TrainingError
from ttl.search.strategy import Choice, Chooser
from ttl.study.candidate import Candidate

Proof = Callable[[Candidate, Candidate], str | None]
"""Given a candidate and the best one: what shows that it is not inferior, in words; None where nothing does."""


class NothingToChooseError(TrainingError):
    """No candidate has a score."""


def best(candidates: Iterable[Candidate], scores: Mapping[Candidate, float]) -> Candidate:
    """The candidate with the highest score; among equals the one with the fewest parameters.

    Raises:
        TrainingError: none has a score (NaN counts as none).
    """
    scored = [one for one in candidates if not isnan(scores.get(one, nan))]
    if not scored:
        raise NothingToChooseError(
            "No truncation point could be fine-tuned, so none can be chosen: see the trials' causes"
        )
    return max(scored, key=lambda one: (scores[one], -one.costs.params, -one.top.index))


def choose_best(candidates: Sequence[Candidate], scores: Mapping[Candidate, float]) -> Choice:
    """The `best` candidate, and why.

    Raises:
        TrainingError: none has a score.
    """
    chosen = best(candidates, scores)
    score, of = scores[chosen], f"{len(candidates)} point{'s' if len(candidates) > 1 else ''} tried"
    sharing = sum(scores.get(one) == score for one in candidates)
    if sharing > 1:
        words = f"is the smallest of the {sharing} points that share the highest validation score"
        return Choice(chosen, f"{chosen.name} {words}, {score:.4f}, of {of}")
    return Choice(chosen, f"{chosen.name} has the highest validation score, {score:.4f}, of {of}")


def choose_smallest(proof: Proof) -> Chooser:
    """A chooser of the smallest candidate that `proof` shows not to be inferior to the best one."""

    def choose(candidates: Sequence[Candidate], scores: Mapping[Candidate, float]) -> Choice:
        top = choose_best(candidates, scores)
        size = top.candidate.costs.params
        smaller = [one for one in candidates if one.costs.params < size and not isnan(scores.get(one, nan))]
        for one in sorted(smaller, key=lambda one: (one.costs.params, one.top.index)):
            shown = proof(one, top.candidate)
            if shown is not None:
                words = f"the smallest of {len(candidates)} points tried that is shown not to be inferior to the best"
                score = f"{top.candidate.name} ({scores[top.candidate]:.4f})"
                return Choice(one, f"{one.name} is {words}, {score}: {shown}")
        if not smaller:
            return top
        return Choice(top.candidate, f"{top.reason}, and no smaller one is shown not to be inferior to it")

    return choose
