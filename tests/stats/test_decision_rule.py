"""Decisions by thresholds, and patients of several images."""

from __future__ import annotations

import numpy as np
import pytest

from ttl.errors import DataError, UsageError
from ttl.stats import Aim, DecisionRule, Threshold, combined
from ttl.typed import from_json, to_json

GRADES = ("none", "mild", "severe")
ROWS = np.array([[0.5, 0.3, 0.2], [0.6, 0.2, 0.2], [0.1, 0.2, 0.7]])


def test_without_a_threshold_the_most_probable_class_is_taken() -> None:
    assert DecisionRule().decisions(ROWS, GRADES).tolist() == [0, 0, 2]
    assert DecisionRule().words(GRADES) == "Each image gets the most probable of none, mild, severe."


def test_classes_grouped_into_one_finding_are_summed() -> None:
    rule = DecisionRule(("mild", "severe"), (0.45,), Aim("sensitivity", 0.95), (Threshold(0.45, 0.96, 0.81, 50, 60),))
    assert rule.finding_scores(ROWS, GRADES) == pytest.approx([0.5, 0.4, 0.9])
    assert rule.decisions(ROWS, GRADES).tolist() == [1, 0, 1]
    assert rule.words(GRADES) == (
        "Each image with a probability of mild or severe from 0.45 on is positive (chosen for a sensitivity of 0.95 at "
        "least, with a confidence of 0.8; on the images that it was set on sensitivity 0.960, specificity 0.810)."
    )


def test_labels_have_a_threshold_each() -> None:
    rule = DecisionRule(thresholds=(0.6, 0.3, 0.2), per="patient", combine="max")
    assert rule.decisions(ROWS, GRADES).tolist() == [[0, 1, 1], [1, 0, 1], [0, 0, 1]]
    assert rule.words(GRADES) == (
        "Each patient (by the highest probability of the images) has the labels whose probability reaches their "
        "threshold: none 0.6, mild 0.3, severe 0.2 (chosen for the best balanced accuracy)."
    )


def test_a_rule_is_the_same_after_json() -> None:
    points = (Threshold(0.3, float("nan"), 1.0, 0, 4),)
    rule = DecisionRule(("mild",), (0.3,), Aim("costs", costs=(9.0, 1.0)), points, "patient", "max")
    back = from_json(DecisionRule, to_json(rule), where="here")
    assert to_json(back) == to_json(rule)
    assert back.aim == rule.aim


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(UsageError, match="no class grave: the finding's classes are among none, mild, severe"):
        DecisionRule(("grave",), (0.5,)).decisions(ROWS, GRADES)
    with pytest.raises(DataError, match="2 thresholds for 3 labels"):
        DecisionRule(thresholds=(0.5, 0.5)).decisions(ROWS, GRADES)


def test_a_patient_has_the_finding_that_any_image_has() -> None:
    labels, groups = [0, 1, 0, 0], ["b", "b", "a", "a"]
    rows = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4], [0.8, 0.2]])
    made, mean, names = combined(labels, rows, groups, "mean")
    assert (made.tolist(), names) == ([1, 0], ("b", "a"))
    assert mean == pytest.approx(np.array([[0.55, 0.45], [0.7, 0.3]]))
    assert combined(labels, rows, groups, "max")[1] == pytest.approx(np.array([[0.2, 0.8], [0.6, 0.4]]))


def test_labels_of_a_patient_are_those_of_any_image_and_unknown_where_all_are() -> None:
    labels = np.array([[1, -1, 0], [0, -1, -1], [0, 1, -1]])
    rows = np.array([[0.9, 0.1, 0.3], [0.2, 0.8, 0.1], [0.6, 0.4, 0.2]])
    made, highest, _ = combined(labels, rows, ["a", "a", "b"], "max")
    assert made.tolist() == [[1, -1, 0], [0, 1, -1]]
    assert highest == pytest.approx(np.array([[0.9, 0.8, 0.3], [0.6, 0.4, 0.2]]))


def test_classes_that_exclude_each_other_must_agree_in_a_patient() -> None:
    made, highest, _ = combined([2, 2, 0], ROWS, ["a", "a", "b"], "max")
    assert made.tolist() == [2, 0]
    assert highest == pytest.approx(np.array([[0.6 / 1.1, 0.3 / 1.1, 0.2 / 1.1], [0.1, 0.2, 0.7]]))
    for labels in ([2, 1, 0], [1, 2, 0]):
        with pytest.raises(DataError, match="images of patient a have several classes"):
            combined(labels, ROWS, ["a", "a", "b"], "mean")
    with pytest.raises(UsageError, match="1 patients for 3 images"):
        combined([0, 0, 0], ROWS, ["a"], "mean")
    with pytest.raises(UsageError, match="don't fit"):
        combined([0, 0], ROWS, ["a", "b"], "mean")


def test_how_far_a_decision_is_from_a_tie() -> None:
    names, rows = ("a", "b", "c"), [[0.5, 0.3, 0.2], [0.1, 0.1, 0.8]]
    assert DecisionRule().distances(rows, names) == pytest.approx([0.2, 0.7])
    assert DecisionRule(("a", "b"), (0.75,)).distances(rows, names) == pytest.approx([0.05, 0.55])
    labels = DecisionRule((), (0.4, 0.4, 0.1)).distances(rows, names)
    assert labels == pytest.approx(np.array([[0.1, 0.1, 0.1], [0.3, 0.3, 0.7]]))
    with pytest.raises(DataError, match="2 thresholds for 3 labels"):
        DecisionRule((), (0.4, 0.4)).distances(rows, names)
