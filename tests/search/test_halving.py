from __future__ import annotations

from math import isnan, nan

import pytest

from toy_networks import TinyResNet
from ttl.cut.points import TruncationPoint, truncation_points
from ttl.errors import TrainingError
from ttl.search.select import choose_best
from ttl.search.strategies.exhaustive import exhaustive
from ttl.search.strategies.halving import halving
from ttl.search.strategies.two_stage import two_stage
from ttl.search.strategy import Batch, Found, Scores, drive


@pytest.fixture(scope="module")
def points() -> list[TruncationPoint]:
    """Five points; the last is the whole network."""
    return list(truncation_points(TinyResNet(), image_size=16))


class Curves:
    """A score for each number of epochs: the first that is at least as large as what is asked for."""

    def __init__(self, points: list[TruncationPoint], *final: float, slow: dict[int, float] | None = None) -> None:
        self.final = {point.name: score for point, score in zip(points, final, strict=True)}
        self.slow = {points[i].name: score for i, score in (slow or {}).items()}
        self.asked: list[tuple[int | None, list[str]]] = []

    def __call__(self, batch: Batch) -> Scores:
        names = [point.name for point in batch.points]
        self.asked.append((batch.epochs, names))
        early = self.slow if batch.epochs else {}
        return {name: early.get(name, self.final[name]) for name in names}


def halved(points: list[TruncationPoint], curves: Curves, *, cap: int | None = None, margin: float = 0.01) -> Found:
    search = exhaustive(points, choose_best)
    return drive(halving(search, first=2, cap=cap, margin=margin, spared=points[-1].name), curves)


def test_the_lower_half_is_stopped_at_each_rung_and_the_whole_network_never(points: list[TruncationPoint]) -> None:
    curves = Curves(points, 0.1, 0.4, 0.9, 0.6, 0.2)
    found = halved(points, curves)
    a, b, c, d, whole = (point.name for point in points)
    assert curves.asked == [(2, [a, b, c, d, whole]), (4, [b, c, d, whole]), (8, [c, d, whole]), (None, [c, d, whole])]
    assert found.choice.point is points[2]
    assert found.scores == {c: 0.9, d: 0.6, whole: 0.2}


def test_what_is_within_the_margin_of_the_best_goes_on(points: list[TruncationPoint]) -> None:
    curves = Curves(points, 0.895, 0.1, 0.899, 0.9, 0.9)
    found = halved(points, curves)
    assert set(found.scores) == {points[i].name for i in (0, 2, 3, 4)}


def test_no_rung_goes_beyond_the_cap(points: list[TruncationPoint]) -> None:
    curves = Curves(points, 0.1, 0.4, 0.9, 0.6, 0.2)
    halved(points, curves, cap=4)
    assert [epochs for epochs, _ in curves.asked] == [2, None]


def test_one_that_starts_slowly_is_lost(points: list[TruncationPoint]) -> None:
    """The price of halving, which the docs name."""
    curves = Curves(points, 0.1, 0.4, 0.95, 0.6, 0.2, slow={2: 0.05})
    assert halved(points, curves).choice.point is points[3]


def test_failures_fall_out_and_nothing_is_chosen_of_nothing(points: list[TruncationPoint]) -> None:
    found = halved(points, Curves(points, nan, 0.4, nan, 0.6, 0.2))
    assert found.choice.point is points[3]
    with pytest.raises(TrainingError, match="No truncation point could be fine-tuned"):
        halved(points, Curves(points, nan, nan, nan, nan, nan))


def test_the_strategy_inside_sees_nan_for_what_was_stopped(points: list[TruncationPoint]) -> None:
    scores = {point.name: 0.1 * point.index for point in points}
    search = halving(two_stage(points, choose_best), first=1, cap=None, margin=0.01, spared=points[-1].name)
    found = drive(search, lambda batch: {point.name: scores[point.name] for point in batch.points})
    assert found.choice.point is points[-1]
    assert not any(isnan(score) for score in found.scores.values() if score > 0)
