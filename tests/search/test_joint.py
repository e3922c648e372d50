from __future__ import annotations

from math import nan

import pytest

from networks import TinyResNet
from ttl.errors import TrainingError
from ttl.points import TruncationPoint, truncation_points
from ttl.search.joint import joint
from ttl.search.probe import Probed
from ttl.search.select import choose_best
from ttl.search.strategy import Batch, Found, Scores, drive


@pytest.fixture(scope="module")
def points() -> list[TruncationPoint]:
    return list(truncation_points(TinyResNet(), image_size=16))


def searched(points: list[TruncationPoint], *curve: tuple[float, float], score: float = 0.5) -> Found:
    found = {point.name: Probed(*figures) for point, figures in zip(points, curve, strict=True)}

    def evaluate(batch: Batch) -> Scores:
        return {point.name: score for point in batch.points}

    return drive(joint(points, choose_best, lambda: found), evaluate)


def test_the_smallest_whose_gap_is_within_its_own_standard_error_is_fine_tuned_from_the_joint_network(
    points: list[TruncationPoint],
) -> None:
    found = searched(points, (0.5, 0.1), (0.85, 0.04), (0.87, 0.04), (0.9, 0.0), (0.89, 0.02))
    assert found.steps == (Batch("joint", (points[2],), start="joint"),)
    assert found.choice.point is points[2]
    assert found.choice.reason == (
        f"{points[2].name} is the smallest of 5 points whose head in the joint network validates within a standard "
        "error of the best one (0.8700, 0.9000)"
    )


def test_where_the_highest_point_is_best_the_answer_is_a_plain_fine_tune_of_it(points: list[TruncationPoint]) -> None:
    found = searched(points, (0.5, 0.1), (0.5, 0.1), (nan, nan), (0.6, 0.1), (0.9, 0.0))
    assert found.steps == (Batch("joint", (points[-1],), start="pretrained"),)


def test_a_failed_final_fine_tune_leaves_nothing_to_choose(points: list[TruncationPoint]) -> None:
    with pytest.raises(TrainingError, match="No truncation point could be fine-tuned"):
        searched(points, (0.5, 0.1), (0.9, 0.0), (0.5, 0.1), (0.5, 0.1), (0.5, 0.1), score=nan)
