from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import mannwhitneyu

from toy_networks import TinyResNet
from ttl.cut.points import TruncationPoint, truncation_points
from ttl.search.select import choose_best
from ttl.search.strategies.svcca import Similarity, first_overlap, svcca
from ttl.search.strategy import drive, one_by_one

APART = Similarity((0.9, 0.8, 0.7), (0.1, 0.2, 0.3))
MIXED = Similarity((0.9, 0.25, 0.15), (0.1, 0.2, 0.3))


@pytest.fixture(scope="module")
def points() -> list[TruncationPoint]:
    return list(truncation_points(TinyResNet(), image_size=16))


def test_the_overlap_is_the_share_of_pairs_in_which_chance_wins() -> None:
    assert APART.overlap == 0
    assert MIXED.overlap == pytest.approx(3 / 9)
    assert Similarity((0.5, 0.5), (0.5,)).overlap == 0.5
    assert Similarity((0.1,), (0.5, 0.6)).overlap == 1


def test_the_overlap_is_scipys_mann_whitney_statistic() -> None:
    rng = np.random.default_rng(0)
    features, chance = rng.uniform(0.2, 1, 300).round(2), rng.uniform(0, 0.6, 200).round(2)
    expected = mannwhitneyu(chance, features).statistic / (300 * 200)
    assert Similarity(tuple(features), tuple(chance)).overlap == pytest.approx(expected)


def test_the_lowest_point_that_overlaps_is_taken_and_the_highest_where_none_does(
    points: list[TruncationPoint],
) -> None:
    found = {point.name: MIXED if point.index in (3, 5) else APART for point in points}
    assert first_overlap(points, found) is points[2]
    assert first_overlap(points, {point.name: APART for point in points}) is points[-1]


@pytest.mark.parametrize("overlaps", [2, None])
def test_two_fine_tunes_or_one_and_the_features_are_compared_after_the_first(
    points: list[TruncationPoint], overlaps: int | None
) -> None:
    order: list[str] = []

    def evaluate(point: TruncationPoint) -> float:
        order.append(point.name)
        return 0.5

    def similarities() -> dict[str, Similarity]:
        order.append("compared")
        return {point.name: MIXED if point.index == overlaps else APART for point in points}

    found = drive(svcca(points, choose_best, similarities), one_by_one(evaluate))
    expected = [points[-1].name, "compared"] + ([points[1].name] if overlaps else [])
    assert order == expected
    assert found.choice.point is (points[1] if overlaps else points[-1])


def test_distributions_survive_json() -> None:
    again = Similarity.from_json(MIXED.to_json() | {"cut": "stem"})
    assert again == MIXED
    assert MIXED.to_json()["overlap"] == MIXED.overlap
