from __future__ import annotations

from math import isnan, nan

import pytest

from toy_candidates import cuts
from ttl.errors import TrainingError, UsageError
from ttl.search.candidates import Cut
from ttl.search.strategies import STRATEGIES, strategy
from ttl.search.strategy import Batch, Choice, Scores, Strategy, drive, one_by_one


class Table:
    """Scores by candidate; remembers what it was asked for."""

    def __init__(self, *scores: float) -> None:
        self.scores = dict(zip(cuts(), scores, strict=False))
        self.asked: list[Cut] = []

    def __call__(self, cut: Cut) -> float:
        self.asked.append(cut)
        return self.scores[cut]


def fixed(batches: list[Batch], received: list[Scores], chosen: Cut) -> Strategy:
    """A strategy that asks for `batches` whatever the scores, which it puts into `received`."""
    for batch in batches:
        received.append((yield batch))
    return Choice(chosen, "because")


def test_batches_are_tried_in_order_and_answered_with_their_own_scores() -> None:
    low, middle, high = cuts()[:3]
    batches = [Batch("first", (high, low)), Batch("second", (middle,))]
    received: list[Scores] = []
    table = Table(0.1, 0.2, 0.3)

    end = drive(fixed(batches, received, middle), one_by_one(table))

    assert table.asked == [high, low, middle]
    assert received == [{high: 0.3, low: 0.1}, {middle: 0.2}]
    assert end.choice == Choice(middle, "because")
    assert end.scores == {high: 0.3, low: 0.1, middle: 0.2}
    assert end.steps == tuple(batches)


def test_a_candidate_asked_for_again_is_answered_from_memory() -> None:
    low, high = cuts()[:2]
    received: list[Scores] = []
    table = Table(0.1, 0.2)

    end = drive(fixed([Batch("first", (low,)), Batch("second", (low, high))], received, low), one_by_one(table))

    assert table.asked == [low, high]
    assert received[1] == {low: 0.1, high: 0.2}
    assert end.steps == (Batch("first", (low,)), Batch("second", (high,)))


def test_a_batch_of_known_candidates_only_is_no_step() -> None:
    first = cuts()[0]
    batch = Batch("first", (first,))
    received: list[Scores] = []

    end = drive(fixed([batch, batch], received, first), one_by_one(Table(0.1)))

    assert received == [{first: 0.1}] * 2
    assert end.steps == (batch,)


def test_a_failed_trial_is_not_tried_again() -> None:
    first = cuts()[0]
    batch = Batch("first", (first,))
    received: list[Scores] = []
    table = Table(nan)

    drive(fixed([batch, batch], received, first), one_by_one(table))

    assert table.asked == [first]
    assert all(isnan(scores[first]) for scores in received)


def test_an_empty_batch_is_answered_and_is_no_step() -> None:
    received: list[Scores] = []

    end = drive(fixed([Batch("nothing", ())], received, cuts()[0]), one_by_one(Table()))

    assert received == [{}]
    assert end.steps == ()


def test_what_evaluating_raises_comes_through() -> None:
    first = cuts()[0]

    def fail(cut: Cut) -> float:
        raise TrainingError(f"{cut.name} failed")

    with pytest.raises(TrainingError, match=f"{first.name} failed"):
        drive(fixed([Batch("first", (first,))], [], first), one_by_one(fail))


def test_more_epochs_are_another_question_and_only_the_last_answer_counts() -> None:
    low, high = cuts()[:2]
    received: list[Scores] = []
    asked: list[tuple[Cut, int | None]] = []

    def evaluate(batch: Batch) -> Scores:
        asked.extend((cut, batch.epochs) for cut in batch.candidates)
        return {cut: float(batch.epochs or 9) for cut in batch.candidates}

    batches = [Batch("first", (low, high), epochs=2), Batch("first", (low, high), epochs=2), Batch("first", (high,))]
    end = drive(fixed(batches, received, high), evaluate)

    assert asked == [(low, 2), (high, 2), (high, None)]
    assert received == [{low: 2.0, high: 2.0}] * 2 + [{high: 9.0}]
    assert end.scores == {high: 9.0}
    assert end.steps == (batches[0], batches[2])


def test_a_strategy_that_needs_a_look_names_those_that_need_none() -> None:
    with pytest.raises(UsageError, match=r"^The strategy joint needs a look .* choose two-stage or exhaustive$"):
        strategy("joint", cuts())
    with pytest.raises(UsageError, match="There is no strategy 'best': choose one of joint, two-stage, "):
        strategy("best", cuts())


@pytest.mark.parametrize("name", STRATEGIES)
def test_only_the_evidence_that_a_strategy_names_is_produced(name: str) -> None:
    produced: list[str] = []

    class Watched(dict[str, object]):
        def __getitem__(self, key: str) -> object:
            produced.append(key)
            return super().__getitem__(key)

    from toy_candidates import curve_of

    evidence = Watched({key: lambda: curve_of(0.1, 0.2, 0.3, 0.4, 0.5) for key in ("probe", "joint", "svcca")})
    drive(strategy(name, cuts(), evidence=evidence), one_by_one(lambda cut: 0.5))  # type: ignore[arg-type]
    assert tuple(produced) == STRATEGIES[name].needs
