"""Arrays whose labels are several, or whose classes the name of the file says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ttl.data import load_task
from ttl.data.kind import KINDS
from ttl.data.readers.arrays import read_npz
from ttl.data.readers.medmnist import SETS, medmnist_set
from ttl.data.whole_set import Classes, load_whole
from ttl.errors import DataError

PARTS = {"train": 24, "val": 12, "test": 12}


def saved(path: Path, classes: int = 2, **changes: Any) -> Path:
    """Images of noise, of which image i of a split has the label i modulo the classes."""
    rng = np.random.default_rng(0)
    values: dict[str, Any] = {}
    for split, n in PARTS.items():
        values[f"{split}_images"] = rng.integers(0, 256, (n, 5, 6), dtype=np.uint8)
        values[f"{split}_labels"] = (np.arange(n) % classes).astype(np.uint8)[:, None]
    np.savez(path, **values | changes)
    return path


def several(n: int, k: int = 3, value: int = 1) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """`(n, k)`: image i has the label i modulo `k`, and every fourth one the next label, too."""
    labels = np.zeros((n, k), np.int64)
    labels[np.arange(n), np.arange(n) % k] = value
    labels[np.arange(0, n, 4), (np.arange(0, n, 4) + 1) % k] = value
    return labels.astype(np.uint8)


def of_labels(path: Path, k: int = 3, **changes: Any) -> Path:
    return saved(path, **{f"{split}_labels": several(n, k) for split, n in PARTS.items()} | changes)


def test_several_labels_of_an_image_are_learned_from(tmp_path: Path) -> None:
    task = load_task(of_labels(tmp_path / "toy.npz"))
    assert (task.kind, task.class_names) == ("multilabel", ("0", "1", "2"))
    assert task.val.ids == tuple(f"val/{i}" for i in range(12))
    assert task.val.labels[:5].tolist() == [[1, 1, 0], [0, 1, 0], [0, 0, 1], [1, 0, 0], [0, 1, 1]]
    assert task.train.labels.dtype == np.int64


@pytest.mark.parametrize("dtype", [np.bool_, np.int8, np.int64])
def test_labels_of_other_types_are_the_same(tmp_path: Path, dtype: type) -> None:
    changes = {f"{split}_labels": several(n).astype(dtype) for split, n in PARTS.items()}
    assert read_npz(saved(tmp_path / "toy.npz", **changes)).labels[24:26].tolist() == [[1, 1, 0], [0, 1, 0]]


def test_unknown_labels_are_minus_one(tmp_path: Path) -> None:
    labels = several(24).astype(np.int8)
    labels[0] = (-1, 1, -1)
    records = read_npz(of_labels(tmp_path / "toy.npz", train_labels=labels))
    assert records.labels[0].tolist() == [-1, 1, -1]


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"val_labels": several(12, value=2)}, "val_labels in {path} has 3 labels an image with the value 2: of"),
        ({"val_labels": several(12, 4)}, "differ in the number of labels an image (train_labels (24, 3), val_labels "),
        ({"val_labels": several(12).astype(float)}, "val_labels in {path} is float64 of shape (12, 3): integers"),
        (
            {f"{split}_labels": several(n) * [1, 1, 0] for split, n in PARTS.items()},
            "The labels 2 (counted from 0) in {path} are the same in all images: nothing can be learned of them",
        ),
        ({"train_images": np.zeros((24, 5, 6), np.uint16)}, "train_images in {path} is uint16 (0 to 0): images"),
        ({"train_images": np.zeros((24, 3, 5, 6), np.uint8)}, "move the channels to the end with numpy.moveaxis(im"),
    ],
)  # fmt: skip
def test_arrays_that_can_not_be_right(tmp_path: Path, changes: dict[str, Any], text: str) -> None:
    path = of_labels(tmp_path / "toy.npz", **changes)
    with pytest.raises(DataError, match=re.escape(text.format(path=path))):
        load_task(path)


def test_exclusive_labels_are_classes(tmp_path: Path) -> None:
    changes = {f"{split}_labels": np.eye(3, dtype=np.uint8)[np.arange(n) % 3] for split, n in PARTS.items()}
    path = saved(tmp_path / "toy.npz", **changes)
    task = load_task(path, exclusive=True)
    assert (task.kind, task.test.labels.tolist()) == ("multiclass", [0, 1, 2] * 4)
    assert any("--exclusive" in note for note in load_task(path).notes)


def test_arrays_that_are_not_read_are_named(tmp_path: Path) -> None:
    path = saved(tmp_path / "toy.npz", train_patients=np.arange(24), license=np.array("CC BY"))
    assert "Not read, as no array of images or labels: train_patients, license." in load_task(path).notes


def test_pneumonia_is_the_finding_and_named(tmp_path: Path) -> None:
    for name in ("pneumoniamnist", "PneumoniaMNIST_64"):
        task = load_task(saved(tmp_path / f"{name}.npz"))
        assert (task.class_names, task.finding) == (("normal", "pneumonia"), ("pneumonia",))
        assert task.test.labels.tolist() == [0, 1] * 6
        assert any("0 is normal, 1 is pneumonia" in note for note in task.notes)


def test_malignant_is_the_finding_though_its_number_is_0(tmp_path: Path) -> None:
    task = load_task(saved(tmp_path / "breastmnist.npz"))
    assert (task.class_names, task.finding) == (("normal, benign", "malignant"), ("malignant",))
    assert task.test.labels.tolist() == [1, 0] * 6  # class 1 is what the file calls 0


def test_retinopathy_is_graded(tmp_path: Path) -> None:
    task = load_task(saved(tmp_path / "retinamnist_224.npz", classes=5))
    assert (task.class_names, task.ordinal) == (("0", "1", "2", "3", "4"), True)
    assert "kappa" in task.metrics
    assert "The classes are ordered: 0 < 1 < 2 < 3 < 4." in task.notes


def test_findings_of_the_chest_are_several_and_named(tmp_path: Path) -> None:
    labels = {f"{split}_labels": (np.arange(n)[:, None] + np.arange(14)) % 4 == 0 for split, n in PARTS.items()}
    task = load_task(saved(tmp_path / "chestmnist.npz", **labels))
    assert task.kind == "multilabel"
    assert task.class_names[:3] == ("atelectasis", "cardiomegaly", "effusion")
    assert task.class_names[13] == "hernia"
    assert task.test.labels[1].tolist() == [0, 0, 0, 1] * 3 + [0, 0]


def test_other_names_and_numbers_of_classes_stay_numbers(tmp_path: Path) -> None:
    for name, classes in (("mypneumoniamnist2", 2), ("pneumoniamnist", 3), ("mnist", 2), ("unknownmnist", 2)):
        task = load_task(saved(tmp_path / f"{name}.npz", classes=classes))
        assert (task.class_names, task.ordinal) == (tuple(map(str, range(classes))), False)


def test_the_published_numbers_of_classes() -> None:
    numbers = {
        "path": 9, "chest": 14, "derma": 7, "oct": 4, "pneumonia": 2, "retina": 5, "breast": 2, "blood": 8, "tissue": 8,
        "organa": 11, "organc": 11, "organs": 11,
    }  # fmt: skip
    assert {name: len(of.class_names) for name, of in SETS.items()} == numbers
    assert all(len(set(of.class_names)) == len(of.class_names) for of in SETS.values())
    derma, blood = medmnist_set("dermamnist", 7), medmnist_set("bloodmnist_128", 8)
    assert derma is not None
    assert blood is not None
    assert (derma.class_names[4], blood.class_names[7]) == ("melanoma", "platelet")


def test_a_model_of_numbers_takes_the_file_that_now_has_names(tmp_path: Path) -> None:
    path = saved(tmp_path / "pneumoniamnist.npz")
    task = load_whole(path, Classes(KINDS["binary"], ("0", "1")))
    assert task.class_names == ("0", "1")
    assert task.test.labels.tolist() == [0, 1] * 24
    named = load_whole(path, Classes(KINDS["binary"], ("normal", "pneumonia")))
    assert named.test.labels.tolist() == [0, 1] * 24
