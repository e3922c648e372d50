"""A data set taken whole: the model's classes by name, nothing split."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ttl.data import KINDS, Columns, load_task
from ttl.data.whole_set import Classes, load_whole, without
from ttl.errors import DataError, UsageError

from .toys import class_folders, manifest, save

BINARY = Classes(KINDS["binary"], ("b", "a"), ("a",))


def masked(root: Path, value: int, names: str = "") -> Path:
    """Four images with a corner of one class, and its `classes.txt`."""
    for i in range(4):
        mask = np.zeros((10, 12), np.uint8)
        mask[: i + 1, :3] = value
        save(root / "images" / f"{i}.png")
        save(root / "masks" / f"{i}.png", mask)
    if names:
        (root / "classes.txt").write_text(names)
    return root


def test_all_images_are_test_images_whatever_their_split(tmp_path: Path) -> None:
    task = load_whole(class_folders(tmp_path, {"train/a": 3, "train/b": 2, "test/a": 1, "test/b": 1}), BINARY)
    assert (len(task.train), len(task.val), len(task.test)) == (0, 0, 7)
    assert task.notes[0] == "The split that the data bring (train 5, test 2) is left aside: all 7 images are used."


def test_labels_are_the_models_numbers_of_the_classes(tmp_path: Path) -> None:
    """Here `a` is class 1 of the model, and the first folder."""
    task = load_whole(class_folders(tmp_path, {"a": 2, "b": 3}), BINARY)
    assert task.class_names == ("b", "a")
    assert [sample[0] for sample in task.test.ids] == ["a", "a", "b", "b", "b"]
    assert task.test.labels.tolist() == [1, 1, 0, 0, 0]
    assert task.finding == ("a",)


def test_a_class_that_the_data_lack_is_named(tmp_path: Path) -> None:
    three = Classes(KINDS["multiclass"], ("a", "b", "c"))
    task = load_whole(class_folders(tmp_path, {"a": 2, "c": 2}), three)
    assert task.test.labels.tolist() == [0, 0, 2, 2]
    assert f"No image of {tmp_path.name} has b, which the model knows." in task.notes
    assert task.kind == "multiclass"


def test_a_folder_of_one_class_has_the_models_number_of_it(tmp_path: Path) -> None:
    task = load_whole(class_folders(tmp_path, {"a": 3}), BINARY)
    assert (task.class_names, task.test.labels.tolist()) == (("b", "a"), [1, 1, 1])
    assert [sample[:2] for sample in task.test.ids] == ["a/"] * 3
    assert f"No image of {tmp_path.name} has b, which the model knows." in task.notes
    both = load_whole(class_folders(tmp_path / "both", {"a": 3, "b": 1}), BINARY)
    assert list(task.test.ids) == [sample for sample in both.test.ids if sample.startswith("a/")]


def test_one_folder_that_is_no_class_of_the_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="has only one class, images: at least two class folders are needed"):
        load_whole(class_folders(tmp_path, {"images": 3}), BINARY)
    with pytest.raises(DataError, match="only one class, a: at least two"):
        load_task(class_folders(tmp_path / "to train on", {"a": 9}))


def test_images_of_one_class_are_checked_like_any(tmp_path: Path) -> None:
    data = class_folders(tmp_path, {"a": 3})
    (data / "a" / "broken.png").write_bytes(b"none")
    with pytest.raises(DataError, match=r"1 of 4 images in .* can't be read: a/broken.png .* --skip-bad"):
        load_whole(data, BINARY)
    task = load_whole(data, BINARY, skip_bad=True)
    assert len(task.test) == 3
    assert any(note.startswith("1 unreadable image skipped: a/broken.png") for note in task.notes)
    with pytest.raises(UsageError, match="--image-column, --image-root and the like are for those"):
        load_whole(data, BINARY, columns=Columns(group="patient"))


def test_a_class_that_the_model_lacks_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="has the class c, and the model knows b, a: name the classes as the model"):
        load_whole(class_folders(tmp_path, {"a": 1, "c": 1}), BINARY)


def test_data_of_another_kind_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="has one class an image, and the model is for masks"):
        load_whole(class_folders(tmp_path, {"a": 1, "b": 1}), Classes(KINDS["segmentation"], ("a", "b")))
    with pytest.raises(DataError, match="has one class an image, and the model is for several labels an image"):
        load_whole(tmp_path, Classes(KINDS["multilabel"], ("a", "b")))
    with pytest.raises(DataError, match="has masks, and the model is for one class an image"):
        load_whole(masked(tmp_path / "masked", 255), BINARY)


def test_a_label_without_a_column_is_unknown(tmp_path: Path) -> None:
    classes = Classes(KINDS["multilabel"], ("mass", "cyst", "edema"))
    columns = Columns(labels=("edema", "mass"))
    task = load_whole(manifest(tmp_path, several=True), classes, columns=columns)
    own = load_whole(tmp_path / "set.csv", Classes(KINDS["multilabel"], ("edema", "mass")), columns=columns)
    assert (task.test.labels[:, 1] == -1).all()
    assert (task.test.labels[:, [2, 0]] == own.test.labels).all()
    assert task.test.groups == own.test.groups
    assert "Nothing is known of cyst: no column has it." in task.notes


def test_the_pixels_of_masks_have_the_models_classes(tmp_path: Path) -> None:
    data = masked(tmp_path / "masked", 2, "bone\nair\ncyst\n")
    classes = Classes(KINDS["segmentation"], ("air", "cyst", "bone", "fat"))
    task = load_whole(data, classes)
    assert task.test.masks is not None
    assert sorted(np.unique(task.test.masks.load(0))) == [1, 2]  # cyst on bone
    assert task.test.labels.tolist() == [[0, 1, 1, 0]] * 4
    assert "No image of masked has air, fat, which the model knows." in task.notes


def test_samples_are_left_out_by_their_ids(tmp_path: Path) -> None:
    task = load_whole(class_folders(tmp_path, {"a": 2, "b": 2}), BINARY)
    left = without(task, {"a/1.png", "b/0.png"})
    assert left.test.ids == ("a/0.png", "b/1.png")
    assert left.test.labels.tolist() == [1, 0]
    assert left.test.source.load(int(left.test.index[1])).tobytes() == task.test.source.load(3).tobytes()


def test_copies_inside_the_data_are_named(tmp_path: Path) -> None:
    class_folders(tmp_path, {"a": 3, "b": 2})
    (tmp_path / "a" / "copy.png").write_bytes((tmp_path / "a" / "1.png").read_bytes())
    task = load_whole(tmp_path, BINARY)
    assert "Of 1 image there is a copy in the set, which counts like any other: a/1.png = a/copy.png." in task.notes
    assert len(task.test) == 6
