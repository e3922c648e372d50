from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import mannwhitneyu

from ttl.search.evidence.overlap import Similarities, Similarity


def overlap(features: tuple[float, ...], chance: tuple[float, ...]) -> float:
    similarity = Similarity("stem", features)
    return Similarities((similarity,), chance).overlap(similarity)


def test_the_overlap_is_the_share_of_pairs_in_which_chance_wins() -> None:
    chance = (0.1, 0.2, 0.3)
    assert overlap((0.9, 0.8, 0.7), chance) == 0
    assert overlap((0.9, 0.25, 0.15), chance) == pytest.approx(3 / 9)
    assert overlap((0.5, 0.5), (0.5,)) == 0.5
    assert overlap((0.1,), (0.5, 0.6)) == 1


def test_the_overlap_is_scipys_mann_whitney_statistic() -> None:
    rng = np.random.default_rng(0)
    features, chance = rng.uniform(0.2, 1, 300).round(2), rng.uniform(0, 0.6, 200).round(2)
    expected = mannwhitneyu(chance, features).statistic / (300 * 200)
    assert overlap(tuple(features), tuple(chance)) == pytest.approx(expected)


def test_the_curve_has_an_overlap_for_each_candidate() -> None:
    points = (Similarity("stem", (0.9,)), Similarity("layer1", (0.1,)))
    curve = Similarities(points, (0.5,)).curve()
    assert [(look.cut, look.mean) for look in curve.looks] == [("stem", 0.0), ("layer1", 1.0)]
