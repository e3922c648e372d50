"""What is kept of a run's images, and what of another data set is found by it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ttl import typed
from ttl.data import Task, load_task
from ttl.data.fingerprints import Fingerprints, Overlap, SeenImage, _traits, compare, image_fingerprints
from ttl.data.likeness import traits_of
from ttl.errors import RunFolderError

from .toys import picture


def pictures(root: Path, seeds: range, suffix: str = "png") -> Path:
    """Two class folders of pictures, named by their seeds."""
    for seed in seeds:
        path = root / "ab"[seed % 2] / f"{seed}.{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture(seed, (60, 48))).save(path)
    return root


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Task:
    return load_task(pictures(tmp_path_factory.mktemp("run") / "set", range(16)))


@pytest.fixture(scope="module")
def stored(run: Task) -> Fingerprints:
    return image_fingerprints(run)


def split_of(task: Task) -> dict[str, str]:
    return {sample: split for split, samples in task.splits.items() for sample in samples.ids}


def counts(found: Overlap) -> dict[str, tuple[int, int, int]]:
    return {split: (part.identical, part.near, part.groups) for split, part in found.splits.items()}


def test_each_image_has_one_and_they_survive_a_file(run: Task, stored: Fingerprints, tmp_path: Path) -> None:
    assert {image.id: image.split for image in stored.images} == split_of(run)
    index = [*run.train.ids].index(stored.images[0].id)
    assert stored.images[0].sha256 == run.train.source.digests[run.train.index[index]].hex()[:16]
    assert {image.group for image in stored.images} == {None}
    typed.write(tmp_path / "fingerprints.json", stored)
    assert typed.read(Fingerprints, tmp_path / "fingerprints.json") == stored


def test_what_was_stored_compares_as_the_image_does(run: Task, stored: Fingerprints) -> None:
    own = traits_of(run.val.source, run.val.index)
    again = _traits([image for image in stored.images if image.split == "val"])
    assert (again.hashes == own.hashes).all()
    assert np.abs(again.details @ again.details.T - own.details @ own.details.T).max() < 5e-3


def test_no_image_is_read_again_after_the_leak_check(tmp_path: Path) -> None:
    task = load_task(pictures(tmp_path, range(12)), dedupe="drop")
    for path in tmp_path.rglob("*.png"):
        path.unlink()
    again = image_fingerprints(task)
    assert len(again.images) == 12
    assert compare(again, task).overlap.seen == 12


def test_other_pictures_are_in_no_split(stored: Fingerprints, tmp_path: Path) -> None:
    found = compare(stored, load_task(pictures(tmp_path, range(20, 30)))).overlap
    assert (found.images, found.seen, found.groups_seen) == (10, 0, 0)
    assert counts(found) == dict.fromkeys(("train", "val", "test"), (0, 0, 0))
    assert found.words() == "None of 10 images is in the run's data, and no group (patient) by its name."


def test_copies_are_found_in_the_split_that_has_them(run: Task, stored: Fingerprints, tmp_path: Path) -> None:
    pictures(tmp_path, range(20, 28))
    splits = split_of(run)
    trained = next(name for name, split in splits.items() if split == "train")
    tested = next(name for name, split in splits.items() if split == "test")
    (tmp_path / "a" / "same.png").write_bytes((run.train.source.paths[0].parents[1] / trained).read_bytes())
    seed = int(Path(tested).stem)
    Image.fromarray(picture(seed, (60, 48))).resize((120, 96)).save(tmp_path / "b" / "anew.jpg", quality=80)
    found = compare(stored, load_task(tmp_path)).overlap
    assert counts(found) == {"train": (1, 0, 0), "val": (0, 0, 0), "test": (0, 1, 0)}
    assert found.splits["train"].first_images == (SeenImage("a/same.png", trained, "identical"),)
    assert found.splits["test"].first_images == (SeenImage("b/anew.jpg", tested, "near"),)
    assert found.words() == (
        "In the run's data, too: 2 of 10 images: "
        f"train 1 image (1 byte for byte): a/same.png = {trained}; "
        f"test 1 image (0 byte for byte): b/anew.jpg = {tested}."
    )
    assert typed.from_json(Overlap, json.loads(json.dumps(typed.to_json(found))), where="a file") == found


def test_equal_bytes_are_found_whatever_the_picture_looks_like(run: Task, stored: Fingerprints) -> None:
    """As with DICOM files that are shown through another window."""
    other = tuple(replace(image, perceptual_hash="0f" * 32) for image in stored.images)
    found = compare(Fingerprints(other), run).overlap
    assert (found.seen, sum(part.identical for part in found.splits.values())) == (16, 16)


def test_images_left_out_of_training_are_searched_too(run: Task, stored: Fingerprints) -> None:
    data = run.train.source.paths[0].parents[1]
    some = load_task(data, train_fraction=0.3)
    assert some.unused is not None
    assert compare(stored, some).overlap.seen == 16
    assert len(image_fingerprints(some).images) == 16 - len(some.unused)


def of_patients(folder: Path, seeds: range, first: int) -> Task:
    pictures(folder, seeds)
    rows = [f"{'ab'[seed % 2]}/{seed}.png,{'ab'[seed % 2]},P{first + i // 2}" for i, seed in enumerate(seeds)]
    (folder / "set.csv").write_text("\n".join(["image,label,patient", *rows]) + "\n")
    return load_task(folder / "set.csv")


def test_patients_are_found_by_their_names(tmp_path: Path) -> None:
    run, other = of_patients(tmp_path / "run", range(20), 0), of_patients(tmp_path / "other", range(30, 42), 8)
    found = compare(image_fingerprints(run), other).overlap
    assert (found.seen, found.groups_seen) == (0, 2)
    names = {name for part in found.splits.values() for name in part.first_groups}
    assert names == {"P8", "P9"}
    assert found.words().startswith("In the run's data, too: 2 groups (patients) by name: ")


def test_groups_of_duplicates_are_no_patients(tmp_path: Path) -> None:
    pictures(tmp_path, range(12))
    Image.fromarray(picture(0, (60, 48))).save(tmp_path / "a" / "copy.png")
    task = load_task(tmp_path, dedupe="together")
    assert task.train.groups is not None
    stored = image_fingerprints(task)
    assert {image.group for image in stored.images} == {None}
    assert compare(stored, task).overlap.groups_seen == 0


def test_a_sentence_names_few_of_many(run: Task, stored: Fingerprints) -> None:
    words = compare(stored, run).overlap.words()
    assert words.startswith("In the run's data, too: 16 of 16 images: train ")
    assert f"and {len(run.train) - 3} more; val " in words


ODD = {"id": "x", "split": "train", "sha256": "ab", "perceptual_hash": "", "detail": "", "group": None}


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ({"version": 2}, "version is 2, and this version of ttl compares those of 1"),
        ({"images": [ODD]}, "the field images.0.sha256"),
    ],
)
def test_a_file_that_holds_others_is_refused(damage: dict[str, object], message: str) -> None:
    content = {"images": [], "version": 1}
    assert typed.from_json(Fingerprints, content, where="x") == Fingerprints(())
    with pytest.raises(RunFolderError, match=message):
        typed.from_json(Fingerprints, content | damage, where="fingerprints.json")


def test_nothing_is_in_a_run_without_images(run: Task) -> None:
    assert compare(Fingerprints(()), run).overlap.seen == 0
