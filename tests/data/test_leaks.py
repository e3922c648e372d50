"""Manifests, several labels an image, patients, and images that leak, through `load_task`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ttl.data import Columns, describe, load_task, write_splits
from ttl.errors import DataError, UsageError

from .toys import class_folders, manifest, noise, save

LABELS = Columns(labels=("edema", "mass", "nodule"))


def test_a_manifest_is_a_task_whose_patients_stay_whole(tmp_path: Path) -> None:
    task = load_task(manifest(tmp_path), columns=Columns(labels=("grade",)))
    assert (task.kind, task.class_names) == ("binary", ("a", "b"))
    places = {split: set(samples.groups or ()) for split, samples in task.splits.items()}
    assert sum(len(found) for found in places.values()) == len(set.union(*places.values()))
    assert "10 groups (patients); 0 shared between splits." in task.notes
    assert describe(task).groups_shared == 0


def test_several_label_columns_are_a_multilabel_task(tmp_path: Path) -> None:
    path = manifest(tmp_path, several=True)
    task = load_task(path, columns=LABELS)
    assert (task.kind, task.class_names) == ("multilabel", ("edema", "mass", "nodule"))
    assert task.train.labels.shape == (len(task.train), 3)
    assert set(np.unique(task.train.labels)) == {-1, 0, 1}
    counts = describe(task).counts["train"]
    assert counts == {name: int((task.train.labels[:, i] == 1).sum()) for i, name in enumerate(task.class_names)}


def test_a_multilabel_split_is_given_back(tmp_path: Path) -> None:
    path = manifest(tmp_path, several=True)
    task = load_task(path, columns=LABELS, seed=3)
    write_splits(task, tmp_path / "splits.csv")
    text = (tmp_path / "splits.csv").read_text()
    assert "edema=1;" in text
    again = load_task(path, columns=LABELS, splits=tmp_path / "splits.csv")
    assert [samples.ids for samples in again.splits.values()] == [samples.ids for samples in task.splits.values()]
    assert again.fingerprint == task.fingerprint


def test_columns_are_for_manifests(tmp_path: Path) -> None:
    class_folders(tmp_path, {"a": 5, "b": 5})
    with pytest.raises(UsageError, match="is no CSV or Parquet manifest: --image-column"):
        load_task(tmp_path, columns=Columns(image="path"))


def leaking(root: Path) -> Path:
    """Two classes in given splits; two test images are in train too, one of them saved anew."""
    for split, count, start in (("train", 8, 0), ("val", 4, 100), ("test", 4, 200)):
        for name in "ab":
            for i in range(count):
                save(root / split / name / f"{i}.png", picture(start + i + 50 * (name == "b")))
    save(root / "test" / "a" / "0.png", picture(0))
    copy = root / "test" / "b" / "0.png"
    copy.unlink()
    save(copy.with_suffix(".jpg"), picture(50))
    return root


def picture(seed: int) -> np.ndarray:
    """A smooth picture, as photographs are: noise alone doesn't survive JPEG."""
    coarse = np.random.default_rng(seed).integers(0, 256, (12, 12)).astype(np.float64)
    return (np.kron(coarse, np.ones((8, 8))) * 0.8 + np.arange(96) / 2).astype(np.uint8)


def test_images_in_two_splits_are_named_in_a_note(tmp_path: Path) -> None:
    task = load_task(leaking(tmp_path / "set"))
    (note,) = [note for note in task.notes if note.startswith("Leak check")]
    assert "2 images of a later split are in an earlier one too (1 of 2 pairs pixel for pixel" in note
    assert "use --dedupe" in note
    clean = class_folders(tmp_path / "clean", {"a": 5, "b": 5})
    assert "Leak check: no image is in two splits, not even saved anew." in load_task(clean).notes


def test_duplicates_can_be_dropped(tmp_path: Path) -> None:
    task = load_task(leaking(tmp_path / "set"), dedupe="drop")
    assert sum(len(samples) for samples in task.splits.values()) == 30
    assert "Leak check: no image is in two splits, not even saved anew." in task.notes
    assert any(note == "Duplicates: 2 images dropped." for note in task.notes)


def test_duplicates_can_be_kept_together_where_the_split_is_drawn(tmp_path: Path) -> None:
    root = class_folders(tmp_path / "set", {"a": 12, "b": 12})
    for i in range(6):
        save(root / "a" / f"copy{i}.png", noise(i))
    loose = load_task(root, seed=1)
    assert any("of a later split" in note for note in loose.notes)
    task = load_task(root, seed=1, dedupe="together")
    assert "Duplicates: 6 pairs, each kept in one split." in task.notes
    assert "Leak check: no image is in two splits, not even saved anew." in task.notes
    assert sum(len(samples) for samples in task.splits.values()) == 30


def test_kept_together_against_a_given_split_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="in more than one split"):
        load_task(leaking(tmp_path / "set"), dedupe="together")


def test_copies_with_different_labels_are_all_dropped(tmp_path: Path) -> None:
    root = class_folders(tmp_path / "set", {"a": 8, "b": 8})
    save(root / "b" / "copy.png", noise(0))
    task = load_task(root, dedupe="drop")
    assert any("2 images dropped, of which 2 bore different labels" in note for note in task.notes)
    ids = {name for samples in task.splits.values() for name in samples.ids}
    assert not {"a/0.png", "b/copy.png"} & ids
