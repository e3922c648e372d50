"""A table's bytes: encodings, separators, and what isn't text."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ttl.data.readers.manifest import read_manifest
from ttl.data.readers.table_file import Columns
from ttl.errors import DataError

from .toys import noise, save

ROWS = "image,label\r\na.png,K\N{LATIN SMALL LETTER A WITH DIAERESIS}se\r\nb.png,dog\r\n"
CHEESE = "K\N{LATIN SMALL LETTER A WITH DIAERESIS}se"


def written(folder: Path, data: bytes) -> Path:
    for i, name in enumerate(("a.png", "b.png")):
        save(folder / name, noise(i))
    (folder / "set.csv").write_bytes(data)
    return folder / "set.csv"


@pytest.mark.parametrize(
    "data",
    [
        ROWS.encode("utf-16"),  # as Excel's Unicode text, with its mark
        ROWS.encode("utf-16-le"),
        ROWS.encode("utf-16-be"),
        ROWS.replace(",", "\t").encode("utf-16"),
        ("sep=;\r\n" + ROWS.replace(",", ";")).encode("utf-8-sig"),
        ('"sep=|"\r\n' + ROWS.replace(",", "|")).encode(),
        ("sep=,\n" + ROWS).encode("utf-16"),
        ROWS.replace(",", "|").encode(),
        ("\r\n\r\n" + ROWS).encode(),
        ('"image" , "label"\r\n' + "".join(ROWS.splitlines(True)[1:])).encode(),
        (";;\n" + ROWS.replace(",", ";").replace("\r", "")).encode(),
    ],
    ids=lambda data: repr(data[:12]),
)
def test_tables_as_programs_write_them(tmp_path: Path, data: bytes) -> None:
    records = read_manifest(written(tmp_path, data))
    assert (records.ids, records.class_names) == (("a.png", "b.png"), (CHEESE, "dog"))
    assert records.labels.tolist() == [0, 1]


def test_rows_are_numbered_as_in_the_file(tmp_path: Path) -> None:
    path = written(tmp_path, b"sep=;\nimage;label\na.png;x\nnone.png;y\n")
    with pytest.raises(DataError, match=r"row 4 \('none\.png'\)"):
        read_manifest(path)


def test_a_separator_within_quotes_of_the_header_is_none(tmp_path: Path) -> None:
    path = written(tmp_path, b'image,label,"a;b;c;d"\na.png,x,1\nb.png,y,2\n')
    assert read_manifest(path).class_names == ("x", "y")


@pytest.mark.parametrize("header", ["image,label,label", "image,label, label "])
def test_two_columns_of_one_name_are_refused(tmp_path: Path, header: str) -> None:
    with pytest.raises(DataError, match="two columns have one name: 'label'"):
        read_manifest(written(tmp_path, f"{header}\na.png,x,y\nb.png,y,x\n".encode()))


def test_two_columns_that_may_be_the_labels_are_refused_unless_one_is_given(tmp_path: Path) -> None:
    path = written(tmp_path, b"image,Label,label\na.png,x,2\nb.png,y,1\n")
    with pytest.raises(
        DataError, match="several columns that may be of labels, 'Label', 'label': name one with --label-c"
    ):
        read_manifest(path)
    assert read_manifest(path, Columns(labels=("Label",))).class_names == ("x", "y")


def test_a_table_without_a_header_is_recognised(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"first row of the manifest .* names an image and no columns \('a\.png', 'x'\)"
    ):
        read_manifest(written(tmp_path, b"a.png,x\nb.png,y\n"))


def test_paths_may_have_bytes_that_are_not_utf_8_and_labels_may_not(tmp_path: Path) -> None:
    path = written(tmp_path, b"image,label\n\xffa.png,x\nb.png,y\n")
    os.rename(tmp_path / "a.png", os.fsencode(tmp_path) + b"/\xffa.png")
    records = read_manifest(path).printable()
    assert records.ids == ("b.png", "\\xffa.png")
    assert (records.labels.tolist(), records.source.load(1).size) == ([1, 0], (12, 10))
    path.write_bytes(b"image,label\nb.png,K\xe4se\n")
    with pytest.raises(DataError, match=r"can't be read .'utf-8' codec can't decode byte 0xe4 in position"):
        read_manifest(path)


@pytest.mark.parametrize(
    "data", [b"", b"\n", b"\xff\xfe", b"\xff\xfea", b"sep=;", b"sep=;\n", b"\0" * 40, b'"', b",\n,\n"]
)
def test_no_table_at_all_is_a_sentence(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(DataError, match=r"^The manifest .*set\.csv (can't be read|has no rows|has no column)"):
        read_manifest(written(tmp_path, data))
