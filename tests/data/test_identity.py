"""Whose images they are: which column says it, what a patient's name is, and what is told where nobody knows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from ttl.data import Columns, Task, describe, load_task, write_splits
from ttl.data.describe import patients_words
from ttl.data.readers.identity import grouped, patient_name, unknown_patients
from ttl.data.readers.identity_columns import rank_of
from ttl.data.task import SPLITS

from .toys import class_folders, noise, save

IDS = tuple(f"im{i}.png" for i in range(6))


def table(folder: Path, **columns: Sequence[str]) -> Path:
    """Forty images of two classes in set.csv; each column is repeated as often as is needed."""
    rows = [",".join(["image", "label", *columns])]
    for i in range(40):
        save(folder / f"{i:02}.png", noise(i))
        rows.append(",".join([f"{i:02}.png", "ab"[i % 2], *(v[i % len(v)] for v in columns.values())]))
    (folder / "set.csv").write_text("\n".join(rows) + "\n")
    return folder / "set.csv"


def together(task: Task) -> list[set[int]]:
    """The numbers of the images of each group, in their order; checked that no group is in two splits."""
    splits_of: dict[str, set[str]] = {}
    members: dict[str, set[int]] = {}
    for split, samples in task.splits.items():
        assert samples.groups is not None
        for sample, group in zip(samples.ids, samples.groups, strict=True):
            splits_of.setdefault(group, set()).add(split)
            members.setdefault(group, set()).add(int(Path(sample).stem))
    assert all(len(places) == 1 for places in splits_of.values())
    return sorted(members.values(), key=min)


FOURS = [set(range(4 * i, 4 * i + 4)) for i in range(10)]
"""Ten patients of four images each, one after the other."""


def fours(spelling: str) -> list[str]:
    return [spelling.format(i // 4) for i in range(40)]


@pytest.mark.parametrize(
    "name",
    ["patient", "Patient ID", "anon_patient_id", "subject_id", "SubjectID", "participant", "MRN", "donor_id",
     "case", "Case Number", "lesion_id", "StudyInstanceUID", "accession_number", "series_id", "volume", "group"],
)  # fmt: skip
def test_usual_names_of_identity_columns_keep_images_together(tmp_path: Path, name: str) -> None:
    task = load_task(table(tmp_path, **{name: fours("S{}")}))
    assert together(task) == FOURS
    assert task.patients_known == 40


@pytest.mark.parametrize(
    "name",
    ["patient_age", "PatientSex", "subjective", "caseload", "study_date", "series_description", "grouping", "pid_x"],
)
def test_names_that_only_begin_like_those_are_others(name: str) -> None:
    assert rank_of(name) is None


def test_of_several_the_patient_wins_over_what_a_patient_has_several_of(tmp_path: Path) -> None:
    path = table(tmp_path, study_id=[f"{i // 2}" for i in range(40)], case_id=fours("{}"), subject=fours("P{}"))
    assert together(load_task(path)) == FOURS
    assert not any("Not used" in note for note in load_task(path).notes)  # a subject has all of a study and a case


def test_an_empty_column_of_patients_leaves_it_to_the_next(tmp_path: Path) -> None:
    assert together(load_task(table(tmp_path, patient=["nan", ""], subject=fours("P{}")))) == FOURS


def test_a_part_of_a_patient_is_said_to_be_one(tmp_path: Path) -> None:
    notes = load_task(table(tmp_path, lesion_id=fours("L{}"))).notes
    assert "The column 'lesion_id' may have several values for one patient: --group-column names another one." in notes


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("case", ["0", "1"]),  # cases against controls
        ("study", [f"{i}" for i in range(40)]),  # a number for each image groups nothing
        ("group", ["treated", "control"]),
        ("case", ["none", "mild", "severe"]),  # grades
    ],
)
def test_columns_of_two_meanings_are_taken_only_where_their_values_are_like_ids(
    tmp_path: Path, name: str, values: list[str]
) -> None:
    task = load_task(table(tmp_path, **{name: values}))
    assert task.train.groups is None
    assert task.patients_known == 0


@pytest.mark.parametrize(
    ("name", "values", "unused"),
    [
        ("who", fours("S{}"), True),
        ("scanner_serial", fours("{}"), True),
        ("batch_uuid", [f"{i // 14}" for i in range(40)], True),
        ("sex", ["f", "m"], False),
        ("patient_age", [f"{50 + i // 4}" for i in range(40)], False),
        ("acquired", [f"2020-01-{10 + i // 4}" for i in range(40)], False),
        ("dose", [f"{i // 4}.5" for i in range(40)], False),
        ("remark", [f"text {i}" for i in range(40)], False),
    ],
)
def test_repeated_ids_that_nobody_uses_are_named(tmp_path: Path, name: str, values: list[str], unused: bool) -> None:
    path = table(tmp_path, **{name: values})
    task = load_task(path)
    note = (
        f"Not used: {name!r}, whose values repeat as those of patients do; where images of one value belong together, "
        f"give --group-column {name}."
    )
    assert (note in task.notes) == unused
    assert task.train.groups is None
    if unused:
        given = load_task(path, columns=Columns(group=name))
        assert not any("Not used" in note for note in given.notes)


def test_ids_that_go_across_the_patients_are_named_too(tmp_path: Path) -> None:
    notes = load_task(table(tmp_path, patient=fours("P{}"), hospital_nr=[f"H{i % 7}" for i in range(40)])).notes
    assert any(note.startswith("Not used: 'hospital_nr'") for note in notes)


def test_12_and_12_0_are_one_patient(tmp_path: Path) -> None:
    values = [f"{i // 4}{'' if i % 2 else '.0'}" for i in range(40)]
    task = load_task(table(tmp_path, patient=values))
    assert together(task) == FOURS
    assert {group for samples in task.splits.values() for group in samples.groups or ()} == {str(i) for i in range(10)}


def test_spellings_of_one_patient_are_one_and_said(tmp_path: Path) -> None:
    values = [("P{}", "p{}", "P{}.", "\N{FULLWIDTH LATIN CAPITAL LETTER P}{}")[i % 4].format(i // 4) for i in range(40)]
    task = load_task(table(tmp_path, patient=values))
    assert together(task) == FOURS
    assert any("spellings that differ in form alone are one patient" in note for note in task.notes)


def test_leading_zeros_may_be_codes_and_are_told(tmp_path: Path) -> None:
    values = [f"{'0' * (i % 2)}{i // 4}" for i in range(40)]
    task = load_task(table(tmp_path, patient=values))
    assert len(together(task)) == 20
    assert any("'0' and '00', '1' and '01', '2' and '02' and 7 more count as different" in note for note in task.notes)


@pytest.mark.parametrize(
    "marker", ["nan", "", "NA", "None", "N/A", "-", "?", "unknown", "Anonymous", "anonymized", "#N/A"]
)
def test_missing_markers_are_no_patient(tmp_path: Path, marker: str) -> None:
    values = [marker if i < 16 else f"p{i // 4}" for i in range(40)]
    task = load_task(table(tmp_path, patient=values))
    assert together(task) == [*({i} for i in range(16)), *FOURS[4:]]
    assert task.patients_known == 24
    assert (
        "Grouped by the column 'patient': 6 patients; of 16 images none is known (00.png, 01.png, 02.png and 13 more): "
        "each counts as a patient of its own."
    ) in task.notes


def test_a_column_of_nobody_is_told(tmp_path: Path) -> None:
    task = load_task(table(tmp_path, patient=["nan", "ANONYMOUS"]))
    assert task.train.groups is None
    assert any(note.startswith("The column 'patient' names no patient") for note in task.notes)
    task = load_task(table(tmp_path, patient=["X1"]))
    assert task.train.groups is None
    assert any("there is one name, 'X1', for 40 images, as anonymising leaves it" in note for note in task.notes)


def test_numbers_that_a_spreadsheet_rounded_are_told(tmp_path: Path) -> None:
    notes = load_task(table(tmp_path, patient=[f"1.2{i // 4}E+11" for i in range(40)])).notes
    assert any(
        "10 of the patients' numbers were rounded by a spreadsheet (1.20E+11, 1.21E+11" in note for note in notes
    )


def test_masks_of_a_manifest_have_patients_too(tmp_path: Path) -> None:
    rows = ["image,mask,patient_id"]
    for i in range(12):
        save(tmp_path / f"{i}.png", noise(i))
        save(tmp_path / "m" / f"{i}.png", noise(i) // 128)
        rows.append(f"{i}.png,m/{i}.png,{'nan' if i < 4 else f'{i // 2}.0'}")
    (tmp_path / "set.csv").write_text("\n".join(rows) + "\n")
    task = load_task(tmp_path / "set.csv")
    assert together(task) == [{0}, {1}, {2}, {3}, {4, 5}, {6, 7}, {8, 9}, {10, 11}]
    assert task.patients_known == 8


def test_what_is_known_follows_dropped_images_and_a_split_that_is_given_back(tmp_path: Path) -> None:
    values = ["nan" if i < 8 else f"P{i // 4}" for i in range(40)]
    path = table(tmp_path, patient=values)
    save(tmp_path / "39.png", noise(0))  # the copy of an image of nobody
    assert load_task(path, dedupe="drop").patients_known == 31
    task = load_task(path)
    write_splits(task, tmp_path / "splits.csv")
    again = load_task(path, splits=tmp_path / "splits.csv")
    assert (again.patients_known, together(again)) == (task.patients_known, together(task))


def test_copies_kept_together_are_no_patients(tmp_path: Path) -> None:
    class_folders(tmp_path, {"a": 8, "b": 8})
    save(tmp_path / "a" / "copy.png", noise(3))
    task = load_task(tmp_path, dedupe="together")
    assert task.train.groups is not None
    assert task.patients_known == 0


def test_the_number_known_is_always_said(tmp_path: Path) -> None:
    about = describe(load_task("digits:0-1"))
    assert (about.patients_known, about.images) == (0, 360)
    assert patients_words(0, 360) == (
        "Patients: known of 0 of 360 images; images of one patient may be in several splits."
    )
    assert patients_words(24, 40) == (
        "Patients: known of 24 of 40 images; of the others, those of one patient may be in several splits."
    )
    assert patients_words(40, 40) == "Patients: known of 40 of 40 images."


@pytest.mark.parametrize(
    ("cell", "name"),
    [("12.0", "12"), (" P 1\t", "P 1"), ("12.5", "12.5"), ("0012", "0012"), ("P1\0\0", "P1"), ("XXXX", ""), (None, "")],
)
def test_names_of_patients(cell: str | None, name: str) -> None:
    assert patient_name(cell) == name


def test_groups_of_images_that_only_some_headers_name() -> None:
    groups, notes = grouped(("A", "", "A", None, "B", "im5.png"), IDS)
    assert groups == ("A", "im1.png", "A", "im3.png", "B", "im5.png")
    assert notes[0].startswith("Grouped by the headers' PatientID: 3 patients; of 2 images none is known (im1.png, im3")
    assert unknown_patients(("A", "", "A", None, "B", "im5.png"), IDS) == {"im1.png", "im3.png"}


def test_an_image_of_nobody_is_in_no_patients_group() -> None:
    groups, _ = grouped(("im1.png", "", "im1.png", "B", "B", "B"), IDS)
    assert groups is not None
    assert groups[0] == groups[2] == "im1.png"
    assert groups[1] not in {groups[0], "B"}


def test_nobody_and_one_name_for_all() -> None:
    assert grouped(("", None, "", "", "", ""), IDS) == (None, [])
    assert grouped(("ANON", "ANON", "ANON", "", "", ""), IDS)[0] is None
    assert grouped(("X", "X", "X", "X", "X", ""), IDS)[0] is None
    groups, _ = grouped(("X", "X", "", "", "", ""), IDS)  # one patient of two images among others
    assert groups == ("X", "X", *IDS[2:])


def test_every_split_says_it_in_numbers(tmp_path: Path) -> None:
    about = describe(load_task(table(tmp_path, patient=fours("P{}"))))
    assert sum(about.groups[split] or 0 for split in SPLITS) == 10
    assert about.groups_shared == 0
