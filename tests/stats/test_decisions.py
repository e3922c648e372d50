"""Decisions on several labels, at another prevalence, and values a sample: costs, log losses, Brier scores."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.metrics import brier_score_loss, log_loss

from ttl.errors import DataError, UsageError
from ttl.stats import (
    DECISION_METRICS,
    DecisionScorer,
    brier,
    costs_of,
    expected_error,
    intervals,
    intervals_of,
    log_losses,
    metrics,
    non_inferior,
    paired_difference,
    per_class,
)

LABELS = np.array([[1, 1, -1], [1, 0, -1], [0, 0, -1], [0, -1, -1], [1, 1, -1]])
FOUND = np.array([[1, 0, 1], [0, 0, 0], [1, 0, 1], [0, 1, 0], [1, 1, 1]])


def many(n: int = 200, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = rng.choice([-1, 0, 1], size=(n, 3), p=[0.2, 0.4, 0.4])
    a, b = (np.where(rng.random((n, 3)) < 0.85, labels == 1, labels != 1).astype(int) for _ in range(2))
    return labels, a, b


def test_each_label_counts_once_and_unknown_ones_not_at_all() -> None:
    figures = metrics("decision", LABELS, FOUND, DECISION_METRICS)
    first, second = (
        metrics("decision", LABELS[k, c], FOUND[k, c], DECISION_METRICS) for c, k in ((0, slice(5)), (1, [0, 1, 2, 4]))
    )
    assert first["sensitivity"] == pytest.approx(2 / 3)
    assert second["specificity"] == 1
    assert figures == pytest.approx({name: (first[name] + second[name]) / 2 for name in DECISION_METRICS})
    each = per_class("decision", LABELS, FOUND)
    assert each["support"].tolist() == [3, 2, 0]
    assert each["ppv"][:2] == pytest.approx([first["ppv"], second["ppv"]])
    assert np.isnan(each["sensitivity"][2])


def test_predictive_values_at_another_prevalence_are_those_of_bayes() -> None:
    labels = np.repeat([1, 0], [50, 50])
    found = np.append(np.arange(50) < 40, np.arange(50) < 5).astype(int)  # sensitivity 0.8, specificity 0.9
    score = DecisionScorer("decision", labels, found, DECISION_METRICS, prevalence=0.05)
    result = intervals_of(score)
    assert result["ppv"].value == pytest.approx(0.05 * 0.8 / (0.05 * 0.8 + 0.95 * 0.1))
    assert result["npv"].value == pytest.approx(0.95 * 0.9 / (0.95 * 0.9 + 0.05 * 0.2))
    assert result["ppv"].ci_low < result["ppv"].value < result["ppv"].ci_high
    assert result["sensitivity"].value == pytest.approx(0.8)
    same = intervals_of(DecisionScorer("decision", labels, found, DECISION_METRICS, prevalence=0.5))
    assert same["ppv"].value == pytest.approx(intervals("decision", labels, found, names=["ppv"])["ppv"].value)
    with pytest.raises(UsageError, match="prevalence must lie between 0 and 1, not 0"):
        DecisionScorer("decision", labels, found, DECISION_METRICS, prevalence=0.0)


@pytest.mark.parametrize("metric", DECISION_METRICS)
def test_decisions_on_labels_have_intervals_differences_and_claims(metric: str) -> None:
    labels, a, b = many()
    own = intervals("decision", labels, a, names=[metric])[metric]
    assert own.ci_low < own.value < own.ci_high
    assert own.ci_high - own.ci_low < 0.2
    result = paired_difference(metric, "decision", labels, a, b)
    assert result.ci_low < result.value < result.ci_high
    assert non_inferior(metric, "decision", labels, a, b, margin=0.3).shown
    assert not non_inferior(metric, "decision", labels, 1 - a, b, margin=0.05).shown


def test_unknown_labels_and_odd_decisions_are_refused_where_they_make_no_sense() -> None:
    with pytest.raises(DataError, match="must be 0 or 1"):
        metrics("decision", [-1, 0, 1], [0, 0, 1])
    with pytest.raises(DataError, match="unknown labels -1"):
        metrics("decision", LABELS, FOUND - 1)
    with pytest.raises(UsageError, match="must both be"):
        metrics("decision", LABELS, FOUND[:, 0])


def test_a_cost_is_a_share_of_the_dearer_error() -> None:
    assert costs_of([1, 1, 0, 0], [1, 0, 1, 0], (5.0, 1.0)).tolist() == [0, 1, 0.2, 0]
    assert costs_of([1, 0], [0, 1], (1.0, 4.0)).tolist() == [0.25, 1]
    several = costs_of(LABELS, FOUND, (1.0, 1.0))
    assert several[:4].tolist() == [0.5, 0.5, 0.5, 0]
    assert math.isnan(costs_of([[-1]], [[1]], (1.0, 1.0))[0])


@pytest.mark.parametrize("metric", ["cost", "brier", "log_loss", "bias"])
def test_a_mean_of_values_has_an_interval_a_difference_and_a_claim(metric: str) -> None:
    rng = np.random.default_rng(0)
    labels = np.arange(300) % 2
    b = rng.beta(1, 9, 300)
    a = np.clip(b + 0.02 * rng.standard_normal(300), 0, 1)
    own = intervals("values", labels, a, names=[metric])[metric]
    assert own.value == pytest.approx(a.mean())
    assert own.ci_low < own.value < own.ci_high
    result = paired_difference(metric, "values", labels, a, b)
    assert result.value == pytest.approx((a - b).mean())
    assert result.ci_high - result.ci_low < (own.ci_high - own.ci_low) / 2
    assert non_inferior(metric, "values", labels, a, b, margin=0.02).shown
    worse = non_inferior(metric, "values", labels, np.minimum(a + 0.05, 1), b, margin=0.02)
    assert worse.shown == (metric == "bias")  # of which more isn't worse by itself
    assert worse.worse == (metric != "bias")


def test_values_that_are_undefined_are_left_out_and_labels_may_be_several() -> None:
    labels, _, _ = many(60)
    values = np.append(np.full(30, math.nan), np.arange(30) / 30)
    assert metrics("values", labels, values, ["brier"])["brier"] == pytest.approx(np.arange(30).mean() / 30)
    assert intervals("values", labels, values, names=["brier"])["brier"].has_interval
    assert per_class("values", labels, values)["support"].tolist() == [30]
    with pytest.raises(DataError, match="1 of 60 values are infinite"):
        metrics("values", labels, np.append(np.zeros(59), math.inf))
    with pytest.raises(UsageError, match=r"must be .n,., one a sample"):
        metrics("values", labels, values[:5])


def test_a_cost_is_compared_like_the_accuracy_that_it_mirrors() -> None:
    labels, a, b = np.arange(120) % 2, *(np.random.default_rng(i).random(120) < 0.9 for i in (0, 1))
    cost = paired_difference("cost", "values", labels, (~a).astype(float), (~b).astype(float))
    rows = [np.stack([1 - labels, labels], axis=1)[:, ::-1] for _ in range(2)]
    for hits, made in zip((a, b), rows, strict=True):
        made[hits] = made[hits][:, ::-1]
    accuracy = paired_difference("accuracy", "binary", labels, *rows)
    assert cost.value == pytest.approx(b.mean() - a.mean())
    assert (cost.ci_low, cost.ci_high) == pytest.approx((-accuracy.ci_high, -accuracy.ci_low))


def test_equal_costs_may_be_those_of_two_models() -> None:
    labels, free = np.arange(60) % 2, np.zeros(60)
    result = paired_difference("cost", "values", labels, free, free)
    assert result.value == 0
    assert result.ci_low < -0.01 < 0.01 < result.ci_high
    values = np.tile([0.1, 0.2, 0.3, 1.0], 15)
    same = paired_difference("log_loss", "values", labels, values, values)
    assert (same.ci_low, same.ci_high) == (0, 0)


def test_losses_of_images_are_those_of_scikit_learn_on_average() -> None:
    rng = np.random.default_rng(0)
    two, four = rng.dirichlet(np.ones(2), 50), rng.dirichlet(np.ones(4), 50)
    first, second = np.arange(50) % 2, np.arange(50) % 4
    assert log_losses("binary", first, two).mean() == pytest.approx(log_loss(first, two))
    assert log_losses("multiclass", second, four).mean() == pytest.approx(log_loss(second, four))
    assert brier("binary", first, two).mean() == pytest.approx(brier_score_loss(first, two[:, 1]))
    assert brier("multiclass", second, four).mean() == pytest.approx(
        ((four - np.eye(4)[second]) ** 2).sum(axis=1).mean()
    )
    labels = np.array([[1, -1], [0, 1], [-1, -1]])
    rows = np.array([[0.8, 0.9], [0.4, 0.5], [0.1, 0.2]])
    assert log_losses("multilabel", labels, rows)[:2] == pytest.approx([-np.log(0.8), -np.log(0.6 * 0.5) / 2])
    assert brier("multilabel", labels, rows)[:2] == pytest.approx([0.04, (0.16 + 0.25) / 2])
    assert np.isnan([log_losses("multilabel", labels, rows)[2], brier("multilabel", labels, rows)[2]]).all()
    assert log_losses("binary", [1], [[1.0, 0.0]])[0] == pytest.approx(-math.log(1e-12))


@pytest.mark.parametrize("kind", ["binary", "multiclass", "multilabel"])
def test_a_calibrated_model_has_the_expected_error_and_fewer_images_more(kind: str) -> None:
    rng = np.random.default_rng(1)

    def drawn(n: int) -> tuple[np.ndarray, np.ndarray]:
        if kind == "multilabel":
            rows = rng.random((n, 3))
            labels = (rng.random((n, 3)) < rows).astype(int)
            labels[rng.random((n, 3)) < 0.3] = -1
            return labels, rows
        rows = rng.dirichlet(np.ones(2 if kind == "binary" else 4), n)
        return (rows.cumsum(axis=1) < rng.random((n, 1))).sum(axis=1).clip(max=rows.shape[1] - 1), rows

    few, many = (expected_error(kind, *drawn(n)) for n in (100, 2000))
    assert 0 < many.ci_low < many.value < many.ci_high
    assert few.value > 2 * many.value
    errors = []
    for _ in range(60):
        labels, rows = drawn(100)
        errors.append(metrics(kind, labels, rows, ["ece"])["ece"])
    assert np.mean(errors) == pytest.approx(few.value, rel=0.15)
    assert np.mean([few.ci_low <= error <= few.ci_high for error in errors]) > 0.85
    labels, rows = drawn(2000)
    level = 0.25 if kind == "multiclass" else 0.5
    unsure = level + (rows - level) / 3
    assert metrics(kind, labels, unsure, ["ece"])["ece"] > expected_error(kind, labels, unsure).ci_high
    assert expected_error(kind, labels, rows, seed=1) == expected_error(kind, labels, rows, seed=1)
