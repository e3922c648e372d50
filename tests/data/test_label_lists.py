"""Cells that name several labels, and columns of 1 and 0 of which each image has one."""

from __future__ import annotations

from pathlib import Path

import pytest

from ttl.data import Columns, load_task
from ttl.data.readers.label_lists import label_lists, perhaps_several
from ttl.data.readers.manifest import read_manifest
from ttl.data.whole_set import Classes, load_whole
from ttl.errors import DataError, UsageError

from .toys import class_folders, noise, save


def table(folder: Path, header: str, rows: list[str]) -> Path:
    for i, _ in enumerate(rows):
        save(folder / f"{i}.png", noise(i))
    path = folder / "set.csv"
    path.write_text("\n".join([header, *(f"{i}.png,{row}" for i, row in enumerate(rows))]) + "\n")
    return path


@pytest.mark.parametrize(
    ("cells", "names", "labels", "none"),
    [
        (
            ["Mass|Nodule", "Mass", "Nodule", "No Finding"],
            ("Mass", "Nodule"),
            [[1, 1], [1, 0], [0, 1], [0, 0]],
            "'No Finding' means none of them",
        ),
        (["Mass | nodule", "mass", "Nodule", "normal"], ("Mass", "Nodule"), [[1, 1], [1, 0], [0, 1], [0, 0]], "normal"),
        (["b;a", "a;b", "a", "none"], ("a", "b"), [[1, 1], [1, 1], [1, 0], [0, 0]], "'none' means"),
        (['"a, b"', "a", "b", "c"], ("a", "b", "c"), [[1, 1, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]], ""),
        (["\"['a', 'b']\"", "['a']", "['b']", "[]"], ("a", "b"), [[1, 1], [1, 0], [0, 1], [0, 0]], ""),
        (["{a;c}", "[a]", "(c)", "[none]"], ("a", "c"), [[1, 1], [1, 0], [0, 1], [0, 0]], "'none'"),
        (["a|b|", "b|a", "a", "c"], ("a", "b", "c"), [[1, 1, 0], [1, 1, 0], [1, 0, 0], [0, 0, 1]], ""),
        (["a|normal", "a", "b", "normal"], ("a", "b", "normal"), [[1, 0, 1], [1, 0, 0], [0, 1, 0], [0, 0, 1]], ""),
    ],
)  # fmt: skip
def test_cells_of_several_labels_are_labels(
    tmp_path: Path, cells: list[str], names: tuple[str, ...], labels: list[list[int]], none: str
) -> None:
    records = read_manifest(table(tmp_path, "image,Finding Labels", cells))
    assert (str(records.kind), records.class_names) == ("multilabel", names)
    assert records.labels.tolist() == labels
    note = next(
        note for note in records.notes if note.startswith("Cells of the column 'Finding Labels' of set.csv name")
    )
    assert none in note
    assert ("none of them" in note) == bool(none)


@pytest.mark.parametrize(
    ("cells", "told"),
    [
        (["carcinoma, in situ", "carcinoma, invasive", "normal"], "carcinoma, in situ"),
        (["adenoma; serrated", "polyp", "normal"], None),
        (["a|b", "c|d", "e"], "a|b"),
        (["mass/nodule", "mass", "normal"], "mass/nodule"),
        (["a", "b", "c"], None),
        (["(1)", "(2)", "(3)"], None),
    ],
)
def test_class_names_with_separators_stay_classes_and_are_told_where_they_may_be_more(
    tmp_path: Path, cells: list[str], told: str | None
) -> None:
    assert label_lists(cells) is None
    assert perhaps_several(cells) == told
    records = read_manifest(table(tmp_path, "image,label", [f'"{cell}"' for cell in cells]))
    assert (records.class_names, records.labels.ndim) == (tuple(sorted(cells)), 1)
    assert any("is a class by itself" in note for note in records.notes) == (told is not None)


def test_a_label_that_every_image_has_teaches_nothing(tmp_path: Path) -> None:
    path = table(tmp_path, "image,label", ["a|b", "a", "b|a", "a"])
    with pytest.raises(DataError, match=r"The label column 'label: a' of .* has only the value '1'"):
        read_manifest(path)


ONE_HOT = ["1,0,0", "0,1,0", "0,0,1"] * 6
THREE = Columns(labels=("MEL", "NV", "BCC"))


def test_exclusive_columns_are_classes(tmp_path: Path) -> None:
    path = table(tmp_path, "image,MEL,NV,BCC", ONE_HOT)
    task = load_task(path, columns=THREE, exclusive=True)
    assert (task.kind, task.class_names) == ("multiclass", ("MEL", "NV", "BCC"))
    for samples in task.splits.values():
        assert samples.labels.tolist() == [int(Path(sample).stem) % 3 for sample in samples.ids]
    unasked = load_task(path, columns=THREE)
    assert unasked.kind == "multilabel"
    assert any(
        "exactly one of the labels MEL, NV, BCC: where" in note and "--exclusive" in note for note in unasked.notes
    )


def test_two_exclusive_columns_are_a_binary_task(tmp_path: Path) -> None:
    path = table(tmp_path, "image,healthy,sick", ["1,0", "0,1", "0.0,1.0"] * 4)
    task = load_task(path, columns=Columns(labels=("sick", "healthy")), exclusive=True)
    assert (task.kind, task.class_names) == ("binary", ("healthy", "sick"))
    for samples in task.splits.values():
        assert samples.labels.tolist() == [int(int(Path(sample).stem) % 3 > 0) for sample in samples.ids]


@pytest.mark.parametrize(("row", "has"), [("1,1,0", 2), ("0,0,0", 0), (",,", 0)])
def test_an_image_of_several_or_no_exclusive_labels_is_refused(tmp_path: Path, row: str, has: int) -> None:
    path = table(tmp_path, "image,MEL,NV,BCC", [*ONE_HOT, row])
    with pytest.raises(DataError, match=rf"1 image of set have not exactly one of the labels \(18\.png has {has}\)"):
        load_task(path, columns=THREE, exclusive=True)
    assert not any("--exclusive" in note for note in load_task(path, columns=THREE).notes)


def test_blank_cells_beside_the_one_label_are_no_matter(tmp_path: Path) -> None:
    rows = ["1,,0", "0,1,", ",0,1"] * 4
    task = load_task(table(tmp_path, "image,MEL,NV,BCC", rows), columns=THREE, exclusive=True)
    for samples in task.splits.values():
        assert samples.labels.tolist() == [int(Path(sample).stem) % 3 for sample in samples.ids]


def test_exclusive_is_for_several_labels(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--exclusive is for labels of several columns, and .* is binary: leave it"):
        load_task(class_folders(tmp_path, {"a": 5, "b": 5}), exclusive=True)


def test_a_model_of_classes_takes_exclusive_columns(tmp_path: Path) -> None:
    path = table(tmp_path, "image,NV,MEL,BCC", ONE_HOT)
    kind = load_task(path, columns=THREE, exclusive=True).kind
    task = load_whole(path, Classes(kind, ("BCC", "MEL", "NV")), columns=THREE)
    # the columns are NV, MEL, BCC in this table: image 0 is NV, 1 is MEL, 2 is BCC
    assert task.test.labels.tolist() == [[2, 1, 0][int(Path(sample).stem) % 3] for sample in task.test.ids]
