"""Spelling makes no classes: what is one name, what may be, and what is no name at all."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from ttl.data.class_spelling import is_missing, nearly_alike, one_spelling, spelling_key
from ttl.data.readers.manifest import read_manifest
from ttl.data.readers.readable import Reading
from ttl.errors import DataError

from .toys import noise, save

E_ACUTE, E_AND_ACUTE = "\N{LATIN SMALL LETTER E WITH ACUTE}", "e\N{COMBINING ACUTE ACCENT}"


def table(folder: Path, labels: Sequence[str], header: str = "image,label") -> Path:
    for i, _ in enumerate(labels):
        save(folder / f"{i}.png", noise(i))
    path = folder / "set.csv"
    path.write_text("\n".join([header, *(f"{i}.png,{label}" for i, label in enumerate(labels))]) + "\n")
    return path


@pytest.mark.parametrize(
    ("labels", "names", "numbers"),
    [
        (["Benign", "benign", "malignant", "benign"], ("benign", "malignant"), [0, 0, 1, 0]),
        (["BENIGN", "benign ", " Benign", "x"], ("BENIGN", "x"), [0, 0, 0, 1]),
        (["no_tumor", "no tumor", "no  tumor", "tumor"], ("no tumor", "tumor"), [0, 0, 0, 1]),
        (["benign.", "benign", "benign", "x"], ("benign", "x"), [0, 0, 0, 1]),
        ([f"caf{E_ACUTE}", f"caf{E_AND_ACUTE}", "tea", "tea"], (f"caf{E_ACUTE}", "tea"), [0, 0, 1, 1]),
        (["0", "0.0", "1", "1.00"], ("0", "1"), [0, 0, 1, 1]),
        (["1.5", "1.50", "2", "+2"], ("1.5", "2"), [0, 0, 1, 1]),
        (
            ["BI-RADS 4", "BI\N{EN DASH}RADS 4", "bi\N{NON-BREAKING HYPHEN}rads 4", "5"],
            ("5", "BI-RADS 4"),
            [1, 1, 1, 0],
        ),
        (["mass\N{ZERO WIDTH SPACE}", "mass", "mass", "x"], ("mass", "x"), [0, 0, 0, 1]),
        (["low\N{NO-BREAK SPACE}grade", "low grade", "low grade", "x"], ("low grade", "x"), [0, 0, 0, 1]),
        (["'a b'", "a b", "a b", "x"], ("a b", "x"), [0, 0, 0, 1]),
        (["stra\N{LATIN SMALL LETTER SHARP S}e", "STRASSE", "STRASSE", "x"], ("STRASSE", "x"), [0, 0, 0, 1]),
    ],
)
def test_spellings_of_one_class_are_one_and_said(
    tmp_path: Path, labels: list[str], names: tuple[str, ...], numbers: list[int]
) -> None:
    records = read_manifest(table(tmp_path, labels))
    assert (records.class_names, records.labels.tolist()) == (names, numbers)
    assert any("spellings that differ in form alone are one class" in note for note in records.notes)


@pytest.mark.parametrize(
    "labels", [["01", "1"], ["T1", "T2"], ["1.5", "15"], ["-1", "1"], ["grade 1", "grade 10"], ["none", "no"]]
)
def test_other_names_stay_others(tmp_path: Path, labels: list[str]) -> None:
    records = read_manifest(table(tmp_path, labels))
    assert set(records.class_names) == set(labels)
    assert not any("differ in form" in note for note in records.notes)


def test_letters_that_differ_in_case_may_be_two_classes_or_one(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="are 'A' and 'a', letters that differ in case alone, which may be one class"):
        read_manifest(table(tmp_path, ["A", "a", "B", "C"]))


@pytest.mark.parametrize(
    ("labels", "pair"),
    [
        (["01", "1", "2"], "'1' and '01'"),
        (["COVID-19", "COVID19", "x"], "'COVID19' and 'COVID-19'"),
        (["grade 1", "grade01", "x"], "'grade 1' and 'grade01'"),
    ],
)
def test_names_that_are_nearly_alike_are_told(tmp_path: Path, labels: list[str], pair: str) -> None:
    notes = read_manifest(table(tmp_path, labels)).notes
    assert any(f"{pair} count as different classes: write them alike" in note for note in notes)


def test_numbers_and_their_parts_are_not_nearly_alike() -> None:
    assert nearly_alike(["-1", "1", "1.5", "15", "1-12", "11-2", "a", "b"]) == []


@pytest.mark.parametrize(
    "marker", ["nan", "NaN", "NA", "n/a", "<NA>", "null", "?", "-", "unknown", "missing", "#N/A", ""]
)
def test_missing_markers_are_no_class(tmp_path: Path, marker: str) -> None:
    path = table(tmp_path, ["a", "b", marker, "a"])
    with pytest.raises(DataError, match=r"for labels, has no value in 1 row, row 4 .*: fill them in, or remove these"):
        read_manifest(path)
    records = read_manifest(path, reading=Reading(skip_bad=True))
    assert (records.class_names, records.labels.tolist()) == (("a", "b"), [0, 1, 0])
    assert (records.ids, records.skipped) == (("0.png", "1.png", "3.png"), ("2.png",))
    assert f"1 row without a label skipped: row 4 ({marker!r})." in records.notes


def test_a_table_without_any_label_is_refused_whatever_is_skipped(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="has no value in 3 rows"):
        read_manifest(table(tmp_path, ["nan", "?", ""]), reading=Reading(skip_bad=True))


def test_none_may_be_a_class() -> None:
    assert not is_missing("none")
    assert not is_missing("0")


def test_the_commonest_spelling_wins_and_of_numbers_the_shortest() -> None:
    one, notes = one_spelling(["a b", "A b", "A b", "2.0", "2.0", "2"], where="the folder x")
    assert one == {"a b": "A b", "A b": "A b", "2.0": "2", "2": "2"}
    assert notes == ["In the folder x spellings that differ in form alone are one class: '2' ('2.0'), 'A b' ('a b')."]


def test_what_all_spellings_have_in_common() -> None:
    assert spelling_key("  Non_Small   Cell. ") == spelling_key('"non small cell"') == "non small cell"
    assert spelling_key("...") == "..."
