from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ttl.data import Task, describe, load_task, write_splits
from ttl.errors import DataError

from .toys import class_folders


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return class_folders(tmp_path / "set", {"a, or 'b'": 6, "ü": 5})


def ids(task: Task) -> list[tuple[str, ...]]:
    return [samples.ids for samples in task.splits.values()]


def test_what_was_written_is_read_back(data: Path, tmp_path: Path) -> None:
    task = load_task(data, seed=4)
    write_splits(task, tmp_path / "splits.csv")
    lines = (tmp_path / "splits.csv").read_text(encoding="utf-8").splitlines()
    assert lines[0] == "id,split,label"
    assert lines[1] == f'"{task.train.ids[0]}",train,"a, or \'b\'"'
    assert len(lines) == 12
    again = load_task(data, seed=0, splits=tmp_path / "splits.csv")
    assert ids(again) == ids(task)
    assert all(np.array_equal(again.splits[s].labels, task.splits[s].labels) for s in task.splits)
    assert again.fingerprint == task.fingerprint
    assert again.notes[0] == f"Split as {tmp_path / 'splits.csv'} says."


def edited(data: Path, tmp_path: Path, edit: Callable[[list[str]], list[str]], **options: object) -> Task:
    path = tmp_path / "splits.csv"
    write_splits(load_task(data), path)
    path.write_text("\n".join(edit(path.read_text(encoding="utf-8").splitlines())) + "\n", encoding="utf-8")
    return load_task(data, splits=path, **options)


def with_groups(group_of: Callable[[int, str], str]) -> Callable[[list[str]], list[str]]:
    def edit(lines: list[str]) -> list[str]:
        return [lines[0] + ",group", *(f"{line},{group_of(i, line)}" for i, line in enumerate(lines[1:]))]

    return edit


def test_groups_come_with_the_file(data: Path, tmp_path: Path) -> None:
    def patient(i: int, line: str) -> str:
        return f"{'train' if ',train,' in line else i}"

    task = edited(data, tmp_path, with_groups(patient))
    assert set(task.train.groups or ()) == {"train"}
    about = describe(task)
    assert (about.groups_shared, about.groups["train"]) == (0, 1)
    write_splits(task, tmp_path / "again.csv")
    assert load_task(data, splits=tmp_path / "again.csv").test.groups == task.test.groups


def test_a_group_in_two_splits(data: Path, tmp_path: Path) -> None:
    with pytest.raises(
        DataError,
        match=re.escape("1 group of set in more than one split: p1 (train and val and test): put each"),
    ):
        edited(data, tmp_path, with_groups(lambda i, line: "p1"))


@pytest.mark.parametrize(
    ("edit", "text"),
    [
        (lambda lines: lines[:-1], "lacks 1 sample: "),
        (
            lambda lines: [*lines, "x.png,test,ü"],
            "names, without their being in the data, 1 sample: x.png: give",
        ),
        (lambda lines: [*lines, lines[1]], "names 1 sample more than once: a, or 'b'/"),
        (
            lambda lines: [line.replace(",test,", ",holdout,") for line in lines],
            "has the split 'holdout': there are",
        ),
        (lambda lines: [line.replace(",ü", ",u") for line in lines], "is 'u', and the data say 'ü'"),
        (lambda lines: ["id,label", "a,b"], "has no split in its first line"),
        (lambda lines: [], "has no id, split, label in its first line"),
        (lambda lines: [*lines[:-1], "ü/0.png"], "more or fewer values than columns: was it cut off?"),
        (lambda lines: [*lines, "a,b,c,d"], "more or fewer values than columns: was it cut off?"),
        (
            lambda lines: [line.replace(",test,ü", ",val,ü") for line in lines],
            "The class 'ü' of set is in train, val but not in test",
        ),
    ],
)
def test_files_that_do_not_fit(data: Path, tmp_path: Path, edit: Callable[[list[str]], list[str]], text: str) -> None:
    with pytest.raises(DataError, match=re.escape(text)):
        edited(data, tmp_path, edit)


def test_no_such_file(data: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.csv can't be read \(No such file or directory\): check --splits"):
        load_task(data, splits=tmp_path / "none.csv")


def test_a_skipped_image_may_stay_in_the_file(data: Path, tmp_path: Path) -> None:
    path = tmp_path / "splits.csv"
    task = load_task(data)
    write_splits(task, path)
    (data / task.train.ids[0]).write_bytes(b"")
    again = load_task(data, splits=path, skip_bad=True)
    assert ids(again) == [task.train.ids[1:], task.val.ids, task.test.ids]


def test_it_wins_over_split_folders(tmp_path: Path) -> None:
    counts = {f"{split}/{name}": 2 for split in ("train", "val", "test") for name in "ab"}
    root = class_folders(tmp_path / "set", counts)
    task = load_task(root)
    path = tmp_path / "splits.csv"
    write_splits(task, path)
    swapped = re.sub(",(val|test),", lambda m: {"val": ",test,", "test": ",val,"}[m[1]], path.read_text())
    path.write_text(swapped)
    again = load_task(root, splits=path)
    assert ids(again) == [task.train.ids, task.test.ids, task.val.ids]


def test_a_place_that_cannot_be_written(data: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"can't be written to .*file/splits\.csv \(File exists\): free some space, or"):
        write_splits(load_task(data), tmp_path / "file" / "splits.csv")
