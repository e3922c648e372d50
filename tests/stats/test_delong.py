from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from ttl.errors import DataError, UsageError
from ttl.stats import delong, delong_paired, intervals
from ttl.stats.delong import Z95, _areas


def sample(n: int, seed: int = 0, *, shift: float = 1.0, decimals: int = 8) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = (rng.random(n) < 0.4).astype(int)
    return labels, np.round(rng.normal(size=n) + shift * labels, decimals)


def structural_components(labels: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """DeLong's V10 and V01 by comparing every positive with every negative."""
    positive, negative = scores[labels == 1], scores[labels == 0]
    wins = (positive[:, None] > negative) + 0.5 * (positive[:, None] == negative)
    return wins.mean(1), wins.mean(0)


@pytest.mark.parametrize("decimals", [0, 1, 8])
def test_area_and_variance_are_delongs(decimals: int) -> None:
    labels, a = sample(80, decimals=decimals)
    _, b = sample(80, 1, shift=0.5, decimals=decimals)
    areas, cover = _areas(labels == 1, np.stack([a, b]))
    assert areas == pytest.approx([roc_auc_score(labels, a), roc_auc_score(labels, b)])
    (a10, a01), (b10, b01) = structural_components(labels, a), structural_components(labels, b)
    m, n = len(a10), len(a01)
    expected = np.cov([a10, b10]) / m + np.cov([a01, b01]) / n
    assert cover == pytest.approx(expected)


def test_a_small_case_by_hand() -> None:
    # Positives 3, 1; negatives 2, 0: wins (1, 1) and (0, 1), so V10 = (1, 1/2), V01 = (1/2, 1).
    _, cover = _areas(np.array([True, True, False, False]), np.array([[3.0, 1.0, 2.0, 0.0]]))
    assert cover[0, 0] == pytest.approx(0.125 / 2 + 0.125 / 2)
    result = delong([1, 1, 0, 0], [3, 1, 2, 0])
    step = Z95 * math.sqrt(0.125) / (0.75 * 0.25)
    assert result.value == 0.75
    assert result.ci_low == pytest.approx(1 / (1 + math.exp(step - math.log(3))))
    assert result.ci_high == pytest.approx(1 / (1 + math.exp(-step - math.log(3))))


def test_the_interval_is_near_the_bootstraps() -> None:
    labels, scores = sample(600)
    result = delong(labels, scores)
    chances = 1 / (1 + np.exp(-scores))
    drawn = intervals("binary", labels, np.stack([1 - chances, chances], 1))["auroc"]
    assert result.value == pytest.approx(drawn.value)
    assert (result.ci_low, result.ci_high) == pytest.approx((drawn.ci_low, drawn.ci_high), abs=0.006)


def test_the_interval_holds_the_truth_as_often_as_it_says() -> None:
    truth = 0.5 * (1 + math.erf(1 / 2))  # of two unit normals one apart: Phi(1 / sqrt 2)
    held = [result.ci_low <= truth <= result.ci_high for result in (delong(*sample(120, seed)) for seed in range(400))]
    assert 0.92 < np.mean(held) < 0.98


def test_two_models_are_compared_on_the_same_samples() -> None:
    labels, a = sample(300)
    b = a + np.random.default_rng(2).normal(scale=0.8, size=300)
    result = delong_paired(labels, a, b)
    assert result.difference.value == pytest.approx(roc_auc_score(labels, a) - roc_auc_score(labels, b))
    back = delong_paired(labels, b, a)
    assert (back.z, back.p) == pytest.approx((-result.z, result.p))
    assert result.p == pytest.approx(math.erfc(abs(result.z) / math.sqrt(2)))
    assert result.difference.ci_low < result.difference.value < result.difference.ci_high


def test_no_difference_is_rejected_as_often_as_it_should_be() -> None:
    rejected = []
    for seed in range(300):
        rng = np.random.default_rng(seed)
        labels, common = sample(150, seed)
        a, b = (common + rng.normal(size=150) for _ in range(2))
        rejected.append(delong_paired(labels, a, b).p < 0.05)
    assert 0.02 < np.mean(rejected) < 0.09


def test_the_same_ranking_is_no_difference() -> None:
    labels, a = sample(50)
    result = delong_paired(labels, a, 2 * a + 1)
    assert (result.difference.value, result.p, math.isnan(result.z)) == (0, 1, True)


def test_edges() -> None:
    perfect = delong([0, 0, 1, 1], [0, 1, 2, 3])
    assert perfect.value == 1
    assert math.isnan(perfect.ci_low)
    assert math.isnan(perfect.ci_high)
    assert delong([0, 1], [5, 5]).value == 0.5
    assert math.isnan(delong([1, 1], [0.1, 0.2]).value)
    assert math.isnan(delong_paired([0, 0], [0.1, 0.2], [0.1, 0.2]).p)


@pytest.mark.parametrize(
    ("labels", "scores", "error", "text"),
    [
        ([0, 1], [0.1], UsageError, r"must both be \(n,\)"),
        ([0, 2], [0.1, 0.2], DataError, "labels must be 0 or 1"),
        ([0, 1], [0.1, math.inf], DataError, "not finite"),
    ],
)
def test_bad_input_is_named(labels: list[int], scores: list[float], error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        delong(labels, scores)


def test_nothing_is_certain_from_a_single_positive() -> None:
    lone = delong([1, *[0] * 20], [0.5, *np.linspace(0, 1, 20)])
    assert 0 < lone.value < 1
    assert math.isnan(lone.ci_low)
    two = delong_paired([0, 1], [0.1, 0.9], [0.9, 0.1])
    assert two.difference.value == 1
    assert math.isnan(two.p)
    assert math.isnan(two.difference.ci_low)
    reversed_ = delong_paired([0, 0, 1, 1], [0, 1, 2, 3], [3, 2, 1, 0])
    assert math.isnan(reversed_.p)
