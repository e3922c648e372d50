from __future__ import annotations

from math import nan

import pytest

from ttl.cut.points import TruncationPoint
from ttl.errors import TrainingError
from ttl.search.candidates import Cut
from ttl.search.select import choose_best
from ttl.search.strategies.two_stage import two_stage
from ttl.search.strategy import SearchEnd, drive, one_by_one

STAGE_ENDS = (2, 5, 8)
WHOLE = 10
FLAT = [0.5] * WHOLE


def make_cuts(count: int = WHOLE, ends: tuple[int, ...] = STAGE_ENDS) -> list[Cut]:
    """Cuts at points p1 (lowest) to p<count>, of which those in `ends` close a stage."""
    points = [
        TruncationPoint(
            index=i,
            name=f"p{i}",
            kind="block",
            stage=1 + sum(end < i for end in ends),
            is_stage_end=i in ends,
            channels=8,
            reduction=2,
            params=100 * i,
            macs=1000 * i,
            shape=(8, 4, 4),
            sides=(8, 8),
            channel_axis=0,
            image_channels=3,
            is_finished=False,
            is_within_weights=True,
            values=(f"value{i}",),
        )
        for i in range(1, count + 1)
    ]
    return [Cut("net", point) for point in points]


def search(scores: list[float], ends: tuple[int, ...] = STAGE_ENDS) -> tuple[SearchEnd, list[str]]:
    """Search points whose scores are `scores`, lowest first; also the names in the order they were tried."""
    table = {f"p{i}": score for i, score in enumerate(scores, start=1)}
    tried: list[str] = []

    def evaluate(cut: Cut) -> float:
        tried.append(cut.name)
        return table[cut.name]

    return drive(two_stage(make_cuts(len(scores), ends), choose_best), one_by_one(evaluate)), tried


def with_scores(**changed: float) -> list[float]:
    return [changed.get(f"p{i}", score) for i, score in enumerate(FLAT, start=1)]


@pytest.mark.parametrize(
    ("best_end", "fine"),
    [
        ("p2", ["p1", "p3", "p4"]),
        ("p5", ["p3", "p4", "p6", "p7"]),
        ("p8", ["p6", "p7", "p9"]),
        ("p10", ["p9"]),
    ],
    ids=["bottom", "middle", "upper", "whole network"],
)
def test_tries_stage_ends_then_all_between_the_best_ones_neighbours(best_end: str, fine: list[str]) -> None:
    end, tried = search(with_scores(**{best_end: 0.9}))

    assert tried == ["p2", "p5", "p8", "p10", *fine]
    assert [(step.phase, [cut.name for cut in step.candidates]) for step in end.steps] == [
        ("coarse", ["p2", "p5", "p8", "p10"]),
        ("fine", fine),
    ]
    assert end.choice.candidate.name == best_end
    assert {cut.name for cut in end.scores} == set(tried)


@pytest.mark.parametrize("best_end", STAGE_ENDS)
def test_no_point_is_tried_twice(best_end: int) -> None:
    _, tried = search(with_scores(**{f"p{best_end}": 0.9}))

    assert len(tried) == len(set(tried))


@pytest.mark.parametrize("better", ["p3", "p4", "p6", "p7"])
def test_a_point_next_to_the_best_stage_end_wins_when_it_scores_higher(better: str) -> None:
    end, _ = search(with_scores(p5=0.8, **{better: 0.9}))

    assert end.choice.candidate.name == better
    assert end.choice.reason == f"{better} has the highest validation score, 0.9000, of 8 points tried"


def test_a_better_point_elsewhere_is_never_seen() -> None:
    end, tried = search(with_scores(p5=0.8, p9=0.99))

    assert "p9" not in tried
    assert end.choice.candidate.name == "p5"


def test_a_better_point_below_the_lowest_stage_end_is_end() -> None:
    end, _ = search(with_scores(p1=0.9, p2=0.8))

    assert end.choice.candidate.name == "p1"


def test_the_whole_network_is_chosen_when_best() -> None:
    end, _ = search(with_scores(p10=0.9))

    assert end.choice.candidate.name == "p10"
    assert end.choice.reason == "p10 has the highest validation score, 0.9000, of 5 points tried"


def test_the_whole_network_counts_once_when_it_is_a_stage_end() -> None:
    _, tried = search(with_scores(p10=0.9), ends=(2, 5, 10))

    assert tried == ["p2", "p5", "p10", "p6", "p7", "p8", "p9"]


def test_equal_stage_ends_go_to_the_smaller() -> None:
    end, tried = search(with_scores(p5=0.9, p8=0.9))

    assert tried[4:] == ["p3", "p4", "p6", "p7"]
    assert end.choice.candidate.name == "p5"
    assert end.choice.reason == (
        "p5 is the smallest of the 2 points that share the highest validation score, 0.9000, of 8 points tried"
    )


def test_a_fine_point_below_wins_a_tie_with_the_best_stage_end() -> None:
    end, _ = search(with_scores(p4=0.9, p5=0.9, p7=0.9))

    assert end.choice.candidate.name == "p4"
    assert end.choice.reason.startswith("p4 is the smallest of the 3 points that share the highest")


def test_a_fine_point_above_loses_a_tie_with_the_best_stage_end() -> None:
    end, _ = search(with_scores(p5=0.9, p6=0.9))

    assert end.choice.candidate.name == "p5"


def test_with_all_scores_equal_the_lowest_point_is_chosen() -> None:
    end, tried = search(FLAT)

    assert tried == ["p2", "p5", "p8", "p10", "p1", "p3", "p4"]
    assert end.choice.candidate.name == "p1"


def test_stage_ends_without_a_score_are_skipped_but_still_bound_the_fine_search() -> None:
    end, tried = search(with_scores(p2=nan, p5=0.7, p8=nan))

    assert tried == ["p2", "p5", "p8", "p10", "p3", "p4", "p6", "p7"]
    assert end.choice.candidate.name == "p5"


def test_fine_points_without_a_score_are_skipped() -> None:
    end, _ = search(with_scores(p3=nan, p4=nan, p5=0.7, p6=0.8, p7=nan))

    assert end.choice.candidate.name == "p6"


def test_a_lone_score_is_chosen_however_low() -> None:
    end, _ = search([nan] * 7 + [0.0] + [nan] * 2)

    assert end.choice.candidate.name == "p8"


def test_without_any_score_nothing_can_be_chosen() -> None:
    with pytest.raises(TrainingError, match="No truncation point could be fine-tuned"):
        search([nan] * WHOLE)


@pytest.mark.parametrize("ends", [(), (1,)])
def test_a_network_with_one_point(ends: tuple[int, ...]) -> None:
    end, tried = search([0.5], ends)

    assert tried == ["p1"]
    assert [step.phase for step in end.steps] == ["coarse"]
    assert end.choice.candidate.name == "p1"


def test_a_network_with_one_point_that_fails() -> None:
    with pytest.raises(TrainingError, match="so none can be chosen"):
        search([nan])


def test_when_every_point_is_a_stage_end_there_is_no_fine_search() -> None:
    end, tried = search([0.1, 0.3, 0.2], ends=(1, 2, 3))

    assert tried == ["p1", "p2", "p3"]
    assert [step.phase for step in end.steps] == ["coarse"]
    assert end.choice.candidate.name == "p2"


def test_without_stage_ends_the_whole_network_is_searched_downwards() -> None:
    end, tried = search([0.1, 0.4, 0.2, 0.3], ends=())

    assert tried == ["p4", "p1", "p2", "p3"]
    assert end.choice.candidate.name == "p2"
