from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, average_precision_score, roc_auc_score

from ttl import stats
from ttl.errors import DataError, UsageError
from ttl.stats import Estimate, NonInferiority, intervals, metrics, non_inferior, paired_difference, ratio_interval
from ttl.stats.jackknife import MOST_UNITS
from ttl.stats.kinds import scorer


def drawn_weights(n: int, resamples: int) -> np.ndarray:
    """How often each of `n` samples is drawn, `(resamples, n)`."""
    return np.random.default_rng(0).multinomial(n, np.full(n, 1 / n), size=resamples).astype(float)


def two_columns(scores: Any) -> np.ndarray:
    scores = np.asarray(scores, float)
    return np.stack([1 - scores, scores], axis=1)


def binary(n: int, seed: int = 0, *, decimals: int = 8) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = (rng.random(n) < 0.3).astype(int)
    return labels, two_columns(np.round(0.3 * labels + 0.7 * rng.random(n), decimals))


def multiclass(n: int, classes: int, *, decimals: int = 8) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    labels = rng.integers(classes, size=n)
    logits = rng.normal(size=(n, classes)) + 1.5 * np.eye(classes)[labels]
    return labels, np.round(np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True), decimals)


def by_sklearn(labels: np.ndarray, probabilities: np.ndarray) -> dict[str, float]:
    classes = [1] if probabilities.shape[1] == 2 else np.unique(labels)
    return {
        "auprc": np.mean([average_precision_score(labels == c, probabilities[:, c]) for c in classes]),
        "auroc": np.mean([roc_auc_score(labels == c, probabilities[:, c]) for c in classes]),
        "accuracy": accuracy_score(labels, probabilities.argmax(axis=1)),
    }


def test_metrics_of_a_ranking_worked_out_by_hand() -> None:
    # Falling scores: + - + -. Precision at the positives: 1/1 and 2/3. Pairs won: 2 + 1 of 4.
    result = metrics("binary", [1, 0, 1, 0], two_columns([0.9, 0.8, 0.6, 0.1]))
    assert result == pytest.approx({"auprc": (1 + 2 / 3) / 2, "auroc": 3 / 4, "accuracy": 3 / 4})


def test_a_tie_counts_half() -> None:
    # The positive ties with one negative and beats the other; precision of the tied pair is 1/2.
    result = metrics("binary", [1, 0, 0], two_columns([0.7, 0.7, 0.2]))
    assert result == pytest.approx({"auprc": 1 / 2, "auroc": 3 / 4, "accuracy": 2 / 3})


def test_each_metric_has_a_function_of_its_own() -> None:
    case = ("binary", [1, 0, 1, 0], two_columns([0.9, 0.8, 0.6, 0.1]))
    alone = {"auprc": stats.auprc(*case), "auroc": stats.auroc(*case), "accuracy": stats.accuracy(*case)}
    assert alone == metrics(*case)


@pytest.mark.parametrize("decimals", [1, 2, 8])
def test_metrics_are_those_of_sklearn(decimals: int) -> None:
    for kind, (labels, probabilities) in {
        "binary": binary(300, decimals=decimals),
        "multiclass": multiclass(300, 5, decimals=decimals),
    }.items():
        expected = by_sklearn(labels, probabilities)
        assert metrics(kind, labels, probabilities) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("decimals", [1, 8])
@pytest.mark.parametrize("kind", ["binary", "multiclass"])
def test_each_resample_scores_as_sklearn_scores_the_resampled_data(kind: str, decimals: int) -> None:
    labels, probabilities = binary(60, decimals=decimals) if kind == "binary" else multiclass(60, 4, decimals=decimals)
    weights = drawn_weights(60, 25)
    scored = scorer(kind, labels, probabilities)(weights)
    for i, drawn in enumerate(weights.astype(int)):
        picked = np.repeat(np.arange(60), drawn)
        expected = by_sklearn(labels[picked], probabilities[picked])
        assert {name: values[i] for name, values in scored.items()} == pytest.approx(expected, abs=1e-12)


def test_intervals_hold_the_value_and_narrow_with_more_samples() -> None:
    few, many = (intervals("binary", *binary(n))["auroc"] for n in (100, 2500))
    assert few.ci_low < few.value < few.ci_high
    assert many.ci_low < many.value < many.ci_high
    # Five times narrower by the square-root law.
    assert 3 < (few.ci_high - few.ci_low) / (many.ci_high - many.ci_low) < 8


def test_the_accuracy_interval_is_the_binomial_one() -> None:
    # 0.8 of one class right and 0.8 of the other: the stratified variance is the binomial 0.8 * 0.2 / n.
    labels = np.repeat([0, 1], 500)
    right = np.tile([1, 1, 1, 1, 0], 200)
    estimate = intervals("binary", labels, two_columns(np.where(right, labels, 1 - labels)))["accuracy"]
    half = 1.96 * math.sqrt(0.8 * 0.2 / 1000)
    assert estimate.value == 0.8
    assert estimate.ci_low == pytest.approx(0.8 - half, abs=0.004)
    assert estimate.ci_high == pytest.approx(0.8 + half, abs=0.004)


def test_intervals_depend_on_the_seed_alone() -> None:
    few, many = binary(80), binary(2 * MOST_UNITS + 1)
    assert intervals("binary", *few) == intervals("binary", *few, seed=1)  # each image is left out by itself
    first = intervals("binary", *many)
    assert intervals("binary", *many) == first
    assert intervals("binary", *many, seed=1) != first


def test_a_wider_confidence_gives_a_wider_interval() -> None:
    narrow, wide = (intervals("binary", *binary(80), confidence=c)["auprc"] for c in (0.5, 0.99))
    assert wide.ci_low < narrow.ci_low < narrow.ci_high < wide.ci_high


@pytest.mark.parametrize("label", [0, 1])
def test_one_class_alone_has_an_accuracy_and_no_ranking(label: int) -> None:
    result = intervals("binary", [label] * 3, two_columns([0.2, 0.6, 0.9]))
    for metric in ("auprc", "auroc"):
        assert result[metric].to_json() == {"value": None, "ci_low": None, "ci_high": None}
    assert result["accuracy"].value == pytest.approx(1 / 3 if label == 0 else 2 / 3)


def test_no_samples_give_undefined_figures() -> None:
    result = intervals("multiclass", np.empty(0, int), np.empty((0, 3)))
    assert all(math.isnan(estimate.value) for estimate in result.values())


def test_a_class_without_samples_is_left_out_of_the_average() -> None:
    labels, probabilities = multiclass(200, 4)
    kept = labels != 2
    result = metrics("multiclass", labels[kept], probabilities[kept])
    assert result == pytest.approx(by_sklearn(labels[kept], probabilities[kept]), abs=1e-12)


def test_an_estimate_becomes_json_without_nan() -> None:
    assert json.loads(json.dumps(Estimate(0.5, 0.25, math.nan).to_json(), allow_nan=False)) == {
        "value": 0.5,
        "ci_low": 0.25,
        "ci_high": None,
    }


def test_a_model_does_not_differ_from_itself() -> None:
    labels, probabilities = binary(100)
    same = paired_difference("auroc", "binary", labels, probabilities, probabilities)
    assert same == Estimate(0, 0, 0)


def test_a_paired_difference_is_narrower_than_two_intervals_apart() -> None:
    labels, a = binary(300)
    b = two_columns(a[:, 1] + 0.02 * np.random.default_rng(5).random(300))
    result = paired_difference("auroc", "binary", labels, a, b)
    alone = intervals("binary", labels, a)["auroc"]
    assert result.value == pytest.approx(stats.auroc("binary", labels, a) - stats.auroc("binary", labels, b))
    assert result.ci_low <= result.value <= result.ci_high
    assert result.ci_high - result.ci_low < (alone.ci_high - alone.ci_low) / 3


def test_a_paired_difference_turns_with_its_models() -> None:
    labels, a = binary(120)
    b = binary(120, seed=9)[1]
    forth, back = (paired_difference("auprc", "binary", labels, *pair) for pair in ((a, b), (b, a)))
    assert (back.value, back.ci_low, back.ci_high) == pytest.approx((-forth.value, -forth.ci_high, -forth.ci_low))


@pytest.mark.parametrize(
    ("low", "shown"), [(-0.02, False), (-0.01, False), (-0.009, True), (0.1, True), (math.nan, False)]
)
def test_non_inferiority_needs_the_whole_interval_above_the_margin(low: float, shown: bool) -> None:
    result = NonInferiority("auprc", Estimate(0.2, low, 0.3), 0.01)
    assert result.shown is shown


def test_non_inferiority_is_that_of_the_paired_difference() -> None:
    labels, a = binary(120)
    b = binary(120, seed=9)[1]
    result = non_inferior("auroc", "binary", labels, a, b, margin=0.05)
    assert result.difference == paired_difference("auroc", "binary", labels, a, b)
    assert non_inferior("auroc", "binary", labels, a, a).shown
    with pytest.raises(UsageError, match="margin must be above 0, not 0"):
        non_inferior("auroc", "binary", labels, a, b, margin=0)


def test_a_ratio_pairs_what_slows_a_round() -> None:
    # Rounds differ a hundredfold; in each of them a takes half the time of b.
    b = [np.random.default_rng(seed).lognormal(sigma=2, size=60) for seed in range(3)]
    result = ratio_interval([times / 2 for times in b], b)
    assert (result.value, result.ci_low, result.ci_high) == pytest.approx((0.5, 0.5, 0.5))


def test_a_ratio_of_noisy_times_lies_in_its_interval() -> None:
    rng = np.random.default_rng(0)
    a, b = ([rng.normal(mean, 1, 200) for _ in range(3)] for mean in (10, 20))
    result = ratio_interval(a, b)
    assert 0.48 < result.ci_low < result.value < result.ci_high < 0.52
    assert result.value == pytest.approx(0.5, abs=0.01)


def test_a_ratio_is_the_geometric_mean_over_processes_however_many_rounds_each_has() -> None:
    a, b = [[2.0] * 5, [8.0] * 50], [[1.0] * 5, [1.0] * 50]
    assert ratio_interval(a, b).value == pytest.approx(4.0)


def test_processes_that_differ_widen_the_interval_however_many_rounds_they_have() -> None:
    # Three processes of equal rounds: an interval of their rounds alone would have no width.
    # Of 27 ways to draw three processes one is thrice the first: in 3.7 % of resamples the ratio is 0.8.
    a, b = [[0.8] * 500, [1.0] * 500, [1.25] * 500], [[1.0] * 500] * 3
    result = ratio_interval(a, b)
    assert (result.value, result.ci_low, result.ci_high) == pytest.approx((1.0, 0.8, 1.25))


def test_a_ratio_of_no_rounds_is_undefined() -> None:
    assert math.isnan(ratio_interval([], []).value)
    assert math.isnan(ratio_interval([[]], [[]]).value)


def test_bad_times_are_named() -> None:
    with pytest.raises(UsageError, match=r"shapes \[\(2,\)\] and \[\(3,\)\] can't be paired"):
        ratio_interval([[1, 2]], [[1, 2, 3]])
    with pytest.raises(UsageError, match=r"shapes \[\(2,\)\] and \[\(2,\), \(2,\)\] can't be paired"):
        ratio_interval([[1, 2]], [[1, 2], [1, 2]])
    with pytest.raises(UsageError, match=r"times must be positive, and the smallest is 0\.0"):
        ratio_interval([[1, 0]], [[1, 2]])


@pytest.mark.parametrize(
    ("kind", "labels", "probabilities", "error", "text"),
    [
        (
            "regression",
            [0],
            [[1, 0]],
            UsageError,
            "no metrics for kind 'regression'; choose one of binary",
        ),
        ("binary", [0], [[1, 0, 0]], UsageError, "a binary task can't have 3 columns"),
        ("binary", [0, 1], [[1, 0]], UsageError, r"labels \(2,\) and probabilities \(1, 2\)"),
        (
            "multiclass",
            [0, 3],
            [[1, 0, 0], [0, 1, 0]],
            DataError,
            r"labels go from 0 to 3; they must be in 0\.\.2",
        ),
        ("binary", [0, 1], [[1, 0], [math.nan, 0]], DataError, "1 of 2 predictions are not finite"),
    ],
)
def test_bad_predictions_are_named(
    kind: str, labels: list[int], probabilities: list[list[float]], error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=text):
        metrics(kind, labels, probabilities)


def test_bad_options_are_named() -> None:
    labels, probabilities = binary(10)
    with pytest.raises(UsageError, match="metric 'f2' is unknown; choose one of auprc, auroc, accuracy"):
        paired_difference("f2", "binary", labels, probabilities, probabilities)
    with pytest.raises(UsageError, match="confidence must lie between 0 and 1, not 95"):
        intervals("binary", labels, probabilities, confidence=95)
