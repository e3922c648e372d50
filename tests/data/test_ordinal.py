"""Classes that are ordered, and the metric that only they have."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ttl.data import KINDS, Columns, load_task
from ttl.errors import UsageError
from ttl.stats import ALL_METRICS, metrics

from .toys import class_folders, manifest


def test_the_order_is_that_of_the_names_and_a_note_says_so(tmp_path: Path) -> None:
    path = manifest(tmp_path)
    lines = path.read_text().splitlines()
    grades = [lines[0], *(f"{line[:-1]}{(9, 10, 2)[i % 3]}" for i, line in enumerate(lines[1:]))]
    path.write_text("\n".join(grades) + "\n")
    columns = Columns(labels=("grade",))
    task, plain = load_task(path, columns=columns, ordinal=True), load_task(path, columns=columns)
    assert "The classes are ordered: 2 < 9 < 10." in task.notes
    assert (task.ordinal, plain.ordinal) == (True, False)
    assert task.fingerprint == plain.fingerprint
    assert task.train.ids == plain.train.ids


def test_kappa_is_a_metric_of_ordered_classes_alone(tmp_path: Path) -> None:
    data = class_folders(tmp_path / "set", {"0": 4, "1": 4, "2": 4})
    plain, task = load_task(data), load_task(data, ordinal=True)
    assert task.metrics == task.file_metrics == ALL_METRICS
    assert plain.metrics == plain.file_metrics == tuple(name for name in ALL_METRICS if name != "kappa")
    assert "kappa" in metrics("multiclass", [0, 1, 2], [[1, 0, 0], [0, 1, 0], [0, 0, 1]], KINDS["multiclass"].metrics)


def test_a_segmentation_keeps_its_metrics() -> None:
    kind = KINDS["segmentation"]
    masked = replace(load_task("digits:0-1"), kind=kind)
    assert (masked.metrics, masked.file_metrics) == (kind.metrics, kind.file_metrics)
    assert masked.metrics != masked.file_metrics


def test_two_classes_and_several_labels_have_no_order(tmp_path: Path) -> None:
    two = class_folders(tmp_path / "two", {"0": 4, "1": 4})
    with pytest.raises(UsageError, match=r"--ordinal is for 3 ordered classes or more.* two is binary with 2 classes"):
        load_task(two, ordinal=True)
    several = manifest(tmp_path / "several", several=True)
    with pytest.raises(UsageError, match=r"set is multilabel with 3 classes: leave it out\."):
        load_task(several, columns=Columns(labels=("edema", "mass", "nodule")), ordinal=True)
