"""Thresholds for an aim."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom, norm

from ttl.errors import DataError, UsageError
from ttl.stats import Aim, Threshold, threshold
from ttl.stats.operating import fewest_needed

S = 0.9


def test_a_sensitivity_holds_on_other_images_as_often_as_the_confidence_says() -> None:
    rng = np.random.default_rng(0)
    held, plain = [], []
    for _ in range(600):
        scores = norm.cdf(np.append(rng.normal(1, 1, 60), rng.normal(-1, 1, 40)))
        labels = np.repeat([1, 0], [60, 40])
        value = threshold(labels, scores, Aim("sensitivity", S)).value
        held.append(norm.sf(norm.ppf(value), 1) >= S)  # on endlessly many other positives
        plain.append(norm.sf(norm.ppf(np.quantile(scores[:60], 1 - S)), 1) >= S)
    assert np.mean(held) >= 0.8
    assert np.mean(plain) < 0.65


def test_it_holds_likewise_where_images_of_a_patient_are_alike() -> None:
    rng = np.random.default_rng(1)
    held, blind = [], []
    for _ in range(400):
        sizes = rng.geometric(0.3, size=70)
        person = np.repeat(np.arange(70), sizes)
        positives = norm.cdf(
            1 + np.sqrt(0.8) * rng.normal(size=70)[person] + np.sqrt(0.2) * rng.normal(size=len(person))
        )
        labels = np.append(np.ones(len(person), int), [0, 0])
        scores, groups = np.append(positives, [0.1, 0.2]), [f"p{i}" for i in person] + ["a", "b"]
        held.append(norm.sf(norm.ppf(threshold(labels, scores, Aim("sensitivity", S), groups).value), 1) >= S)
        blind.append(norm.sf(norm.ppf(threshold(labels, scores, Aim("sensitivity", S)).value), 1) >= S)
    assert np.mean(held) >= 0.78
    assert np.mean(blind) < np.mean(held) - 0.08


def test_the_threshold_is_the_highest_of_the_scores_that_hold() -> None:
    scores = np.append(np.linspace(0.3, 0.9, 61), 0.05)
    labels = np.append(np.ones(61, int), 0)
    found = threshold(labels, scores, Aim("sensitivity", S))
    # So many below the k-th lowest: at least k misses of 61 must have had a chance of 0.8 at a true miss rate of 0.1.
    k = max(k for k in range(1, 62) if binom.sf(k - 1, 61, 1 - S) >= 0.8)
    held = np.sort(scores[:61])
    assert found.value == pytest.approx((held[k - 1] + held[k - 2]) / 2)  # between two scores
    assert found == Threshold(found.value, (62 - k) / 61, 1.0, 61, 1)
    assert threshold(labels, scores, Aim("sensitivity", S, confidence=0.95)).value < found.value


def test_specificity_is_the_mirror_image_of_sensitivity() -> None:
    rng = np.random.default_rng(2)
    scores, labels = rng.random(90), np.arange(90) % 2
    found = threshold(labels, scores, Aim("specificity", S))
    mirrored = threshold(1 - labels, 1 - scores, Aim("sensitivity", S))
    assert found.specificity == pytest.approx(mirrored.sensitivity)
    assert found.value == pytest.approx(1 - mirrored.value)
    ones = np.append(np.ones(40), 0.5)
    assert threshold(np.append(np.zeros(40, int), 1), ones, Aim("specificity", S)).specificity == 1


def test_too_few_positives_are_refused_with_the_number_that_is_needed() -> None:
    aim = Aim("sensitivity", 0.95)
    assert fewest_needed(aim) == 32
    assert 1 - 0.95**32 >= 0.8 > 1 - 0.95**31
    scores = np.linspace(0.1, 0.9, 64)
    labels = np.repeat([0, 1], 32)
    assert threshold(labels, scores, aim).value == (scores[31] + scores[32]) / 2
    with pytest.raises(DataError, match=r"31 positive images .worth 31 independent ones. .* 32 independent ones are"):
        threshold(labels[:-1], scores[:-1], aim)
    with pytest.raises(DataError, match=r"32 positive images .worth 16 independent ones. .* 32 independent ones are"):
        threshold(labels, scores, aim, [f"p{i // 2}" for i in range(64)])
    with pytest.raises(DataError, match="negative images"):
        threshold(labels[1:], scores[1:], Aim("specificity", 0.95))


def test_the_best_balanced_accuracy_lies_in_the_middle_of_its_gap() -> None:
    found = threshold([0, 0, 1, 0, 1, 1], [0.1, 0.2, 0.25, 0.3, 0.6, 0.7], Aim())
    # Between 0.2 and 0.25 as good, but narrower.
    assert found == Threshold(pytest.approx(0.45), pytest.approx(2 / 3), 1.0, 3, 3)
    clear = threshold([0, 0, 1, 1], [0.1, 0.2, 0.6, 0.7], Aim())
    assert clear == Threshold(0.4, 1.0, 1.0, 2, 2)
    rare = np.append(np.zeros(99, int), 1)
    assert threshold(rare, np.append(np.linspace(0, 0.2, 99), 0.3), Aim()).value == pytest.approx(0.25)


def test_of_equally_good_gaps_the_widest_is_taken() -> None:
    labels, scores = [0, 1, 0, 1], [0.1, 0.2, 0.6, 0.65]
    # Between 0.1 and 0.2, and between 0.6 and 0.65, one of four is wrong.
    assert threshold(labels, scores, Aim()).value == pytest.approx(0.15)


def test_neighbouring_gaps_that_are_equally_good_are_one_plateau() -> None:
    # A positive and a negative that share a score leave the balanced accuracy as it is.
    labels, scores = [0, 0, 1, 0, 1, 1], [0.1, 0.3, 0.5, 0.5, 0.7, 0.9]
    assert threshold(labels, scores, Aim()).value == pytest.approx(0.5)


def test_costs_move_the_threshold() -> None:
    rng = np.random.default_rng(0)
    labels = np.arange(2000) % 2
    true = rng.normal(2 * labels - 1, 1)
    scores = 1 / (1 + np.exp(-2 * true))  # the posterior
    dear, cheap = (threshold(labels, scores, Aim("costs", costs=costs)) for costs in ((9.0, 1.0), (1.0, 9.0)))
    assert dear.value == pytest.approx(0.1, abs=0.06)
    assert cheap.value == pytest.approx(0.9, abs=0.06)
    assert dear.sensitivity > cheap.sensitivity
    assert threshold([0, 1], [0.9, 0.1], Aim("costs", costs=(100.0, 1.0))).sensitivity == 1
    assert threshold([0, 1], [0.9, 0.1], Aim("costs", costs=(1.0, 100.0))).specificity == 1
    assert threshold([0, 1], [1.0, 0.1], Aim("costs", costs=(1.0, 100.0))).specificity == 1


def test_a_threshold_is_taken_as_it_is_given() -> None:
    assert threshold([0, 1, 1], [0.1, 0.3, 0.2], Aim("threshold", 0.3)) == Threshold(0.3, 0.5, 1.0, 2, 1)
    assert np.isnan(threshold([1], [0.3], Aim("threshold", 0.3)).specificity)


def test_what_makes_no_sense_is_refused() -> None:
    with pytest.raises(UsageError, match="sensitivity must lie between 0 and 1, not 1"):
        threshold([0, 1], [0, 1], Aim("sensitivity", 1.0))
    with pytest.raises(UsageError, match="specificity must lie between 0 and 1, not None"):
        threshold([0, 1], [0, 1], Aim("specificity"))
    with pytest.raises(UsageError, match="threshold must be"):
        threshold([0, 1], [0, 1], Aim("threshold", 1.5))
    with pytest.raises(UsageError, match="costs must be two numbers above 0"):
        threshold([0, 1], [0, 1], Aim("costs", costs=(0.0, 1.0)))
    with pytest.raises(UsageError, match="confidence"):
        threshold([0, 1], [0, 1], Aim("sensitivity", 0.9, confidence=1.0))
    with pytest.raises(UsageError, match="must both be"):
        threshold([0, 1], [0, 1, 2], Aim())
    with pytest.raises(UsageError, match="1 groups for 2"):
        threshold([0, 1], [0, 1], Aim(), ["a"])
    with pytest.raises(DataError, match="1 positives and 0 negatives"):
        threshold([1], [0.2], Aim())
    with pytest.raises(DataError, match="0 or 1"):
        threshold([0, 2], [0.2, 0.1], Aim())
    with pytest.raises(DataError, match="finite"):
        threshold([0, 1], [0.2, np.nan], Aim())
