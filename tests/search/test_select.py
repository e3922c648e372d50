from __future__ import annotations

from dataclasses import replace
from math import inf, nan

import pytest

from toy_networks import TinyResNet
from ttl.cut.points import TruncationPoint, truncation_points
from ttl.errors import TrainingError
from ttl.search.select import best, choose_best, choose_smallest
from ttl.search.strategies.exhaustive import exhaustive
from ttl.search.strategy import drive, one_by_one


@pytest.fixture(scope="module")
def points() -> list[TruncationPoint]:
    """Three points, each with more parameters than the one below."""
    return list(truncation_points(TinyResNet(), image_size=16))[:3]


def scored(points: list[TruncationPoint], *scores: float) -> dict[str, float]:
    return {point.name: score for point, score in zip(points, scores, strict=True)}


@pytest.mark.parametrize("winner", [0, 1, 2])
def test_the_highest_score_wins(points: list[TruncationPoint], winner: int) -> None:
    scores = [0.5, 0.5, 0.5]
    scores[winner] = 0.6

    assert best(points, scored(points, *scores)) is points[winner]


def test_among_equals_the_fewest_parameters_win_in_whatever_order(points: list[TruncationPoint]) -> None:
    scores = scored(points, 0.1, 0.7, 0.7)

    assert best(points, scores) is points[1]
    assert best(points[::-1], scores) is points[1]


def test_fewest_parameters_count_before_the_position(points: list[TruncationPoint]) -> None:
    heavy = replace(points[0], params=points[2].params + 1)

    assert best([heavy, points[2]], scored([heavy, points[2]], 0.7, 0.7)) is points[2]


def test_among_equals_of_one_size_the_lowest_wins(points: list[TruncationPoint]) -> None:
    upper = replace(points[1], params=points[0].params)

    assert best([upper, points[0]], scored([upper, points[0]], 0.7, 0.7)) is points[0]


def test_points_without_a_score_are_not_chosen(points: list[TruncationPoint]) -> None:
    assert best(points, {**scored(points, nan, -0.2, nan)}) is points[1]
    assert best(points, {points[2].name: 0.1}) is points[2]


def test_an_infinitely_bad_score_is_a_score(points: list[TruncationPoint]) -> None:
    assert best(points, scored(points, nan, -inf, nan)) is points[1]


def test_scores_of_other_points_are_ignored(points: list[TruncationPoint]) -> None:
    assert best(points[:1], scored(points, 0.1, 0.9, 0.9)) is points[0]


@pytest.mark.parametrize("scores", [(nan, nan, nan), ()], ids=["all NaN", "none"])
def test_without_any_score_there_is_no_choice(points: list[TruncationPoint], scores: tuple[float, ...]) -> None:
    with pytest.raises(TrainingError, match=r"No truncation point could be fine-tuned, so none can be chosen"):
        best(points, scored(points[: len(scores)], *scores))


def evidence_for(*names: str) -> tuple[list[tuple[str, str]], object]:
    """What was compared, and evidence that speaks for the points of these names."""
    asked: list[tuple[str, str]] = []

    def evidence(point: TruncationPoint, top: TruncationPoint) -> str | None:
        asked.append((point.name, top.name))
        return "it loses little" if point.name in names else None

    return asked, evidence


def test_the_smallest_that_is_not_inferior_is_chosen(points: list[TruncationPoint]) -> None:
    low, middle, high = points
    asked, evidence = evidence_for(middle.name)
    choice = choose_smallest(evidence)(points, scored(points, 0.6, 0.68, 0.7))
    assert choice.point is middle
    assert asked == [(low.name, high.name), (middle.name, high.name)]
    assert choice.reason == (
        f"{middle.name} is the smallest of 3 points tried that is shown not to be inferior to the best, "
        f"{high.name} (0.7000): it loses little"
    )


def test_the_best_is_chosen_where_nothing_speaks_for_a_smaller_one(points: list[TruncationPoint]) -> None:
    _, evidence = evidence_for()
    choice = choose_smallest(evidence)(points, scored(points, 0.6, 0.7, 0.65))
    assert choice.point is points[1]
    assert choice.reason.endswith("of 3 points tried, and no smaller one is shown not to be inferior to it")


def test_a_point_that_failed_or_is_larger_is_never_compared(points: list[TruncationPoint]) -> None:
    asked, evidence = evidence_for(*(point.name for point in points))
    choice = choose_smallest(evidence)(points, scored(points, nan, 0.7, 0.65))
    assert (choice.point, asked) == (points[1], [])
    assert choice == choose_best(points, scored(points, nan, 0.7, 0.65))


def test_exhaustive_tries_every_point_once(points: list[TruncationPoint]) -> None:
    tried: list[str] = []

    def evaluate(point: TruncationPoint) -> float:
        tried.append(point.name)
        return -abs(point.index - 2.0)

    found = drive(exhaustive(points, choose_best), one_by_one(evaluate))
    assert tried == [point.name for point in points]
    assert found.choice.point is points[1]
    assert [step.phase for step in found.steps] == ["exhaustive"]
