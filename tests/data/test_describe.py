from __future__ import annotations

from pathlib import Path

import pytest

from ttl import typed
from ttl.data import describe, load_task
from ttl.data.describe import Description
from ttl.data.task import SPLITS
from ttl.errors import RunFolderError

from .toys import class_folders, noise, save


def test_it_counts_and_measures(tmp_path: Path) -> None:
    class_folders(tmp_path / "set", {"a": 5, "b": 3})  # 12 wide, 10 high
    save(tmp_path / "set" / "a" / "large.png", noise(0, (40, 30)))
    task = load_task(tmp_path / "set")
    about = typed.to_json(describe(task))
    assert about == {
        "name": "set",
        "kind": "binary",
        "class_names": ["a", "b"],
        "finding": ["b"],
        "images": 9,
        "channels": 1,
        "counts": {"train": {"a": 4, "b": 1}, "val": {"a": 1, "b": 1}, "test": {"a": 1, "b": 1}},
        "split_images": {"train": 5, "val": 2, "test": 2},
        "groups": {"train": None, "val": None, "test": None},
        "width_px": {"min": 12, "median": 12.0, "max": 40},
        "height_px": {"min": 10, "median": 10.0, "max": 30},
        "groups_shared": None,
        "patients_known": 0,
        "attributes": {},
        "duplicates": {"pairs": 0, "identical": 0, "images": 0, "first": []},
        "fingerprint": task.fingerprint,
        "notes": [
            "Split 64/16/20 at random, stratified by class, seed 0.",
            "The positive class is b, against a; --positive a makes it the other.",
            "Leak check: no image is in two splits, not even saved anew.",
        ],
    }
    assert typed.from_json(Description, about, where="report.json") == describe(task)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kind": "ranking"}, "report.json .*: the field kind: input should be 'binary', 'multiclass', 'multil"),
        ({"groups": {"train": None}}, "groups has not just train, val, test"),
        ({"counts": {split: {"a": 1} for split in SPLITS}}, "counts has not just the class names"),
    ],
)
def test_a_file_that_holds_something_else_is_no_description(
    tmp_path: Path, changes: dict[str, object], message: str
) -> None:
    about = typed.to_json(describe(load_task(class_folders(tmp_path / "set", {"a": 3, "b": 3}))))
    with pytest.raises(RunFolderError, match=message):
        typed.from_json(Description, about | changes, where="report.json")


def test_it_names_the_images_that_are_in_two_splits(tmp_path: Path) -> None:
    for split, image in (("train", 1), ("val", 2), ("test", 1)):
        for label in "ab":
            save(
                tmp_path / "parts" / split / label / "0.png", noise(image + 10 * (label == "b") * len(split), (40, 40))
            )
    found = describe(load_task(tmp_path / "parts")).duplicates
    assert found is not None
    assert (found.pairs, found.identical, found.images) == (1, 1, 1)
    (pair,) = found.first
    assert (pair.a_split, pair.b_split, pair.kind) == ("train", "test", "identical")
