from __future__ import annotations

from math import isnan, nan

import pytest

from toy_candidates import cuts
from ttl.errors import TrainingError
from ttl.search.candidates import Cut
from ttl.search.select import choose_best
from ttl.search.strategies.halving import halving
from ttl.search.strategies.two_stage import exhaustive, two_stage
from ttl.search.strategy import Batch, Scores, SearchEnd, drive


class Curves:
    """A score for each number of epochs: the first that is at least as large as what is asked for."""

    def __init__(self, *final: float, slow: dict[int, float] | None = None) -> None:
        self.final = dict(zip(cuts(), final, strict=True))
        self.slow = {cuts()[i]: score for i, score in (slow or {}).items()}
        self.asked: list[tuple[int | None, tuple[Cut, ...]]] = []

    def __call__(self, batch: Batch) -> Scores:
        self.asked.append((batch.epochs, batch.candidates))
        early = self.slow if batch.epochs else {}
        return {cut: early.get(cut, self.final[cut]) for cut in batch.candidates}


def halved(curves: Curves, *, cap: int | None = None, margin: float = 0.01) -> SearchEnd:
    search = exhaustive(cuts(), choose_best)
    return drive(halving(search, first=2, cap=cap, margin=margin, spared=cuts()[-1]), curves)


def test_the_lower_half_is_stopped_at_each_rung_and_the_whole_network_never() -> None:
    curves = Curves(0.1, 0.4, 0.9, 0.6, 0.2)
    end = halved(curves)
    a, b, c, d, whole = cuts()
    assert curves.asked == [(2, (a, b, c, d, whole)), (4, (b, c, d, whole)), (8, (c, d, whole)), (None, (c, d, whole))]
    assert end.choice.candidate is cuts()[2]
    assert end.scores == {c: 0.9, d: 0.6, whole: 0.2}


def test_what_is_within_the_margin_of_the_best_goes_on() -> None:
    curves = Curves(0.895, 0.1, 0.899, 0.9, 0.9)
    end = halved(curves)
    assert set(end.scores) == {cuts()[i] for i in (0, 2, 3, 4)}


def test_no_rung_goes_beyond_the_cap() -> None:
    curves = Curves(0.1, 0.4, 0.9, 0.6, 0.2)
    halved(curves, cap=4)
    assert [epochs for epochs, _ in curves.asked] == [2, None]


def test_one_that_starts_slowly_is_lost() -> None:
    """The price of halving, which the docs name."""
    curves = Curves(0.1, 0.4, 0.95, 0.6, 0.2, slow={2: 0.05})
    assert halved(curves).choice.candidate is cuts()[3]


def test_failures_fall_out_and_nothing_is_chosen_of_nothing() -> None:
    end = halved(Curves(nan, 0.4, nan, 0.6, 0.2))
    assert end.choice.candidate is cuts()[3]
    with pytest.raises(TrainingError, match="No truncation point could be fine-tuned"):
        halved(Curves(nan, nan, nan, nan, nan))


def test_the_strategy_inside_sees_nan_for_what_was_stopped() -> None:
    scores = {cut: 0.1 * cut.top.index for cut in cuts()}
    search = halving(two_stage(cuts(), choose_best), first=1, cap=None, margin=0.01, spared=cuts()[-1])
    end = drive(search, lambda batch: {cut: scores[cut] for cut in batch.candidates})
    assert end.choice.candidate is cuts()[-1]
    assert not any(isnan(score) for score in end.scores.values() if score > 0)
