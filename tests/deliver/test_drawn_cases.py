"""Which test images are shown, by what the two networks say of them."""

from __future__ import annotations

import numpy as np

from ttl.data.kind import KINDS
from ttl.deliver.pictures.drawn_cases import Cases, cases_of, picked
from ttl.stats import DecisionRule

NAMES = ("a", "b", "c")


def sure(*positive: float) -> np.ndarray:
    return np.column_stack([1 - np.array(positive), positive])


def of_two(labels: np.ndarray, rows: dict[str, np.ndarray], threshold: float = 0.5) -> Cases:
    rules = dict.fromkeys(rows, DecisionRule(finding=("b",), thresholds=(threshold,)))
    return cases_of(KINDS["binary"], NAMES[:2], labels, rows, rules)


def test_what_is_right_is_by_the_rule_of_the_network() -> None:
    labels, given = np.array([0, 1, 1, 0]), sure(0.05, 0.3, 0.1, 0.4)
    assert of_two(labels, {"full": given}).decisions["full"].right.tolist() == [True, False, False, True]
    by_rule = of_two(labels, {"full": given}, 0.2).decisions["full"]
    assert by_rule.right.tolist() == [True, True, False, False]
    np.testing.assert_allclose(by_rule.confidence, [0.95, 0.3, 0.9, 0.4])


def test_of_each_way_the_two_surest_are_shown_of_different_classes() -> None:
    labels = np.array([0, 0, 1, 1, 1, 0])
    chosen = sure(0.01, 0.02, 0.7, 0.8, 0.1, 0.9)
    full = sure(0.2, 0.3, 0.9, 0.4, 0.2, 0.1)
    found = picked(of_two(labels, {"chosen": chosen, "full": full}))
    assert found == [
        (0, "both right, one of 3"),
        (2, "both right, one of 3"),
        (3, "truncated right, whole wrong, one of 1"),
        (5, "truncated wrong, whole right, one of 1"),
        (4, "both wrong, one of 1"),
    ]


def test_of_one_network_four_right_and_four_wrong_are_shown() -> None:
    labels = np.array([0, 1] * 8)
    given = sure(*[0.1, 0.9] * 5, *[0.8, 0.3] * 3)
    found = picked(of_two(labels, {"full": given}))
    assert [why.split(",")[0] for _, why in found] == ["right"] * 4 + ["wrong"] * 4
    assert sorted(labels[[at for at, _ in found[:4]]]) == [0, 0, 1, 1]


def test_of_several_labels_those_are_cases_that_are_there_or_are_said_to_be() -> None:
    labels = np.array([[1, 0, -1], [0, 0, 1]])
    chosen = np.array([[0.9, 0.8, 0.9], [0.1, 0.2, 0.3]])
    rows = {"chosen": chosen, "full": 1 - chosen}
    rules = dict.fromkeys(rows, DecisionRule(thresholds=(0.5,) * 3))
    cases = cases_of(KINDS["multilabel"], NAMES, labels, rows, rules)
    assert list(zip(cases.images.tolist(), cases.labels.tolist(), strict=True)) == [(0, 0), (0, 1), (1, 2)]
    assert cases.decisions["chosen"].right.tolist() == [True, False, False]
    assert cases.decisions["chosen"].classes.tolist() == [1, 1, 0]
    assert cases.decisions["full"].right.tolist() == [False, True, True]
    np.testing.assert_allclose(cases.decisions["chosen"].confidence, [0.9, 0.8, 0.7])
