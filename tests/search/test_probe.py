from __future__ import annotations

from math import nan

import pytest

from toy_networks import TinyResNet
from ttl.cut.points import TruncationPoint, truncation_points
from ttl.errors import TrainingError
from ttl.search.select import choose_best
from ttl.search.strategies.probe import Probed, one_standard_error, probe
from ttl.search.strategy import drive, one_by_one


@pytest.fixture(scope="module")
def points() -> list[TruncationPoint]:
    return list(truncation_points(TinyResNet(), image_size=16))


def curve(points: list[TruncationPoint], *means: float, se: float = 0.02) -> dict[str, Probed]:
    return {point.name: Probed(mean, se) for point, mean in zip(points, means, strict=True)}


def test_the_smallest_within_a_standard_error_of_the_best_is_picked(points: list[TruncationPoint]) -> None:
    assert one_standard_error(points, curve(points, 0.5, 0.69, 0.6, 0.7, 0.685)) is points[1]
    assert one_standard_error(points, curve(points, 0.5, 0.69, 0.6, 0.7, 0.685, se=0.001)) is points[3]
    assert one_standard_error(points, curve(points, nan, nan, nan, 0.6, 0.7)) is points[4]
    with pytest.raises(TrainingError, match="No point could be probed"):
        one_standard_error(points, curve(points, nan, nan, nan, nan, nan))


@pytest.mark.parametrize(("picked", "chosen"), [(0.9, 1), (0.3, 4)])
def test_two_fine_tunes_decide_and_not_cutting_is_an_answer(
    points: list[TruncationPoint], picked: float, chosen: int
) -> None:
    tried: list[str] = []

    def evaluate(point: TruncationPoint) -> float:
        tried.append(point.name)
        return picked if point is points[1] else 0.5

    found = drive(probe(points, choose_best, lambda: curve(points, 0.1, 0.7, 0.6, 0.6, 0.6)), one_by_one(evaluate))
    assert tried == [points[1].name, points[4].name]
    assert found.choice.point is points[chosen]


def test_where_the_probe_speaks_for_the_whole_network_there_is_one_fine_tune(points: list[TruncationPoint]) -> None:
    found = drive(
        probe(points, choose_best, lambda: curve(points, 0.1, 0.2, 0.3, 0.4, 0.9)), one_by_one(lambda point: 0.5)
    )
    assert [[point.name for point in step.points] for step in found.steps] == [[points[4].name]]


def test_what_was_probed_survives_json() -> None:
    assert Probed.from_json(Probed(0.5, 0.1).to_json() | {"cut": "stem"}) == Probed(0.5, 0.1)
    assert Probed(nan, nan).to_json() == {"mean": None, "se": None}
