"""Metrics of many segmented images, their intervals and comparisons."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ttl.errors import DataError, UsageError
from ttl.stats import (
    ALL_METRICS,
    KINDS,
    LOWER_IS_BETTER,
    METRICS,
    SEGMENTATION_METRICS,
    Estimate,
    all_metrics,
    headline,
    intervals,
    metrics,
    non_inferior,
    overlap,
    paired_difference,
    per_class,
    primary,
    segmentation_log_loss,
)
from ttl.stats.kinds import scorer

KIND = "segmentation"
NAN = math.nan


def drawn_weights(n: int, resamples: int) -> np.ndarray:
    """How often each of `n` samples is drawn, `(resamples, n)`."""
    return np.random.default_rng(0).multinomial(n, np.full(n, 1 / n), size=resamples).astype(float)


def counts(n: int, classes: int = 3, *, seed: int = 0, wrong: float = 0.3) -> tuple[np.ndarray, np.ndarray]:
    """Presence `(n, classes)` and `(n, classes, 5)`; a quarter of the foreground classes aren't in their image."""
    rng = np.random.default_rng(seed)
    size = rng.integers(1, 100, size=(n, classes)) * (rng.random((n, classes)) < 0.75)
    size[:, 0] = 200
    misses = rng.binomial(size, wrong)
    alarms = rng.poisson(20 * wrong, size=(n, classes)) * (rng.random((n, classes)) < 0.7)
    distance = np.where((size > 0) | (alarms > 0), 30 * wrong * rng.random((n, classes)), NAN)
    result = np.stack([size - misses, alarms, misses, 0.5 * size, distance], axis=2)
    return (size > 0).astype(int), result


def by_a_plain_loop(predicted: np.ndarray) -> dict[str, float]:
    """One class, image and pixel count after another."""
    result: dict[str, list[float]] = {name: [] for name in SEGMENTATION_METRICS}
    for column in np.moveaxis(predicted, 1, 0)[1:]:
        seen = [row for row in column if row[:3].sum() > 0]
        if seen:
            result["dice"].append(np.mean([2 * tp / (2 * tp + fp + fn) for tp, fp, fn, *_ in seen]))
            result["jaccard"].append(np.mean([tp / (tp + fp + fn) for tp, fp, fn, *_ in seen]))
            tp, fp, fn, *_ = np.sum(seen, axis=0)
            result["dice_pooled"].append(2 * tp / (2 * tp + fp + fn))
            result["jaccard_pooled"].append(tp / (tp + fp + fn))
        distances = [row[4] for row in column if not math.isnan(row[4])]
        if distances:
            result["hd95"].append(np.mean(distances))
    return {name: float(np.mean(values)) if values else NAN for name, values in result.items()}


def test_metrics_worked_out_by_hand() -> None:
    # Foreground pixels of a 2 x 4 image: truth and prediction share 2 of 3 and 4; and a second image, 1 of 1 and 1.
    first = overlap(
        np.array([[1, 1, 1, 0], [0, 0, 0, 0]]),
        np.eye(2)[[[0, 1, 1, 1], [0, 0, 0, 1]]].transpose(2, 0, 1),
        with_distance=True,
    )
    second = overlap(np.array([[1, 0]]), np.eye(2)[[[1, 0]]].transpose(2, 0, 1), with_distance=True)
    result = metrics(KIND, [[1, 1], [1, 1]], np.stack([first, second]), SEGMENTATION_METRICS)
    # Distances in the first: from the truth 1, 0, 0; from the prediction 0, 0, 1 and sqrt 2. Its 95th percentile is
    # 1 + 0.85 * (sqrt 2 - 1), of the positions 0 to 3 the 2.85th.
    expected = {
        "dice": (4 / 7 + 1) / 2,
        "jaccard": (2 / 5 + 1) / 2,
        "dice_pooled": 6 / 9,
        "jaccard_pooled": 3 / 6,
        "hd95": (1 + 0.85 * (math.sqrt(2) - 1)) / 2,
    }
    assert result == pytest.approx(expected)


@pytest.mark.parametrize("classes", [2, 4])
def test_metrics_are_those_of_a_plain_loop(classes: int) -> None:
    labels, predicted = counts(40, classes)
    assert metrics(KIND, labels, predicted, SEGMENTATION_METRICS) == pytest.approx(by_a_plain_loop(predicted))


def test_each_resample_scores_as_the_resampled_images() -> None:
    labels, predicted = counts(30)
    weights = drawn_weights(30, 20)
    scored = scorer(KIND, labels, predicted, SEGMENTATION_METRICS)(weights)
    for i, drawn in enumerate(weights.astype(int)):
        expected = by_a_plain_loop(np.repeat(predicted, drawn, axis=0))
        assert {name: values[i] for name, values in scored.items()} == pytest.approx(expected)


def test_an_image_without_the_class_is_left_out_unless_it_is_predicted() -> None:
    right, absent, alarm = [5, 0, 0, 1, 0], [0, 0, 0, 0, NAN], [0, 3, 0, 0, 9]
    rest = [10, 0, 0, 1, 0]
    result = metrics(KIND, [[1, 1], [1, 0]], [[rest, right], [rest, absent]], SEGMENTATION_METRICS)
    assert result == {"dice": 1, "jaccard": 1, "dice_pooled": 1, "jaccard_pooled": 1, "hd95": 0}
    result = metrics(KIND, [[1, 1], [1, 0]], [[rest, right], [rest, alarm]], SEGMENTATION_METRICS)
    pooled = {"dice_pooled": 10 / 13, "jaccard_pooled": 5 / 8}
    assert result == pytest.approx({"dice": 0.5, "jaccard": 0.5, "hd95": 4.5, **pooled})


def test_a_class_that_is_nowhere_is_left_out_of_the_mean_and_undefined_alone() -> None:
    labels, predicted = counts(20, 3)
    predicted[:, 2], labels[:, 2] = [0, 0, 0, 0, NAN], 0
    result = metrics(KIND, labels, predicted, SEGMENTATION_METRICS)
    assert result == metrics(KIND, labels[:, :2], predicted[:, :2], SEGMENTATION_METRICS)
    alone = metrics(KIND, labels[:, [0, 2]], predicted[:, [0, 2]], SEGMENTATION_METRICS)
    assert all(math.isnan(value) for value in alone.values())
    assert all(
        math.isnan(figures[2]) for name, figures in per_class(KIND, labels, predicted).items() if name != "support"
    )


def test_the_background_doesnt_count() -> None:
    labels, predicted = counts(20)
    other = predicted.copy()
    other[:, 0] = [1, 50, 50, 9, 99]
    assert metrics(KIND, labels, other, SEGMENTATION_METRICS) == metrics(KIND, labels, predicted, SEGMENTATION_METRICS)


def test_a_distance_that_was_never_taken_is_undefined() -> None:
    labels, predicted = counts(10)
    predicted[..., 4] = NAN
    result = intervals(KIND, labels, predicted, names=SEGMENTATION_METRICS)
    assert math.isnan(result["hd95"].value)
    assert math.isnan(result["hd95"].ci_low)
    assert result["dice"].ci_low < result["dice"].value < result["dice"].ci_high


def test_figures_of_each_class() -> None:
    labels, predicted = counts(40)
    result = per_class(KIND, labels, predicted)
    assert tuple(result) == (*SEGMENTATION_METRICS, "support")
    assert result["support"].tolist() == labels.sum(axis=0).tolist()
    for c in range(3):
        alone = by_a_plain_loop(predicted[:, [c, c]])
        assert {name: result[name][c] for name in SEGMENTATION_METRICS} == pytest.approx(alone)


def test_no_images_are_no_figures() -> None:
    result = metrics(KIND, np.empty((0, 2)), np.empty((0, 2, 5)), SEGMENTATION_METRICS)
    assert all(math.isnan(value) for value in result.values())
    assert math.isnan(intervals(KIND, np.empty((0, 2)), np.empty((0, 2, 5)))["dice"].ci_low)


def test_each_kind_has_its_metrics() -> None:
    assert KINDS == ("binary", "multiclass", "multilabel", "segmentation", "decision", "pixels", "values")
    for kind in KINDS[:3]:
        assert (headline(kind), all_metrics(kind), primary(kind)) == (METRICS, ALL_METRICS, "auprc")
    assert headline(KIND) == ("dice", "jaccard")
    assert all_metrics(KIND) == SEGMENTATION_METRICS
    assert primary(KIND) == "dice"
    assert LOWER_IS_BETTER == ("ece", "hd95", "cost", "brier", "log_loss")
    assert tuple(metrics(KIND, *counts(5))) == tuple(intervals(KIND, *counts(5))) == headline(KIND)
    for ask in (headline, all_metrics, primary):
        with pytest.raises(UsageError, match="no metrics for kind 'detection'; choose one of binary, multiclass"):
            ask("detection")


@pytest.mark.parametrize("metric", SEGMENTATION_METRICS)
def test_a_model_does_not_differ_from_itself(metric: str) -> None:
    labels, predicted = counts(25)
    assert paired_difference(metric, KIND, labels, predicted, predicted) == Estimate(0, 0, 0)


@pytest.mark.parametrize("metric", SEGMENTATION_METRICS)
def test_a_strictly_better_model_is_shown_not_to_be_worse(metric: str) -> None:
    labels, bad = counts(30)
    good = bad.copy()
    taken = np.ceil(bad[..., 2] / 2)
    good[..., 0], good[..., 2] = bad[..., 0] + taken, bad[..., 2] - taken
    good[..., 1], good[..., 4] = bad[..., 1] // 2, bad[..., 4] / 2
    assert non_inferior(metric, KIND, labels, good, bad).shown
    assert not non_inferior(metric, KIND, labels, bad, good).shown


def test_groups_are_left_out_whole() -> None:
    labels, a = counts(60)
    _, b = counts(60, seed=5, wrong=0.4)
    groups = [f"p{i // 3}" for i in range(60)]
    result = paired_difference("dice", KIND, labels, a, b, groups=groups)
    assert result.value == paired_difference("dice", KIND, labels, a, b).value
    assert result != paired_difference("dice", KIND, labels, a, b)


def test_three_copies_of_a_patient_say_no_more_than_one() -> None:
    labels, predicted = counts(40)
    once = intervals(KIND, labels, predicted, names=["dice"])["dice"]
    thrice = np.repeat(labels, 3, axis=0), np.repeat(predicted, 3, axis=0)
    groups = [str(i // 3) for i in range(120)]
    grouped, loose = (intervals(KIND, *thrice, names=["dice"], groups=given)["dice"] for given in (groups, None))
    assert (grouped.ci_low, grouped.ci_high) == pytest.approx((once.ci_low, once.ci_high), abs=0.01)
    assert 1.5 < (grouped.ci_high - grouped.ci_low) / (loose.ci_high - loose.ci_low) < 2  # sqrt 3


def test_the_log_loss_is_the_mean_over_labelled_pixels() -> None:
    # 10 pixels in the first image, 4 + 2 in the second.
    predicted = np.array([[[6, 0, 4, 3.0, NAN], [0, 4, 0, 0, NAN]], [[3, 0, 1, 1.5, NAN], [2, 1, 0, 2.5, NAN]]])
    assert segmentation_log_loss(predicted) == pytest.approx(7 / 16)
    assert math.isnan(segmentation_log_loss(np.zeros((3, 2, 5))))
    predicted[0, 0, 3] = NAN
    assert math.isnan(segmentation_log_loss(predicted))


@pytest.mark.parametrize(
    ("labels", "shape", "text"),
    [
        ([[1, 1]], (1, 2, 4), r"predictions \(1, 2, 4\) must be \(n, classes, 5\).*tp, fp, fn, nll, hd95"),
        ([[1, 1]], (2, 5), r"predictions \(2, 5\) must be"),
        ([[1]], (1, 1, 5), "background included"),
        ([[1, 1]], (2, 2, 5), r"labels \(1, 2\) must be \(n, classes\), of predictions \(2, 2, 5\)"),
        ([1, 1], (2, 2, 5), r"labels \(2,\) must be"),
    ],
)
def test_shapes_that_dont_fit_are_named(labels: list[object], shape: tuple[int, ...], text: str) -> None:
    with pytest.raises(UsageError, match=text):
        metrics(KIND, labels, np.zeros(shape))


def test_broken_counts_are_named() -> None:
    for column, value in ((0, NAN), (3, math.inf), (4, math.inf)):
        labels, predicted = counts(4)
        predicted[2, 1, column] = value
        with pytest.raises(DataError, match="1 of 4 predictions are not finite"):
            metrics(KIND, labels, predicted)
    labels, predicted = counts(4)
    predicted[0, 0, 1] = -2
    with pytest.raises(DataError, match="predictions go down to -2; give counts and distances from 0 up"):
        metrics(KIND, labels, predicted)
    with pytest.raises(UsageError, match=r"predictions \(2, 5\) must be"):
        segmentation_log_loss(np.zeros((2, 5)))
    with pytest.raises(UsageError, match="metric 'auprc' is unknown; choose one of dice, jaccard"):
        metrics(KIND, *counts(4), ["auprc"])
