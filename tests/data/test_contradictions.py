"""One image under two labels, or with two masks: in a split or across, whatever the data come in."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ttl.data import Columns, load_task
from ttl.data.contradictions import differ, disagree
from ttl.data.kind import KINDS
from ttl.data.whole_set import Classes, load_whole

from .toys import class_folders, manifest, noise, picture, save

REMEDY = "Correct them, or leave all of them out with --dedupe drop."


def contradictions(notes: tuple[str, ...]) -> list[str]:
    return [note for note in notes if note.startswith("Contradiction")]


def split_folders(root: Path) -> Path:
    return class_folders(root, {"train/a": 8, "train/b": 8, "val/a": 3, "val/b": 3, "test/a": 3, "test/b": 3})


def test_equal_images_within_a_split_are_named_with_both_labels(tmp_path: Path) -> None:
    root = split_folders(tmp_path)
    for i in range(4):
        shutil.copy(root / "train" / "a" / f"{i}.png", root / "train" / "b" / f"copy{i}.png")
    shutil.copy(root / "train" / "a" / "5.png", root / "train" / "a" / "same.png")  # under the same label
    assert contradictions(load_task(root).notes) == [
        "Contradiction: 4 pairs of equal images have different labels: "
        "train/a/0.png (a) = train/b/copy0.png (b), train/a/1.png (a) = train/b/copy1.png (b), "
        f"train/a/2.png (a) = train/b/copy2.png (b) and 1 more. {REMEDY}"
    ]


def test_across_splits_and_in_another_format(tmp_path: Path) -> None:
    root = split_folders(tmp_path)
    Image.open(root / "train" / "b" / "3.png").convert("RGB").save(root / "test" / "a" / "3.bmp")
    assert contradictions(load_task(root).notes) == [
        f"Contradiction: 1 pair of equal images has different labels: train/b/3.png (b) = test/a/3.bmp (a). {REMEDY}"
    ]


def test_blank_images_contradict_too(tmp_path: Path) -> None:
    root = split_folders(tmp_path)
    for name in "ab":
        save(root / "train" / name / "blank.png", np.full((9, 9), 7, np.uint8))
    (note,) = contradictions(load_task(root).notes)
    assert "train/a/blank.png (a) = train/b/blank.png (b)" in note


def test_nearly_equal_images_are_counted_apart(tmp_path: Path) -> None:
    root = split_folders(tmp_path)
    save(root / "train" / "a" / "whole.png", picture(1))
    Image.fromarray(picture(1)).save(root / "val" / "b" / "anew.jpg", quality=70)
    assert contradictions(load_task(root).notes) == [
        "Contradiction: 1 pair of nearly equal images has different labels: "
        f"train/a/whole.png (a) = val/b/anew.jpg (b). {REMEDY}"
    ]


def test_dedupe_drop_leaves_none(tmp_path: Path) -> None:
    root = class_folders(tmp_path, {"a": 10, "b": 10})
    save(root / "b" / "copy.png", noise(0))
    assert len(contradictions(load_task(root).notes)) == 1
    assert len(contradictions(load_task(root, dedupe="together").notes)) == 1
    task = load_task(root, dedupe="drop")
    assert contradictions(task.notes) == []
    assert not {"a/0.png", "b/copy.png"} & {name for samples in task.splits.values() for name in samples.ids}


def test_of_several_labels_those_that_differ_are_named(tmp_path: Path) -> None:
    path = manifest(tmp_path, several=True)
    lines = path.read_text().splitlines()
    for name, labels in (("x", "1,0,1"), ("y", "1,1,"), ("z", ",0,")):
        save(tmp_path / "img" / f"{name}.png", noise(999, (40, 40)))
        lines.append(f"img/{name}.png,P1,{labels}")
    path.write_text("\n".join(lines) + "\n")
    task = load_task(path, columns=Columns(labels=("edema", "mass", "nodule"), group="patient"))
    (note,) = contradictions(task.notes)
    # x and z: nothing that is known of both differs; an unknown nodule contradicts none
    assert note.startswith("Contradiction: 2 pairs of equal images have different labels: ")
    assert "img/x.png (mass=0) = img/y.png (mass=1)" in note
    assert "img/y.png (mass=1) = img/z.png (mass=0)" in note


def test_arrays_contradict_too(tmp_path: Path) -> None:
    images = np.stack([noise(i, (9, 9)) for i in range(20)])
    images[7] = images[2]  # of the other class
    images[8] = images[2]  # of the same
    parts = {"train": images, "val": np.stack([noise(50 + i, (9, 9)) for i in range(4)])}
    arrays = {f"{split}_images": pixels for split, pixels in parts.items()}
    arrays |= {f"{split}_labels": (np.arange(len(pixels)) % 2)[:, None] for split, pixels in parts.items()}
    arrays |= {"test_images": np.stack([noise(80 + i, (9, 9)) for i in range(4)]), "test_labels": arrays["val_labels"]}
    np.savez(tmp_path / "set.npz", **arrays)
    (note,) = contradictions(load_task(tmp_path / "set.npz").notes)
    assert note.startswith("Contradiction: 2 pairs of equal images have different labels: train/2 (0) = train/7 (1)")


def test_two_masks_of_one_image(tmp_path: Path) -> None:
    for i in range(10):
        mask = np.zeros((12, 12), np.uint8)
        mask[2 : 4 + i % 4, 3:7] = 255
        save(tmp_path / "images" / f"{i}.png", noise(i if i < 8 else 0, (12, 12)))
        save(tmp_path / "masks" / f"{i}.png", mask)
    # 0 and 8 have equal masks, 9 has another
    (note,) = contradictions(load_task(tmp_path).notes)
    assert note.startswith("Contradiction: 2 pairs of equal images have different masks: ")
    assert {"images/0.png", "images/8.png", "images/9.png"} == {
        word.strip(",.") for word in note.split() if word.startswith("images/")
    }


def test_a_set_taken_whole_tells_too(tmp_path: Path) -> None:
    root = class_folders(tmp_path, {"a": 4, "b": 4})
    save(root / "b" / "copy.png", noise(0))
    task = load_whole(root, Classes(KINDS["binary"], ("a", "b")))
    assert contradictions(task.notes) == [
        "Contradiction: 1 pair of equal images has different labels: a/0.png (a) = b/copy.png (b). "
        "Correct them, or leave them out."
    ]


@pytest.mark.parametrize(
    ("labels", "expected"),
    [([[1, 0], [1, -1], [-1, 0]], False), ([[1, 0], [1, -1], [-1, 1]], True), ([[-1, -1], [1, 0], [0, 0]], True)],
)
def test_labels_that_are_not_known_contradict_none(labels: list[list[int]], expected: bool) -> None:
    rows = np.array(labels)
    assert disagree(rows) is expected
    assert any(differ(rows[[i]], rows[[j]])[0] for i in range(3) for j in range(3)) is expected
