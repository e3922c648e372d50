"""The jackknife's standard errors and degrees of freedom, and the claims that rest on them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import beta

from ttl.stats import Estimate, NonInferiority, intervals, non_inferior, paired_difference, paired_error
from ttl.stats.jackknife import MOST_UNITS, Units


def two_columns(positive: np.ndarray) -> np.ndarray:
    return np.stack([1 - positive, positive], axis=1)


def decided(right: np.ndarray, labels: np.ndarray) -> np.ndarray:
    return two_columns(np.where(right, labels, 1 - labels).astype(float))


def seen_by_two(n: int, *, seed: int = 0, shift: float = 2.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels, and probabilities of two models whose errors are alike."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 2
    shared, one, other = rng.standard_normal((3, n))
    scores = (shift * labels + 0.9 * shared + 0.4 * own for own in (one, other))
    a, b = (two_columns(1 / (1 + np.exp(-each))) for each in scores)
    return labels, a, b


def test_the_error_of_a_mean_is_the_textbooks() -> None:
    labels = np.ones(50, int)
    values = np.random.default_rng(0).random(50)
    units = Units.of(labels, None, 0)
    without = np.array([np.delete(values, i).mean() for i in range(50)])
    assert (units.influence(without) ** 2).sum() == pytest.approx(values.var(ddof=1) / 50)


def test_strata_vary_each_by_itself() -> None:
    labels = np.repeat([0, 1], [30, 70])
    values = np.random.default_rng(0).random(100) + 10 * labels
    without = np.array([np.delete(values, i).mean() for i in range(100)])
    variance = (Units.of(labels, None, 0).influence(without) ** 2).sum()
    by_hand = sum((count / 100) ** 2 * values[labels == c].var(ddof=1) / count for c, count in ((0, 30), (1, 70)))
    assert variance == pytest.approx(by_hand, rel=0.05)


def test_patients_are_left_out_whole_and_are_worth_what_their_sizes_allow() -> None:
    groups = list("aaaaaaaabcd")
    units = Units.of(np.zeros(11, int), groups, 0)
    (weights,) = units.left_out()
    assert weights.tolist() == [[float(group != name) for group in groups] for name in "abcd"]
    assert units.total == pytest.approx(11**2 / (64 + 3))
    assert units.fewest == 11


def test_many_units_are_left_out_in_blocks_of_one_size() -> None:
    labels = np.repeat([0, 1], [4000, 6000])
    units = Units.of(labels, None, 0)
    assert len(units.stratum) == MOST_UNITS
    assert set(np.bincount(units.of_sample)) == {10}
    assert all(len(set(labels[units.of_sample == block])) == 1 for block in range(0, MOST_UNITS, 97))


def test_blocks_give_the_error_that_single_samples_give(monkeypatch: pytest.MonkeyPatch) -> None:
    case = seen_by_two(900)
    alone = paired_error("auprc", "binary", *case)
    monkeypatch.setattr("ttl.stats.jackknife.MOST_UNITS", 300)
    assert paired_error("auprc", "binary", *case) == pytest.approx(alone, rel=0.15)


def test_a_stratum_of_one_joins_another() -> None:
    units = Units.of(np.array([0, 0, 0, 1]), None, 0)
    assert set(units.stratum) == {0}
    assert len(set(Units.of(np.array([0, 0, 0, 1, 2]), None, 0).stratum)) == 2


def test_few_images_that_carry_a_difference_are_few_degrees_of_freedom() -> None:
    units = Units.of(np.zeros(100, int), None, 0)
    even, three = np.random.default_rng(0).standard_normal(100), np.zeros(100)
    three[:3] = 1, -1, 1
    assert 60 < units.degrees_of_freedom(even, cautious=True) < 140
    assert units.degrees_of_freedom(three, cautious=True) < 8
    assert units.degrees_of_freedom(three) == 99


def test_one_error_in_many_images_leaves_the_interval_narrow() -> None:
    labels = np.arange(180) % 2
    accuracy = intervals("binary", labels, decided(np.arange(180) > 0, labels), names=["accuracy"])["accuracy"]
    assert 0.95 < accuracy.ci_low < 0.985


@pytest.mark.parametrize("metric", ["auprc", "accuracy", "balanced_accuracy"])
def test_a_perfect_score_of_few_images_is_not_a_claim(metric: str) -> None:
    labels = np.arange(60) % 2
    a, b = (two_columns(np.clip(labels + 0.1 * np.random.default_rng(i).random(60) - 0.05, 0, 1)) for i in (1, 2))
    assert intervals("binary", labels, a, names=[metric])[metric].ci_high == 1
    assert intervals("binary", labels, a, names=[metric])[metric].ci_low < 0.95
    found = non_inferior(metric, "binary", labels, a, b)
    assert found.difference.value == 0
    assert not found.shown
    assert non_inferior(metric, "binary", labels, a, b, derived=True).shown  # one network in two forms


def test_one_model_needs_no_images_to_be_as_good_as_itself() -> None:
    labels, a, _ = seen_by_two(8)
    assert non_inferior("auprc", "binary", labels, a, a).shown


def test_equal_decisions_may_be_those_of_two_models() -> None:
    labels = np.arange(40) % 2
    result = paired_difference("sensitivity", "decision", labels, labels, labels)
    assert result.value == 0
    assert result.ci_low < -0.05


def test_fewer_images_than_twenty_make_no_claim() -> None:
    far_better = Estimate(0.3, 0.2, 0.4)
    assert NonInferiority("dice", far_better, 0.01, units=20).shown
    assert not NonInferiority("dice", far_better, 0.01, units=19).shown


def test_worse_is_a_whole_interval_below_nothing() -> None:
    assert NonInferiority("dice", Estimate(-0.1, -0.2, -0.01), 0.01).worse
    assert not NonInferiority("dice", Estimate(-0.1, -0.2, 0.01), 0.01).worse
    assert NonInferiority("hd95", Estimate(3, 1, 5), 0.01).worse


def test_claims_that_are_false_are_rare() -> None:
    """At a true loss of the margin; `benchmarks/coverage.py` has many more cases."""
    rng = np.random.default_rng(0)
    shown = 0
    for _ in range(300):
        whole = np.clip(0.9 + 0.05 * rng.standard_normal(24), 0, 1)
        cut = np.clip(whole - 0.01 - 0.02 * (rng.gamma(1, 1, 24) - 1), 0, 1)
        rows = [np.zeros((24, 2, 5)) for _ in range(2)]
        for made, dice in zip(rows, (cut, whole), strict=True):
            made[:, 1, :3] = np.stack([100 * dice, 100 * (1 - dice), 100 * (1 - dice)], axis=1)
            made[:, 0, 0], made[:, :, 4] = 500, math.nan
        shown += non_inferior("dice", "segmentation", np.ones((24, 2)), *rows).shown
    assert shown <= 0.05 * 300


def test_rates_of_decisions() -> None:
    labels = np.array([1, 1, 1, 1, 0, 0, 0, 0, 0, 0])
    found = np.array([1, 1, 1, 0, 1, 0, 0, 0, 0, 0])
    result = intervals("decision", labels, found, names=["sensitivity", "specificity", "ppv", "npv"])
    assert [round(each.value, 4) for each in result.values()] == [0.75, 0.8333, 0.75, 0.8333]
    assert all(each.ci_low < each.value < each.ci_high for each in result.values())


RATES = [(100, 10_000, 40), (20, 980, 10), (10, 200, 5), (4, 36, 0)]


@pytest.mark.parametrize(("positives", "negatives", "alarms"), RATES)
def test_a_rate_is_as_sure_as_the_samples_that_it_is_of(positives: int, negatives: int, alarms: int) -> None:
    labels = np.repeat([1, 0], [positives, negatives])
    called = np.concatenate([np.ones(positives, int), np.arange(negatives) < alarms]).astype(int)
    found = intervals("decision", labels, called, names=("specificity",))["specificity"]
    low = beta.ppf(0.025, negatives - alarms, alarms + 1)  # Clopper and Pearson's, which is never too narrow
    high = beta.ppf(0.975, negatives - alarms + 1, alarms) if alarms else 1.0
    # Of all of them right the lower end is a cautious one: as wide again.
    assert found.ci_low == pytest.approx(low, abs=(0.35 if alarms else 1.1) * (1 - low))
    assert found.ci_high == pytest.approx(high, abs=0.35 * (1 - low))


def test_a_mean_over_classes_is_surer_than_one_class_of_them() -> None:
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(5), 36)
    scores = rng.standard_normal((180, 5))
    scores[np.arange(180), labels] += 4
    rows = np.exp(2 * scores) / np.exp(2 * scores).sum(axis=1, keepdims=True)
    found = intervals("multiclass", labels, rows, names=("auprc", "auroc", "balanced_accuracy"))
    # One class of 36 that is told from the rest without an error isn't known to be above about 0.8.
    assert all(0.9 < each.ci_low < each.value for each in found.values())


@pytest.mark.parametrize(("positives", "negatives"), [(6, 2000), (20, 3000), (60, 8000)])
def test_a_rare_class_among_thousands_is_left_out_image_by_image(positives: int, negatives: int) -> None:
    rng, labels = np.random.default_rng(0), np.repeat([1, 0], [positives, negatives])
    held = []
    for _ in range(60):
        called = np.concatenate([rng.random(positives) < 0.7, rng.random(negatives) < 0.01]).astype(int)
        found = intervals("decision", labels, called, names=("sensitivity",))["sensitivity"]
        held.append(found.ci_low <= 0.7 <= found.ci_high)
    assert np.mean(held) > 0.9  # in blocks of the size that the negatives have it was 0.76 to 0.92
    assert len(Units.of(labels, None, 0).stratum) < 2 * MOST_UNITS
