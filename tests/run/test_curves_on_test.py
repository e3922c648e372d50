"""Which curves are marked, by what, for each kind of rule."""

from __future__ import annotations

import numpy as np
import pytest

from ttl.data.kind import KINDS
from ttl.run.curves_on_test import class_records
from ttl.run.decisions_on_test import Decided
from ttl.stats import DecisionRule

NAMES = ("none", "mild", "severe")
LABELS = np.array([0, 0, 0, 1, 1, 2, 2, 2])
# the last two of class 2 are taken for others by the most probable class
ROWS = np.array([
    [0.8, 0.1, 0.1], [0.7, 0.2, 0.1], [0.4, 0.35, 0.25], [0.2, 0.7, 0.1], [0.1, 0.6, 0.3], [0.1, 0.2, 0.7],
    [0.5, 0.1, 0.4], [0.2, 0.45, 0.35],
])  # fmt: skip


def decided(rule: DecisionRule, kind: str = "multiclass") -> Decided:
    return Decided(KINDS[kind], NAMES, LABELS, ROWS, None, rule)


def test_without_a_finding_each_class_is_marked_where_it_is_the_most_probable_one() -> None:
    records = class_records(decided(DecisionRule()), 0)
    assert [of.name for of in records] == list(NAMES)
    assert [of.threshold for of in records] == [None] * 3
    assert [of.at_threshold.sensitivity.value for of in records if of.at_threshold] == pytest.approx([1, 1, 1 / 3])


def test_a_finding_of_several_classes_has_its_own_curve_and_the_others_are_not_marked() -> None:
    finding, *classes = class_records(decided(DecisionRule(finding=NAMES[1:], thresholds=(0.55,))), 0)
    assert (finding.name, finding.threshold, finding.positives) == ("mild or severe", 0.55, 5)
    assert finding.at_threshold
    assert finding.at_threshold.sensitivity.value == pytest.approx(4 / 5)
    assert finding.at_threshold.specificity.value == pytest.approx(2 / 3)
    assert [of.at_threshold for of in classes] == [None] * 3


def test_a_finding_of_one_class_is_marked_on_the_curve_of_that_class() -> None:
    records = class_records(decided(DecisionRule(finding=("severe",), thresholds=(0.35,))), 0)
    assert [of.name for of in records] == list(NAMES)
    assert [of.threshold for of in records] == [None, None, 0.35]
    assert records[0].at_threshold is records[1].at_threshold is None
    assert records[2].at_threshold
    assert records[2].at_threshold.sensitivity.value == 1
    assert records[2].at_threshold.specificity.value == 1


def test_each_label_is_marked_at_its_own_threshold() -> None:
    labels = np.eye(3, dtype=np.int64)[LABELS]
    labels[0, 2] = -1
    rule = DecisionRule(thresholds=(0.45, 0.65, 0.2))
    records = class_records(Decided(KINDS["multilabel"], NAMES, labels, ROWS, None, rule), 0)
    assert [of.threshold for of in records] == [0.45, 0.65, 0.2]
    points = [of.at_threshold for of in records if of.at_threshold]
    assert [point.sensitivity.value for point in points] == pytest.approx([2 / 3, 1 / 2, 1])
    assert points[2].specificity.value == pytest.approx(2 / 4)


def test_two_classes_have_one_curve() -> None:
    rows, labels = np.column_stack([1 - ROWS[:, 2], ROWS[:, 2]]), (LABELS == 2).astype(np.int64)
    rule = DecisionRule(finding=("severe",), thresholds=(0.4,))
    names = ("other", "severe")
    (record,) = class_records(Decided(KINDS["binary"], names, labels, rows, None, rule), 0)
    assert (record.name, record.threshold) == ("severe", 0.4)
    assert record.at_threshold
    assert record.at_threshold.sensitivity.value == pytest.approx(2 / 3)
