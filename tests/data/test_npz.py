from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ttl.data import decode, load_task
from ttl.errors import DataError


def arrays(colour: bool = False, **changes: Any) -> dict[str, np.ndarray]:
    """Ten training, four validation and six test images of two classes, 6 wide and 5 high."""
    rng = np.random.default_rng(0)
    values: dict[str, Any] = {}
    for split, n in (("train", 10), ("val", 4), ("test", 6)):
        shape = (n, 5, 6, 3) if colour else (n, 5, 6)
        values[f"{split}_images"] = rng.integers(0, 256, shape, dtype=np.uint8)
        values[f"{split}_labels"] = (np.arange(n) % 2).astype(np.uint8)[:, None]
    values |= changes
    return {name: value for name, value in values.items() if value is not None}


def saved(folder: Path, values: dict[str, np.ndarray]) -> Path:
    np.savez_compressed(folder / "toy.npz", **values)
    return folder / "toy.npz"


@pytest.mark.parametrize("colour", [False, True])
def test_the_splits_of_the_file_are_used(tmp_path: Path, colour: bool) -> None:
    values = arrays(colour)
    task = load_task(saved(tmp_path, values), seed=7)
    assert (task.name, task.kind, task.class_names) == ("toy", "binary", ("0", "1"))
    assert task.train.source.channels == (3 if colour else 1)
    assert task.val.ids == ("val/0", "val/1", "val/2", "val/3")
    for split, samples in task.splits.items():
        assert np.array_equal(samples.labels, values[f"{split}_labels"][:, 0])
        for position, index in enumerate(samples.index):
            assert np.array_equal(np.asarray(samples.source.load(index)), values[f"{split}_images"][position])
    assert task.test.source.sizes.tolist() == [[6, 5]] * 20


def test_a_trailing_channel_axis_and_flat_labels_are_fine(tmp_path: Path) -> None:
    values = arrays()
    changed = {name: v[..., None] if "images" in name else v[:, 0] for name, v in values.items()}
    task = load_task(saved(tmp_path, changed))
    assert task.train.source.channels == 1
    assert task.train.labels.tolist() == [0, 1] * 5


def test_val_is_taken_out_of_train_where_there_is_none(tmp_path: Path) -> None:
    task = load_task(saved(tmp_path, arrays(val_images=None, val_labels=None)))
    assert [len(samples) for samples in task.splits.values()] == [8, 2, 6]
    assert set(task.train.ids) | set(task.val.ids) == {f"train/{i}" for i in range(10)}


def test_the_fingerprint_follows_the_pixels(tmp_path: Path) -> None:
    values = arrays()
    first = load_task(saved(tmp_path, values)).fingerprint
    values["test_images"][0, 0, 0] ^= 1
    assert load_task(saved(tmp_path, values)).fingerprint != first


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"test_labels": None}, "has no test_labels (it has train_images, train_labels, val_images"),
        ({"train_images": None, "train_labels": None}, "has no train_images, train_labels"),
        (
            {"val_labels": np.zeros((4, 3), int)},
            "The splits in {path} differ in the number of labels an image (train_labels (10,), val_labels (4, 3), ",
        ),
        ({"val_labels": np.zeros((4, 1))}, "val_labels in {path} is float64 of shape (4, 1): integers"),
        (
            {"val_labels": np.array([0, 1, 0, -2])},
            "val_labels in {path} has the label -2, which is out of range",
        ),
        ({"val_labels": np.array([0, 1, 0, 999])}, "go up to 999, which is out of range for 20 images"),
        ({"val_labels": np.array([0, 1, 0])}, "has 4 val_images and 3 val_labels: one label an image"),
        ({"test_labels": np.array([0, 1, 2, 2, 2, 2])}, "The class '2' of toy is in test but not in train"),
        ({"val_labels": np.array([0, 0, 0, 0])}, "The class '1' of toy is in train, test but not in val"),
        ({"val_images": np.zeros((4, 5, 6))}, "val_images in {path} is float64 (0 to 0): images of uint8, 0..255"),
        ({"val_images": np.zeros((4, 5, 6, 7), np.uint8)}, "has the shape (4, 5, 6, 7): (n, h, w) for grey"),
        (
            {"val_images": np.zeros((4, 9, 6), np.uint8)},
            "differ in shape (train (5, 6), val (9, 6), test (5, 6))",
        ),
    ],
)
def test_bad_files(tmp_path: Path, changes: dict[str, Any], text: str) -> None:
    path = saved(tmp_path, arrays(**changes))
    with pytest.raises(DataError, match=re.escape(text.format(path=path))):
        load_task(path)


def test_only_one_class(tmp_path: Path) -> None:
    values = {k: np.zeros_like(v) if "labels" in k else v for k, v in arrays().items()}
    with pytest.raises(DataError, match="toy has 1 class: at least two are needed"):
        load_task(saved(tmp_path, values))


def test_a_number_without_images(tmp_path: Path) -> None:
    values = {k: v * 2 if "labels" in k else v for k, v in arrays().items()}
    with pytest.raises(DataError, match=r"too few images, 1 \(0 images\)"):
        load_task(saved(tmp_path, values))


def test_a_damaged_file(tmp_path: Path) -> None:
    path = saved(tmp_path, arrays())
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(DataError, match=re.escape(f"The file {path} can't be read as .npz")):
        load_task(path)


def test_pickled_arrays_stay_unread(tmp_path: Path) -> None:
    path = saved(tmp_path, arrays(val_labels=np.array([{}, {}, {}, {}], object)))
    with pytest.raises(DataError, match=r"can't be read as \.npz"):
        load_task(path)


@pytest.mark.realdata
def test_pneumoniamnist(realdata: Path) -> None:
    task = load_task(realdata / "pneumoniamnist.npz")
    assert [len(samples) for samples in task.splits.values()] == [4708, 524, 624]
    pixels = decode(task.test, image_size=28)
    stored = np.load(realdata / "pneumoniamnist.npz")["test_images"]
    assert np.array_equal(pixels[:, 0].numpy(), stored)
