from __future__ import annotations

from math import nan

import pytest

from toy_networks import TinyResNet
from ttl.cut.points import TruncationPoint, truncation_points
from ttl.errors import TrainingError
from ttl.search.select import choose_best
from ttl.search.strategies.joint import joint
from ttl.search.strategies.probe import Probed
from ttl.search.strategy import Batch, Found, Scores, drive


@pytest.fixture(scope="module")
def points() -> list[TruncationPoint]:
    return list(truncation_points(TinyResNet(), image_size=16))


def searched(points: list[TruncationPoint], *curve: tuple[float, float], whole: float = 0.5) -> Found:
    found = {point.name: Probed(*figures) for point, figures in zip(points, curve, strict=True)}

    def evaluate(batch: Batch) -> Scores:
        return {point.name: whole if point is points[-1] else 0.6 for point in batch.points}

    return drive(joint(points, choose_best, lambda: found), evaluate)


@pytest.mark.parametrize(("whole", "chosen"), [(0.5, 2), (0.7, 4), (nan, 2)])
def test_the_smallest_within_its_own_standard_error_goes_on_from_the_joint_network_and_meets_the_whole_one(
    points: list[TruncationPoint], whole: float, chosen: int
) -> None:
    found = searched(points, (0.5, 0.1), (0.85, 0.04), (0.87, 0.04), (0.9, 0.0), (0.89, 0.02), whole=whole)
    assert found.steps == (Batch("joint", (points[2],), start="joint"), Batch("whole", (points[4],)))
    assert found.choice.point is points[chosen]
    assert found.choice.reason.endswith(f"; the heads of the joint network spoke for {points[2].name}, of 5 points")


def test_where_the_highest_point_is_best_the_answer_is_a_plain_fine_tune_of_it(points: list[TruncationPoint]) -> None:
    found = searched(points, (0.5, 0.1), (0.5, 0.1), (nan, nan), (0.6, 0.1), (0.9, 0.0))
    assert found.steps == (Batch("whole", (points[-1],)),)
    assert found.choice.point is points[-1]


def test_without_any_score_there_is_no_pick(points: list[TruncationPoint]) -> None:
    with pytest.raises(TrainingError, match="No point could be probed"):
        searched(points, *[(nan, nan)] * 5)
