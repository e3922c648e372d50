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
