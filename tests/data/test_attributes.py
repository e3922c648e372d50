"""Attributes of images, which subgroups are of: sex, site, scanner."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ttl.data import Columns, Task, describe, load_task, write_splits
from ttl.errors import DataError, UsageError

from .toys import class_folders, noise, save, truncate_file

SEX = ["f", "m", "", "NaN", " F ", "unknown"]
EXPECTED = ["F", "m", "", "", "F", ""]  # `f` and `F` are one value


def scans(folder: Path, **columns: list[str]) -> Path:
    """Thirty-six images of two classes and twelve patients in set.csv; `columns` are repeated as often as is needed."""
    lines = [",".join(["image", "label", "patient", *columns])]
    for i in range(36):
        save(folder / f"{i}.png", noise(i))
        lines.append(",".join([f"{i}.png", "ab"[i % 2], f"P{i % 12}", *(v[i % len(v)] for v in columns.values())]))
    (folder / "set.csv").write_text("\n".join(lines) + "\n")
    return folder / "set.csv"


def load(path: Path, *attributes: str, **more: object) -> Task:
    return load_task(path, columns=Columns(attributes=attributes), **more)


def check_follows(task: Task, name: str, values: list[str]) -> int:
    """Every sample of every split has the value of its own row; how many samples there are."""
    splits = [*task.splits.values(), *([task.unused] if task.unused else [])]
    for samples in splits:
        rows = [int(Path(sample).stem) for sample in samples.ids]
        assert samples.attributes[name] == tuple(values[row % len(values)] for row in rows)
    return sum(map(len, splits))


def test_each_sample_has_the_values_of_its_row(tmp_path: Path) -> None:
    task = load(scans(tmp_path, sex=SEX, site=["A", "B", "C", "D"]), "sex", "site")
    assert check_follows(task, "sex", EXPECTED) == check_follows(task, "site", ["A", "B", "C", "D"]) == 36
    assert "The sex of 18 images is unknown." in task.notes
    assert not any(note.startswith("The site") for note in task.notes)
    counts = describe(task).attributes
    assert set(counts) == {"train", "val", "test"}
    assert {value: sum(counts[split]["sex"].get(value, 0) for split in counts) for value in ("", "F", "f", "m")} == {
        "": 18, "F": 12, "f": 0, "m": 6
    }  # fmt: skip
    assert sum(counts["train"]["site"].values()) == len(task.train)


def test_they_follow_what_is_dropped_and_left_unused(tmp_path: Path) -> None:
    path = scans(tmp_path, sex=SEX)
    save(tmp_path / "34.png", noise(0))
    truncate_file(tmp_path / "3.png")
    task = load(path, "sex", dedupe="drop", skip_bad=True, train_fraction=0.5)
    assert task.unused is not None
    assert len(task.unused) > 0
    assert check_follows(task, "sex", EXPECTED) == 34


def test_they_decide_nothing_of_the_data(tmp_path: Path) -> None:
    path = scans(tmp_path, sex=SEX)
    task, plain = load(path, "sex"), load(path)
    assert task.fingerprint == plain.fingerprint
    assert [samples.ids for samples in task.splits.values()] == [samples.ids for samples in plain.splits.values()]
    assert (plain.train.attributes, describe(plain).attributes) == ({}, {})
    write_splits(task, tmp_path / "splits.csv")
    assert check_follows(load(path, "sex", splits=tmp_path / "splits.csv"), "sex", EXPECTED) == 36


def test_images_with_masks_have_them_too(tmp_path: Path) -> None:
    for i in range(6):
        save(tmp_path / f"{i}.png", noise(i))
        save(tmp_path / f"m{i}.png", (noise(i) > 128).astype("uint8"))
    truncate_file(tmp_path / "m1.png")
    rows = [f"{i}.png,m{i}.png,{'AB'[i % 2]}{i}" for i in range(6)]
    (tmp_path / "set.csv").write_text("\n".join(["image,mask,site", *rows]) + "\n")
    task = load(tmp_path / "set.csv", "site", skip_bad=True)
    assert check_follows(task, "site", ["A0", "B1", "A2", "B3", "A4", "B5"]) == 5


def test_a_column_of_groups_may_be_one(tmp_path: Path) -> None:
    task = load(scans(tmp_path), "patient")
    assert task.train.groups is not None
    assert task.train.attributes["patient"] == task.train.groups


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([str(20 + i) for i in range(11)], "has 11 different numbers from 20 to 30: give a column of bins (as <40, "),
        (["", "na"], "has no known value: give another one, or leave it out."),
    ],
)
def test_a_column_without_subgroups_is_refused(tmp_path: Path, values: list[str], message: str) -> None:
    path = scans(tmp_path, age=values)
    with pytest.raises(DataError, match=re.escape(f"The subgroup column 'age' of {path} {message}")):
        load(path, "age")


def test_texts_may_be_many_but_not_one_an_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = scans(tmp_path, site=[f"s{i}" for i in range(12)])
    assert check_follows(load(path, "site"), "site", [f"s{i}" for i in range(12)]) == 36
    monkeypatch.setattr("ttl.data.readers.attribute_columns.MOST_VALUES", 11)
    with pytest.raises(DataError, match=r"has 12 different values \('s0', 's1', 's10' and 9 more\): a subgroup needs"):
        load(path, "site")


@pytest.mark.parametrize(
    ("column", "message"),
    [
        ("siet", "has no column 'siet': did you mean 'site' or "),
        ("scanner", "has no column 'scanner': it has 'image', 'label', 'patient', 'site'."),
        ("label", "holds the labels, which no subgroup is of: leave out --subgroup-column label."),
        ("image", "holds the images, which no subgroup is of: leave out --subgroup-column image."),
    ],
)
def test_a_column_that_is_none_of_subgroups(tmp_path: Path, column: str, message: str) -> None:
    path = scans(tmp_path, site=["A", "B"])
    with pytest.raises(DataError, match=re.escape(message)):
        load(path, column)


def test_rows_of_one_image_that_contradict_each_other(tmp_path: Path) -> None:
    path = scans(tmp_path, site=["A", "B"])
    path.write_text(path.read_text() + "0.png,a,P0,B\n")
    with pytest.raises(DataError, match=r"names the image 0.png twice, with different 'site': row 2 \('A'\)"):
        load(path, "site")
    assert len(load(path).train) > 0


@pytest.mark.parametrize("data", ["folder", "digits"])
def test_only_manifests_have_columns(tmp_path: Path, data: str) -> None:
    class_folders(tmp_path / "folder", {"a": 4, "b": 4})
    place = data if data == "digits" else str(tmp_path / data)
    with pytest.raises(
        UsageError, match=r"--subgroup-column names a column of a CSV .*list the images in one, or leave"
    ):
        load_task(place, columns=Columns(attributes=("sex",)))
