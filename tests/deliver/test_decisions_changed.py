"""The gate counts the decisions that changed by the file's own rule, wherever its threshold lies."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import pytest

from ttl.deliver.acceptance import Acceptance
from ttl.deliver.deliverable import Deliverable
from ttl.errors import GateError
from ttl.export.targets import target_of
from ttl.run.exporting_flow import deliverable_in
from ttl.stats import Aim, DecisionRule

Rows = npt.NDArray[np.float64]
NEAR_09, NEAR_05 = (0.89, 0.91), (0.49, 0.51)


def ruled(deliverable: Deliverable, threshold: float, split: str, places: tuple[float, float], n: int) -> Deliverable:
    """A model with this threshold, of which `n` images of a split lie at the first place, the others by their class."""
    names, labels = deliverable.contract.class_names, np.asarray(deliverable.task.splits[split].labels)
    positive = np.where(labels == 1, 0.99, 0.01)
    positive[np.flatnonzero(labels == 1)[:n]] = places[0]
    rule = DecisionRule((names[1],), (threshold,), Aim("threshold", threshold))
    predicted = {**deliverable.predicted, split: np.stack([1 - positive, positive], axis=1)}
    return replace(deliverable, contract=replace(deliverable.contract, decision=rule), predicted=predicted)


def moved(rows: Rows, places: tuple[float, float]) -> Rows:
    """What is at the first place is at the second: no rank changes."""
    positive = np.where(rows[:, 1] == places[0], places[1], rows[:, 1])
    return np.stack([1 - positive, positive], axis=1)


@pytest.fixture(scope="module")
def deliverable(ran: Path) -> Deliverable:
    return deliverable_in(ran, None)


@pytest.mark.parametrize(
    ("threshold", "places", "wanted"),
    [(0.9, NEAR_09, 3), (0.9, NEAR_05, 0), (0.5, NEAR_09, 0), (0.5, NEAR_05, 3)],
)
def test_what_crosses_the_threshold_counts(
    deliverable: Deliverable, threshold: float, places: tuple[float, float], wanted: int
) -> None:
    own = ruled(deliverable, threshold, "test", places, 3)
    changed = own.changed(moved(own.predicted["test"], places), "test")
    assert changed is not None
    assert (changed.changed, changed.of) == (wanted, len(own.task.test))


def test_of_patients_their_decisions_count(deliverable: Deliverable) -> None:
    own = ruled(deliverable, 0.5, "test", NEAR_05, 3)
    rows = moved(own.predicted["test"], NEAR_05)
    rule = replace(own.contract.rule, per="patient")
    # Neighbours by their probability are one patient: two of the three that moved, and the third with one at 0.99.
    order = np.argsort(own.predicted["test"][:, 1], kind="stable")
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    first = int(place[own.predicted["test"][:, 1] == NEAR_05[0]].min())
    groups = tuple(f"P{(i - first) // 2}" for i in place.tolist())
    task = replace(deliverable.task, test=replace(deliverable.task.test, groups=groups))
    for combine, wanted in (("mean", 1), ("max", 1)):
        of_patients = replace(own, task=task, contract=replace(own.contract, decision=replace(rule, combine=combine)))
        changed = of_patients.changed(rows, "test")
        assert changed is not None
        assert (changed.changed, changed.of) == (wanted, len(set(groups)))


def test_int8_layers_are_accepted_by_the_files_rule(deliverable: Deliverable, monkeypatch: pytest.MonkeyPatch) -> None:
    n = len(deliverable.task.val) // 4
    for threshold, places, accepted in ((0.9, NEAR_09, False), (0.9, NEAR_05, True), (0.5, NEAR_05, False)):
        own = ruled(deliverable, threshold, "val", places, n)
        rows = moved(own.predicted["val"], places)
        monkeypatch.setattr(Deliverable, "from_file", lambda *_, rows=rows: rows)
        verdict = Acceptance(own, margin=0.01, most_changed=0.05).accept(onnx.ModelProto())
        assert verdict.accepted is accepted
        assert verdict.words.endswith(f"; {0 if accepted else n} of {len(rows)} decided otherwise")


def test_an_int8_file_that_decides_otherwise_at_its_threshold_is_refused(
    deliverable: Deliverable, monkeypatch: pytest.MonkeyPatch
) -> None:
    n = len(deliverable.task.test) // 4
    for places, refused in ((NEAR_09, True), (NEAR_05, False)):
        own = ruled(deliverable, 0.9, "test", places, n)
        rows = moved(own.predicted["test"], places)
        monkeypatch.setattr(Deliverable, "from_file", lambda *_, rows=rows: rows)
        gate = Acceptance(own, margin=0.01, most_changed=0.05)
        if refused:
            with pytest.raises(
                GateError, match=rf"The file decides {n} of {len(rows)} test images otherwise than fp32"
            ):
                gate.judge(target_of("int8"), Path("m.onnx"))
        else:
            judged = gate.judge(target_of("int8"), Path("m.onnx"))
            assert judged.figures.decisions_changed == (0, len(rows))


def test_a_decision_that_differs_is_shown_with_how_near_a_tie_it_was(
    deliverable: Deliverable, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = ruled(deliverable, 0.9, "test", NEAR_09, 2)
    changed = own.changed(moved(own.predicted["test"], NEAR_09), "test")
    assert changed is not None
    assert changed.distances == pytest.approx((0.01, 0.01))
    rows = moved(own.predicted["test"], NEAR_09)
    monkeypatch.setattr(Deliverable, "from_file", lambda *_: rows)
    judged = Acceptance(own, margin=0.01, most_changed=0.05).judge(target_of("int8"), Path("m.onnx"))
    assert judged.figures.tie_distances == pytest.approx((0.01, 0.01))
    (check,) = (check for check in judged.checks if check.name.startswith("Decisions"))
    assert check.found.startswith(f"2 of {len(rows)} (95 % interval ")
    assert check.found.endswith("in PyTorch their probabilities are this far from the threshold: 0.01, 0.01")
    assert check.wanted == "not shown to be more than 5%"


def test_of_few_images_one_does_not_refuse_a_file(deliverable: Deliverable, monkeypatch: pytest.MonkeyPatch) -> None:
    """One of twenty is the allowed share; of ten it is twice that, and not shown to be more."""
    for moving, images, refused in ((1, 10, False), (2, 10, False), (3, 10, True), (6, 10, True)):
        own = ruled(deliverable, 0.9, "test", NEAR_09, moving)
        rows = own.predicted["test"]
        few = np.sort(np.argsort(rows[:, 1] != NEAR_09[0], kind="stable")[: images - 2])
        few = np.sort(np.concatenate([few, np.flatnonzero(rows[:, 1] == 0.01)[:2]]))
        labels = np.asarray(own.task.test.labels)[few]
        test = replace(own.task.test, index=own.task.test.index[few], labels=labels)
        own = replace(own, task=replace(own.task, test=test), predicted={**own.predicted, "test": rows[few]})
        changed_rows = moved(rows[few], NEAR_09)
        monkeypatch.setattr(Deliverable, "from_file", lambda *_, given=changed_rows: given)
        gate = Acceptance(own, margin=0.5, most_changed=0.05)
        if refused:
            with pytest.raises(
                GateError, match=rf"decides {moving} of 10 test images otherwise than fp32, which is shown"
            ):
                gate.judge(target_of("int8"), Path("m.onnx"))
        else:
            assert gate.judge(target_of("int8"), Path("m.onnx")).figures.decisions_changed == (moving, 10)


def test_the_rates_where_it_decides_are_the_files_own(
    deliverable: Deliverable, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = ruled(deliverable, 0.9, "test", NEAR_09, 2)
    rows = moved(own.predicted["test"], NEAR_09)
    monkeypatch.setattr(Deliverable, "from_file", lambda *_: rows)
    judged = Acceptance(own, margin=0.01, most_changed=0.05).judge(target_of("fp16"), Path("m.onnx"))
    positives = int((np.asarray(own.task.test.labels) == 1).sum())
    assert own.at_point(own.predicted["test"], "test")["sensitivity"].value == pytest.approx(1 - 2 / positives)
    assert judged.own is not None
    assert judged.own.at_point["sensitivity"].value == 1.0
    assert judged.own.test == judged.figures.test
