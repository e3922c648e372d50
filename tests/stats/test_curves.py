from __future__ import annotations

import numpy as np
import pytest

from ttl.errors import UsageError
from ttl.stats import Line, calibration, confusion, curves, intervals, metrics, wilson
from ttl.stats.curves import shortened


def binary(scores: list[float]) -> np.ndarray:
    return np.column_stack([1 - np.array(scores), scores])


def test_curves_of_five_images_by_hand() -> None:
    labels, given = [1, 1, 0, 1, 0], binary([0.9, 0.8, 0.7, 0.4, 0.1])
    (result,) = curves("binary", labels, given, called=given >= 0.5)
    assert (result.label, result.positives, result.negatives) == (1, 3, 2)
    assert result.roc.x.tolist() == [0, 0, 0, 0.5, 0.5, 1]
    assert result.roc.y.tolist() == pytest.approx([0, 1 / 3, 2 / 3, 2 / 3, 1, 1])
    assert result.precision_recall.x.tolist() == pytest.approx([0, 1 / 3, 2 / 3, 2 / 3, 1, 1])
    assert result.precision_recall.y.tolist() == pytest.approx([1, 1, 1, 2 / 3, 3 / 4, 3 / 5])
    assert np.isinf([result.roc.thresholds[0], result.precision_recall.thresholds[0]]).all()
    shares = (result.sensitivity, result.specificity, result.precision)
    assert [share.value for share in shares] == pytest.approx([2 / 3, 1 / 2, 2 / 3])
    own = intervals("decision", labels, [1, 1, 1, 0, 0], names=("specificity",))
    assert result.specificity == own["specificity"]
    assert result.auroc.value == pytest.approx(5 / 6)


def test_the_areas_are_those_of_the_metrics_and_lie_under_the_curves() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 300)
    given = binary(np.clip(0.3 * labels + rng.random(300) * 0.7, 0, 1).tolist())
    (result,) = curves("binary", labels, given, seed=3)
    expected = metrics("binary", labels, given, ("auroc", "auprc"))
    assert result.auroc.value == pytest.approx(expected["auroc"])
    assert result.auroc.ci_low < expected["auroc"] < result.auroc.ci_high
    assert float(np.trapezoid(result.roc.y, result.roc.x)) == pytest.approx(expected["auroc"], abs=1e-9)
    recall, precision = result.precision_recall.x, result.precision_recall.y
    assert float((np.diff(recall) * precision[1:]).sum()) == pytest.approx(expected["auprc"], abs=0.005)


def test_each_class_is_set_against_the_rest_and_one_without_positives_is_left_out() -> None:
    labels, given = [0, 0, 1, 1], np.array([[0.8, 0.1, 0.1], [0.3, 0.6, 0.1], [0.2, 0.7, 0.1], [0.1, 0.8, 0.1]])
    result = curves("multiclass", labels, given, called=np.eye(3)[given.argmax(axis=1)])
    assert [(of.label, of.positives, of.auroc.value) for of in result] == [(0, 2, 1.0), (1, 2, 1.0)]
    assert result[0].sensitivity.value == 0.5
    assert result[1].precision.value == pytest.approx(2 / 3)


def test_of_many_classes_the_six_with_the_most_positives_are_taken() -> None:
    labels = np.repeat(np.arange(8), [1, 4, 4, 4, 4, 4, 4, 2])
    given = np.full((len(labels), 8), 1 / 8)
    assert [of.label for of in curves("multiclass", labels, given)] == [1, 2, 3, 4, 5, 6]


def test_unknown_labels_are_left_out() -> None:
    labels = np.array([[1, -1], [0, 1], [-1, 0], [1, 0]])
    given = np.array([[0.9, 0.5], [0.2, 0.6], [0.99, 0.1], [0.7, 0.7]])
    first, second = curves("multilabel", labels, given, called=given >= [0.5, 0.65])
    assert (first.positives, first.negatives, first.auroc.value) == (2, 1, 1.0)
    assert (second.positives, second.negatives, second.auroc.value) == (1, 2, 0.5)
    assert (first.specificity.value, second.sensitivity.value, second.specificity.value) == (1.0, 0.0, 0.5)


def test_without_decisions_there_are_no_rates_and_their_shape_is_checked() -> None:
    labels, given = [1, 1, 0, 1, 0], binary([0.9, 0.8, 0.7, 0.4, 0.1])
    (result,) = curves("binary", labels, given)
    assert np.isnan([result.sensitivity.value, result.specificity.value, result.precision.value]).all()
    with pytest.raises(UsageError, match=r"what is called \(5,\) must have the shape of the probabilities \(5, 2\)"):
        curves("binary", labels, given, called=[1, 1, 0, 1, 0])


def test_a_shortened_line_keeps_its_ends_and_strays_less_than_a_hundredth() -> None:
    rng = np.random.default_rng(1)
    x, y = np.sort(rng.random(5000)), np.sort(rng.random(5000))
    line = Line(np.append(x, 1.0), np.append(y, 1.0), np.arange(5001.0))
    result = shortened(line)
    assert len(result.x) <= 200
    assert (result.thresholds[0], result.thresholds[-1]) == (0, 5000)
    assert np.abs(np.interp(line.x, result.x, result.y) - line.y).max() < 0.011
    assert shortened(result) is result


def test_a_matrix_counts_truth_by_rows() -> None:
    assert confusion([0, 0, 1, 2, 2], [0, 1, 1, 2, 0], 3).tolist() == [[1, 1, 0], [0, 1, 0], [1, 0, 1]]


def test_of_several_labels_each_has_its_own_four_counts() -> None:
    labels = np.array([[1, -1], [0, 1], [1, 0]])
    result = confusion(labels, [[1, 1], [1, 0], [0, 0]], 2)
    assert result.tolist() == [[[0, 1], [1, 1]], [[1, 0], [1, 0]]]


def test_decisions_of_another_shape_are_refused() -> None:
    with pytest.raises(UsageError, match=r"must both be \(n,\) or \(n, 2\)"):
        confusion([0, 1, 1], [0, 1], 2)
    with pytest.raises(UsageError, match=r"must both be \(n,\) or \(n, 3\)"):
        confusion([[0, 1]], [[0, 1]], 3)


def test_wilson_by_hand() -> None:
    # 8 of 10: (0.8 + z^2/20 +- z sqrt(0.016 + z^2/400)) / (1 + z^2/10), z = 1.96
    result = wilson(8, 10)
    assert (result.value, result.ci_low, result.ci_high) == pytest.approx((0.8, 0.4902, 0.9433), abs=1e-4)
    assert np.isnan(wilson(0, 0).value)
    assert wilson(5, 5).ci_high == 1
    assert wilson(5, 5).ci_low == pytest.approx(0.5655, abs=1e-4)


def test_bins_hold_equally_many_and_the_histogram_all() -> None:
    sure = np.linspace(0.505, 0.995, 100)
    labels = (np.arange(100) % 4 > 0).astype(int)  # three of four are right
    result = calibration("binary", labels, binary(sure.tolist()))
    assert [of.n for of in result.bins] == [20] * 5
    assert [of.accuracy.value for of in result.bins] == [0.75] * 5
    assert result.bins[0].confidence == pytest.approx(sure[:20].mean())
    assert result.bins[-1].high == 0.995
    assert result.counts.sum() == 100
    assert (result.edges[0], result.edges[-1]) == (0.5, 1)


def test_equal_confidences_stay_together() -> None:
    given = binary([0.9] * 70 + [0.6] * 10)
    result = calibration("binary", [1] * 80, given)
    assert [(of.n, of.low, of.high) for of in result.bins] == [(80, 0.6, 0.9)]
    given = binary([0.6] * 45 + [0.9] * 35)
    assert [of.n for of in calibration("binary", [1] * 80, given).bins] == [45, 35]


def test_the_confidence_in_a_label_is_of_present_or_absent() -> None:
    result = calibration("multilabel", np.array([[1, 0], [0, -1]]), np.array([[0.8, 0.1], [0.7, 0.3]]))
    (only,) = result.bins
    assert (only.n, only.accuracy.value, only.confidence) == (3, pytest.approx(2 / 3), pytest.approx(0.8))
