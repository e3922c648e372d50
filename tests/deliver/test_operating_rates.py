"""The decision endpoint follows from what a threshold was set for, and each model decides at its own."""

from __future__ import annotations

import numpy as np
import pytest

from ttl.data.kind import KINDS
from ttl.deliver.operating_rates import endpoint, outcomes, rates
from ttl.stats import Aim, DecisionRule, Outcomes

NAMES = ("normal", "ill")
LABELS = np.repeat([0, 1], 20)
SCORES = np.tile(np.linspace(0.025, 0.975, 20), 2)  # the same of either class: a coin
ROWS = np.stack([1 - SCORES, SCORES], axis=1)


def rule(threshold: float, aim: Aim | None = None) -> DecisionRule:
    return DecisionRule(finding=("ill",), thresholds=(threshold,), aim=aim or Aim())


@pytest.mark.parametrize(
    ("aim", "metric", "difference"),
    [
        # At 0.3 14 of 20 are found and 6 of 20 let go; at 0.7 it is 6 and 14.
        (Aim(), "balanced_accuracy", 0.0),
        (Aim("threshold", 0.5), "balanced_accuracy", 0.0),
        (Aim("sensitivity", 0.9), "specificity", -0.4),
        (Aim("specificity", 0.9), "sensitivity", 0.4),
        (Aim("costs", costs=(4.0, 1.0)), "cost", -0.15),  # (6 x 4 + 14 x 1) / 4 less (14 x 4 + 6 x 1) / 4, of 40
    ],
)
def test_the_endpoint_follows_from_the_aim(aim: Aim, metric: str, difference: float) -> None:
    found = endpoint(KINDS["binary"], NAMES, LABELS, (ROWS, rule(0.3, aim)), (ROWS, rule(0.7, aim)), margin=0.05)
    assert found is not None
    assert (found.metric, found.margin) == (metric, 0.05)
    assert found.difference.value == pytest.approx(difference)
    assert found.difference.ci_low < difference < found.difference.ci_high
    assert found.shown == (metric in ("sensitivity", "cost"))


def test_rates_and_counts_are_those_at_the_operating_point() -> None:
    found = rates(KINDS["binary"], NAMES, LABELS, ROWS, rule(0.3))
    values = {name: estimate.value for name, estimate in found.items()}
    assert values == pytest.approx(
        {"sensitivity": 0.7, "specificity": 0.3, "balanced_accuracy": 0.5, "ppv": 14 / 28, "npv": 6 / 12}
    )
    counted = outcomes(KINDS["binary"], NAMES, LABELS, ROWS, rule(0.3))
    assert counted == {"ill": Outcomes(14, 6, 14, 6)}
    assert counted["ill"].prevalence == 0.5


def test_predictive_values_are_those_at_the_prevalence_asked_for() -> None:
    found = rates(KINDS["binary"], NAMES, LABELS, ROWS, rule(0.3), prevalence=0.1)
    assert found["ppv"].value == pytest.approx(0.1 * 0.7 / (0.1 * 0.7 + 0.9 * 0.7))
    assert found["sensitivity"].value == pytest.approx(0.7)


def test_a_cost_is_a_rate_where_the_threshold_was_set_for_it() -> None:
    found = rates(KINDS["binary"], NAMES, LABELS, ROWS, rule(0.3, Aim("costs", costs=(4.0, 1.0))))
    assert found["cost"].value == pytest.approx((6 + 14 / 4) / 40)


def test_without_a_finding_it_is_the_balanced_accuracy_of_the_classes() -> None:
    labels = np.tile([0, 1, 2], 10)
    rows = np.eye(3)[labels] * 0.9 + 0.03
    wrong = np.roll(rows, 1, axis=1)
    found = endpoint(
        KINDS["multiclass"], ("a", "b", "c"), labels, (wrong, DecisionRule()), (rows, DecisionRule()), margin=0.05
    )
    assert found is not None
    assert (found.metric, found.difference.value, found.shown) == ("balanced_accuracy", -1.0, False)
    assert rates(KINDS["multiclass"], ("a", "b", "c"), labels, rows, DecisionRule()) == {}


def test_of_several_labels_means_over_them_and_counts_of_each() -> None:
    labels = np.array([[1, -1], [0, 1], [1, 0], [0, 0]])
    rows = np.array([[0.9, 0.9], [0.2, 0.9], [0.1, 0.6], [0.8, 0.1]])
    of = DecisionRule(thresholds=(0.5, 0.7))
    assert outcomes(KINDS["multilabel"], ("x", "y"), labels, rows, of) == {
        "x": Outcomes(1, 1, 1, 1),
        "y": Outcomes(1, 0, 0, 2),
    }
    assert rates(KINDS["multilabel"], ("x", "y"), labels, rows, of)["sensitivity"].value == 0.75
    found = endpoint(KINDS["multilabel"], ("x", "y"), labels, (rows, of), (rows, of), margin=0.05)
    assert found is not None
    assert (found.metric, found.difference.value) == ("balanced_accuracy", 0.0)


def test_masks_have_no_endpoint() -> None:
    kind, rows = KINDS["segmentation"], np.zeros((4, 2, 5))
    assert endpoint(kind, ("", "cell"), LABELS, (rows, rule(0.5)), (rows, rule(0.5)), margin=0.05) is None
    assert rates(kind, ("", "cell"), LABELS, rows, rule(0.5)) == {}
