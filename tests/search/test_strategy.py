from __future__ import annotations

from math import isnan, nan

import pytest

from toy_networks import TinyResNet
from ttl.cut.points import TruncationPoint, truncation_points
from ttl.errors import TrainingError
from ttl.search.strategy import Batch, Choice, Scores, Strategy, drive, one_by_one


@pytest.fixture(scope="module")
def points() -> list[TruncationPoint]:
    return list(truncation_points(TinyResNet(), image_size=16))


class Table:
    """Scores by name; remembers what it was asked for."""

    def __init__(self, points: list[TruncationPoint], *scores: float) -> None:
        self.scores = {point.name: score for point, score in zip(points, scores, strict=False)}
        self.asked: list[str] = []

    def __call__(self, point: TruncationPoint) -> float:
        self.asked.append(point.name)
        return self.scores[point.name]


def fixed(batches: list[Batch], received: list[Scores], chosen: TruncationPoint) -> Strategy:
    """A strategy that asks for `batches` whatever the scores, which it puts into `received`."""
    for batch in batches:
        received.append((yield batch))
    return Choice(chosen, "because")


def test_batches_are_tried_in_order_and_answered_with_their_own_scores(
    points: list[TruncationPoint],
) -> None:
    low, middle, high = points[:3]
    batches = [Batch("first", (high, low)), Batch("second", (middle,))]
    received: list[Scores] = []
    table = Table(points, 0.1, 0.2, 0.3)

    found = drive(fixed(batches, received, middle), one_by_one(table))

    assert table.asked == [high.name, low.name, middle.name]
    assert received == [{high.name: 0.3, low.name: 0.1}, {middle.name: 0.2}]
    assert found.choice == Choice(middle, "because")
    assert found.scores == {high.name: 0.3, low.name: 0.1, middle.name: 0.2}
    assert found.steps == tuple(batches)


def test_a_point_asked_for_again_is_answered_from_memory(points: list[TruncationPoint]) -> None:
    low, high = points[:2]
    received: list[Scores] = []
    table = Table(points, 0.1, 0.2)

    found = drive(fixed([Batch("first", (low,)), Batch("second", (low, high))], received, low), one_by_one(table))

    assert table.asked == [low.name, high.name]
    assert received[1] == {low.name: 0.1, high.name: 0.2}
    assert found.steps == (Batch("first", (low,)), Batch("second", (high,)))


def test_a_batch_of_known_points_only_is_no_step(points: list[TruncationPoint]) -> None:
    batch = Batch("first", (points[0],))
    received: list[Scores] = []

    found = drive(fixed([batch, batch], received, points[0]), one_by_one(Table(points, 0.1)))

    assert received == [{points[0].name: 0.1}] * 2
    assert found.steps == (batch,)


def test_a_failed_trial_is_not_tried_again(points: list[TruncationPoint]) -> None:
    batch = Batch("first", (points[0],))
    received: list[Scores] = []
    table = Table(points, nan)

    drive(fixed([batch, batch], received, points[0]), one_by_one(table))

    assert table.asked == [points[0].name]
    assert all(isnan(scores[points[0].name]) for scores in received)


def test_an_empty_batch_is_answered_and_is_no_step(points: list[TruncationPoint]) -> None:
    received: list[Scores] = []

    found = drive(fixed([Batch("nothing", ())], received, points[0]), one_by_one(Table(points)))

    assert received == [{}]
    assert found.steps == ()


def test_what_evaluating_raises_comes_through(points: list[TruncationPoint]) -> None:
    def fail(point: TruncationPoint) -> float:
        raise TrainingError(f"{point.name} failed")

    with pytest.raises(TrainingError, match=f"{points[0].name} failed"):
        drive(fixed([Batch("first", (points[0],))], [], points[0]), one_by_one(fail))


def test_more_epochs_are_another_question_and_only_the_last_answer_counts(points: list[TruncationPoint]) -> None:
    low, high = points[:2]
    received: list[Scores] = []
    asked: list[tuple[str, int | None]] = []

    def evaluate(batch: Batch) -> Scores:
        asked.extend((point.name, batch.epochs) for point in batch.points)
        return {point.name: float(batch.epochs or 9) for point in batch.points}

    batches = [Batch("first", (low, high), epochs=2), Batch("first", (low, high), epochs=2), Batch("first", (high,))]
    found = drive(fixed(batches, received, high), evaluate)

    assert asked == [(low.name, 2), (high.name, 2), (high.name, None)]
    assert received == [{low.name: 2.0, high.name: 2.0}] * 2 + [{high.name: 9.0}]
    assert found.scores == {high.name: 9.0}
    assert found.steps == (batches[0], batches[2])
