"""The metrics beyond the three that every report shows, several labels a sample, and groups."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.metrics import (
    average_precision_score,
    balanced_accuracy_score,
    cohen_kappa_score,
    f1_score,
    precision_score,
    recall_score,
    roc_auc_score,
)

from ttl.errors import DataError, UsageError
from ttl.stats import ALL_METRICS, intervals, metrics, non_inferior, paired_difference, per_class
from ttl.stats.kinds import scorer
from ttl.stats.scoring import ECE_BINS


def drawn_weights(n: int, resamples: int) -> np.ndarray:
    """How often each of `n` samples is drawn, `(resamples, n)`."""
    return np.random.default_rng(0).multinomial(n, np.full(n, 1 / n), size=resamples).astype(float)


def predictions(kind: str, n: int, *, decimals: int = 8, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Better than chance, with ties where rounded; a third of the labels unknown in `multilabel`."""
    rng = np.random.default_rng(seed)
    if kind == "multilabel":
        labels = rng.choice([-1, 0, 1], size=(n, 4), p=[0.3, 0.4, 0.3])
        return labels, np.round(0.4 * (labels == 1) + 0.6 * rng.random((n, 4)), decimals)
    classes = 2 if kind == "binary" else 4
    labels = rng.integers(classes, size=n)
    logits = rng.normal(size=(n, classes)) + 1.2 * np.eye(classes)[labels]
    return labels, np.round(np.exp(logits) / np.exp(logits).sum(1, keepdims=True), decimals)


def by_hand(kind: str, labels: np.ndarray, probabilities: np.ndarray) -> dict[str, float]:
    if kind == "multilabel":
        columns = [(labels[:, c] >= 0, labels[:, c], probabilities[:, c]) for c in range(labels.shape[1])]
        known = [(y[k], p[k]) for k, y, p in columns]
        both = [(y, p) for y, p in known if 0 < y.sum() < len(y)]
        return {
            "auprc": np.mean([average_precision_score(y, p) for y, p in both]),
            "auroc": np.mean([roc_auc_score(y, p) for y, p in both]),
            "accuracy": np.mean([(y == (p >= 0.5)).mean() for y, p in known]),
            "balanced_accuracy": np.mean([balanced_accuracy_score(y, p >= 0.5) for y, p in both]),
            "f1": np.mean([f1_score(y, p >= 0.5) for y, p in known if y.any()]),
        }
    guesses = probabilities.argmax(1)
    average = "binary" if kind == "binary" else "macro"
    return {
        "balanced_accuracy": balanced_accuracy_score(labels, guesses),
        "f1": f1_score(labels, guesses, average=average, labels=None if kind == "binary" else np.unique(labels)),
        "kappa": cohen_kappa_score(labels, guesses, weights="quadratic"),
    }


def calibration_error(labels: np.ndarray, probabilities: np.ndarray) -> float:
    confidence, right = probabilities.max(1), probabilities.argmax(1) == labels
    total = 0.0
    for i in range(ECE_BINS):
        low, high = i / ECE_BINS, (i + 1) / ECE_BINS
        inside = (confidence >= low) & ((confidence < high) | (i == ECE_BINS - 1))
        if inside.any():
            total += abs(right[inside].mean() - confidence[inside].mean()) * inside.mean()
    return total


@pytest.mark.parametrize("decimals", [1, 8])
@pytest.mark.parametrize("kind", ["binary", "multiclass", "multilabel"])
def test_metrics_are_those_of_scikit_learn(kind: str, decimals: int) -> None:
    labels, probabilities = predictions(kind, 200, decimals=decimals)
    expected = by_hand(kind, labels, probabilities)
    assert metrics(kind, labels, probabilities, expected) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("kind", ["binary", "multiclass", "multilabel"])
def test_each_resample_scores_as_the_resampled_data(kind: str) -> None:
    labels, probabilities = predictions(kind, 60)
    weights = drawn_weights(60, 20)
    names = tuple(by_hand(kind, labels, probabilities))
    scored = scorer(kind, labels, probabilities, names)(weights)
    for i, drawn in enumerate(weights.astype(int)):
        picked = np.repeat(np.arange(60), drawn)
        expected = by_hand(kind, labels[picked], probabilities[picked])
        assert {name: values[i] for name, values in scored.items()} == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("kind", ["binary", "multiclass"])
def test_the_calibration_error_is_the_gap_of_the_bins(kind: str) -> None:
    labels, probabilities = predictions(kind, 500)
    assert metrics(kind, labels, probabilities, ["ece"])["ece"] == pytest.approx(
        calibration_error(labels, probabilities)
    )
    sure = np.eye(probabilities.shape[1])[labels]
    assert metrics(kind, labels, sure, ["ece"])["ece"] == 0


def test_calibration_errors_of_two_classes_dont_cancel() -> None:
    # Class 0 is right half as often as it is sure (0.75), class 1 always.
    labels = np.array([[1, 1], [0, 1]])
    result = metrics("multilabel", labels, np.full((2, 2), 0.75), ["ece"])
    assert result["ece"] == pytest.approx((0.25 + 0.25) / 2)
    unknown = np.array([[1, -1], [0, -1]])
    assert metrics("multilabel", unknown, np.full((2, 2), 0.75), ["ece"])["ece"] == pytest.approx(0.25)


def test_a_lower_calibration_error_is_the_better_one() -> None:
    labels = np.repeat([0, 1], 100)
    good = np.where(labels[:, None] == [0, 1], 0.9, 0.1)
    bad = np.where(labels[:, None] == [0, 1], 0.55, 0.45)
    assert not non_inferior("ece", "binary", labels, bad, good).shown
    assert non_inferior("ece", "binary", labels, good, bad).shown


def test_each_sample_its_own_group_is_no_groups() -> None:
    labels, probabilities = predictions("binary", 200)
    alone = intervals("binary", labels, probabilities)["auroc"]
    single = intervals("binary", labels, probabilities, groups=[str(i) for i in range(200)])["auroc"]
    assert (single.ci_low, single.ci_high) == pytest.approx((alone.ci_low, alone.ci_high), abs=0.01)


def test_figures_of_each_class() -> None:
    labels, probabilities = predictions("multiclass", 200)
    result = per_class("multiclass", labels, probabilities)
    guesses = probabilities.argmax(1)
    assert result["recall"] == pytest.approx(recall_score(labels, guesses, average=None))
    assert result["precision"] == pytest.approx(precision_score(labels, guesses, average=None))
    assert result["support"].tolist() == np.bincount(labels).tolist()
    assert result["auroc"] == pytest.approx([roc_auc_score(labels == c, probabilities[:, c]) for c in range(4)])
    assert result["auprc"] == pytest.approx(
        [average_precision_score(labels == c, probabilities[:, c]) for c in range(4)]
    )


def test_a_class_that_isnt_there_is_undefined_and_left_out_of_the_mean() -> None:
    labels = np.array([0, 0, 1, 1])
    probabilities = np.array([[0.7, 0.2, 0.1], [0.4, 0.5, 0.1], [0.1, 0.8, 0.1], [0.3, 0.6, 0.1]])
    result = per_class("multiclass", labels, probabilities)
    assert [math.isnan(value) for value in result["auroc"]] == [False, False, True]
    assert math.isnan(result["recall"][2])
    every = metrics("multiclass", labels, probabilities, ALL_METRICS)
    assert not any(math.isnan(value) for value in every.values())
    assert every["balanced_accuracy"] == pytest.approx(0.75)


def test_one_class_alone_ranks_nothing() -> None:
    result = metrics("binary", [1, 1], [[0.2, 0.8], [0.6, 0.4]], ALL_METRICS)
    assert math.isnan(result["auroc"])
    assert math.isnan(result["auprc"])
    assert (result["accuracy"], result["balanced_accuracy"]) == (0.5, 0.5)


def test_no_samples_are_no_figures() -> None:
    result = metrics("binary", [], np.empty((0, 2)), ALL_METRICS)
    assert all(math.isnan(value) for value in result.values())
    assert math.isnan(intervals("binary", [], np.empty((0, 2)))["auroc"].ci_low)


def test_a_class_without_a_known_label_is_left_out() -> None:
    labels, probabilities = predictions("multilabel", 50)
    gone = labels.copy()
    gone[:, 3] = -1
    result = metrics("multilabel", gone, probabilities)
    assert result == pytest.approx(metrics("multilabel", labels[:, :3], probabilities[:, :3]))
    nothing = metrics("multilabel", np.full((5, 2), -1), np.full((5, 2), 0.5))
    assert all(math.isnan(value) for value in nothing.values())


def test_kappa_is_for_classes_that_are_an_order() -> None:
    labels, probabilities = predictions("multilabel", 20)
    assert math.isnan(metrics("multilabel", labels, probabilities, ["kappa"])["kappa"])


def test_without_its_only_positive_a_ranking_has_no_interval() -> None:
    labels = np.array([[1], [0], [0], [0]])
    result = intervals("multilabel", labels, np.array([[0.9], [0.1], [0.2], [0.3]]))
    assert result["auroc"].value == 1
    assert math.isnan(result["auroc"].ci_low)


@pytest.mark.parametrize(
    ("labels", "probabilities", "error", "text"),
    [
        ([[1, 0]], [[0.5, 0.5, 0.5]], UsageError, "must both be"),
        ([[2, 0]], [[0.5, 0.5]], DataError, "labels go from 0 to 2"),
        ([[1, 0]], [[0.5, math.nan]], DataError, "1 of 1 predictions are not finite"),
        ([[1, 0]], [[3.0, -2.0]], DataError, "predictions go from -2 to 3; give probabilities, not logits"),
        (np.empty((2, 0)), np.empty((2, 0)), UsageError, "must both be"),
    ],
)
def test_bad_multilabel_predictions_are_named(
    labels: object, probabilities: object, error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=text):
        metrics("multilabel", labels, probabilities)


class TestGroups:
    """Patients with several images."""

    def test_repeated_images_of_a_patient_widen_the_interval(self) -> None:
        labels, probabilities = predictions("binary", 150)
        one = intervals("binary", labels, probabilities)["auroc"]
        copies = np.repeat(labels, 5), np.repeat(probabilities, 5, axis=0)
        naive = intervals("binary", *copies)["auroc"]
        honest = intervals("binary", *copies, groups=[str(i // 5) for i in range(750)])["auroc"]
        assert naive.ci_high - naive.ci_low < 0.6 * (one.ci_high - one.ci_low)
        assert honest.ci_high - honest.ci_low == pytest.approx(one.ci_high - one.ci_low, rel=0.25)

    def test_comparisons_take_groups_too(self) -> None:
        labels, a = predictions("binary", 90)
        _, b = predictions("binary", 90, seed=4)
        groups = [str(i // 3) for i in range(90)]
        difference = paired_difference("auroc", "binary", labels, a, b, groups=groups)
        assert difference != paired_difference("auroc", "binary", labels, a, b)
        result = non_inferior("auroc", "binary", labels, a, b, groups=groups)
        assert result.difference == difference

    def test_one_group_a_sample_is_asked_for(self) -> None:
        labels, probabilities = predictions("binary", 10)
        with pytest.raises(UsageError, match="3 groups for 10 samples"):
            intervals("binary", labels, probabilities, groups=["a", "b", "c"])
