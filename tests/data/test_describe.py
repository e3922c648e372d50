from __future__ import annotations

import json
from pathlib import Path

from ttl.data import describe, load_task

from .toys import class_folders, noise, save


def test_it_counts_and_measures(tmp_path: Path) -> None:
    class_folders(tmp_path / "set", {"a": 5, "b": 3})  # 12 wide, 10 high
    save(tmp_path / "set" / "a" / "large.png", noise(0, (40, 30)))
    task = load_task(tmp_path / "set")
    about = describe(task)
    assert about == {
        "name": "set",
        "kind": "binary",
        "class_names": ["a", "b"],
        "images": 9,
        "channels": 1,
        "splits": {
            "train": {"images": 5, "classes": {"a": 4, "b": 1}, "groups": None},
            "val": {"images": 2, "classes": {"a": 1, "b": 1}, "groups": None},
            "test": {"images": 2, "classes": {"a": 1, "b": 1}, "groups": None},
        },
        "width_px": {"min": 12, "median": 12.0, "max": 40},
        "height_px": {"min": 10, "median": 10.0, "max": 30},
        "groups_shared": None,
        "duplicates": {"pairs": 0, "identical": 0, "images": 0, "first": []},
        "fingerprint": task.fingerprint,
        "notes": [
            "Split 64/16/20 at random, stratified by class, seed 0.",
            "Leak check: no image is in two splits, not even saved anew.",
        ],
    }
    assert json.loads(json.dumps(about)) == about


def test_it_names_the_images_that_are_in_two_splits(tmp_path: Path) -> None:
    for split, image in (("train", 1), ("val", 2), ("test", 1)):
        for label in "ab":
            save(
                tmp_path / "parts" / split / label / "0.png", noise(image + 10 * (label == "b") * len(split), (40, 40))
            )
    found = describe(load_task(tmp_path / "parts"))["duplicates"]
    assert (found["pairs"], found["identical"], found["images"]) == (1, 1, 1)
    (pair,) = found["first"]
    assert (pair["a_split"], pair["b_split"], pair["kind"]) == ("train", "test", "identical")
