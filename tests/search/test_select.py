from __future__ import annotations

from dataclasses import replace
from math import inf, nan

import pytest

from toy_candidates import cuts
from ttl.errors import TrainingError
from ttl.search.candidates import Cut
from ttl.search.select import best, choose_best, choose_smallest
from ttl.search.strategies.two_stage import exhaustive
from ttl.search.strategy import drive, one_by_one


@pytest.fixture(scope="module")
def points() -> list[Cut]:
    """Three candidates, each with more parameters than the one below."""
    return list(cuts()[:3])


def with_params(cut: Cut, params: int) -> Cut:
    return replace(cut, point=replace(cut.point, params=params))


def scored(points: list[Cut], *scores: float) -> dict[Cut, float]:
    return dict(zip(points, scores, strict=True))


@pytest.mark.parametrize("winner", [0, 1, 2])
def test_the_highest_score_wins(points: list[Cut], winner: int) -> None:
    scores = [0.5, 0.5, 0.5]
    scores[winner] = 0.6

    assert best(points, scored(points, *scores)) is points[winner]


def test_among_equals_the_fewest_parameters_win_in_whatever_order(points: list[Cut]) -> None:
    scores = scored(points, 0.1, 0.7, 0.7)

    assert best(points, scores) is points[1]
    assert best(points[::-1], scores) is points[1]


def test_fewest_parameters_count_before_the_position(points: list[Cut]) -> None:
    heavy = with_params(points[0], points[2].costs.params + 1)

    assert best([heavy, points[2]], scored([heavy, points[2]], 0.7, 0.7)) is points[2]


def test_among_equals_of_one_size_the_lowest_wins(points: list[Cut]) -> None:
    upper = with_params(points[1], points[0].costs.params)

    assert best([upper, points[0]], scored([upper, points[0]], 0.7, 0.7)) is points[0]


def test_points_without_a_score_are_not_chosen(points: list[Cut]) -> None:
    assert best(points, {**scored(points, nan, -0.2, nan)}) is points[1]
    assert best(points, {points[2]: 0.1}) is points[2]


def test_an_infinitely_bad_score_is_a_score(points: list[Cut]) -> None:
    assert best(points, scored(points, nan, -inf, nan)) is points[1]


def test_scores_of_other_points_are_ignored(points: list[Cut]) -> None:
    assert best(points[:1], scored(points, 0.1, 0.9, 0.9)) is points[0]


@pytest.mark.parametrize("scores", [(nan, nan, nan), ()], ids=["all NaN", "none"])
def test_without_any_score_there_is_no_choice(points: list[Cut], scores: tuple[float, ...]) -> None:
    with pytest.raises(TrainingError, match=r"No truncation point could be fine-tuned, so none can be chosen"):
        best(points, scored(points[: len(scores)], *scores))


def proof_for(*names: str) -> tuple[list[tuple[str, str]], object]:
    """What was compared, and proof that speaks for the points of these names."""
    asked: list[tuple[str, str]] = []

    def proof(point: Cut, top: Cut) -> str | None:
        asked.append((point.name, top.name))
        return "it loses little" if point.name in names else None

    return asked, proof


def test_the_smallest_that_is_not_inferior_is_chosen(points: list[Cut]) -> None:
    low, middle, high = points
    asked, proof = proof_for(middle.name)
    choice = choose_smallest(proof)(points, scored(points, 0.6, 0.68, 0.7))
    assert choice.candidate is middle
    assert asked == [(low.name, high.name), (middle.name, high.name)]
    assert choice.reason == (
        f"{middle.name} is the smallest of 3 points tried that is shown not to be inferior to the best, "
        f"{high.name} (0.7000): it loses little"
    )


def test_the_best_is_chosen_where_nothing_speaks_for_a_smaller_one(points: list[Cut]) -> None:
    _, proof = proof_for()
    choice = choose_smallest(proof)(points, scored(points, 0.6, 0.7, 0.65))
    assert choice.candidate is points[1]
    assert choice.reason.endswith("of 3 points tried, and no smaller one is shown not to be inferior to it")


def test_a_point_that_failed_or_is_larger_is_never_compared(points: list[Cut]) -> None:
    asked, proof = proof_for(*(point.name for point in points))
    choice = choose_smallest(proof)(points, scored(points, nan, 0.7, 0.65))
    assert (choice.candidate, asked) == (points[1], [])
    assert choice == choose_best(points, scored(points, nan, 0.7, 0.65))


def test_exhaustive_tries_every_point_once(points: list[Cut]) -> None:
    tried: list[str] = []

    def evaluate(point: Cut) -> float:
        tried.append(point.name)
        return -abs(point.top.index - 2.0)

    end = drive(exhaustive(points, choose_best), one_by_one(evaluate))
    assert tried == [point.name for point in points]
    assert end.choice.candidate is points[1]
    assert [step.phase for step in end.steps] == ["exhaustive"]
