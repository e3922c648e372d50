"""Where a table's files are: roots, suffixes, backslashes; and what is said where they aren't."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from ttl.data import Columns, load_task, read_image_list
from ttl.data.readers.manifest import read_manifest
from ttl.data.readers.readable import Reading
from ttl.errors import DataError, UsageError

from .toys import class_folders, noise, save


def table(folder: Path, names: list[str], images: list[str], header: str = "image,label") -> Path:
    """A manifest of two classes in turn; image i is `noise(i)`."""
    for i, image in enumerate(images):
        save(folder / image, noise(i))
    (folder / "set.csv").write_text(
        "\n".join([header, *(f"{name},{'xy'[i % 2]}" for i, name in enumerate(names))]) + "\n"
    )
    return folder / "set.csv"


@pytest.mark.parametrize(
    ("cells", "files", "columns", "ids"),
    [
        (["img\\a.png", "img\\b.png"], ["img/a.png", "img/b.png"], {}, ("img/a.png", "img/b.png")),
        ([".\\img\\a.png", "img\\..\\b.png"], ["img/a.png", "b.png"], {}, ("b.png", "img/a.png")),
        (["a", "b"], ["a.png", "b.png"], {"suffix": ".png"}, ("a.png", "b.png")),
        (["a", "b"], ["a.png", "b.png"], {"suffix": "png"}, ("a.png", "b.png")),
        (["a", "b.png"], ["a.png", "b.png"], {"suffix": ".png"}, ("a.png", "b.png")),
        (["1.2.840", "1.2.841"], ["1.2.840.png", "1.2.841.png"], {"suffix": ".png"}, ("1.2.840.png", "1.2.841.png")),
        (["a", "b"], ["a_0000.png", "b_0000.png"], {"suffix": "_0000.png"}, ("a_0000.png", "b_0000.png")),
        (["a.png", "b.png"], ["deep/in/a.png", "deep/in/b.png"], {"root": "deep/in"}, ("a.png", "b.png")),
        (["in\\a", "in\\b"], ["d/in/a.png", "d/in/b.png"], {"root": "d", "suffix": ".png"}, ("in/a.png", "in/b.png")),
        (["file://{}/a.png", "b.png"], ["a.png", "b.png"], {}, ("a.png", "b.png")),
    ],
)  # fmt: skip
def test_images_are_found(
    tmp_path: Path, cells: list[str], files: list[str], columns: dict[str, str], ids: tuple[str, ...]
) -> None:
    path = table(tmp_path, [cell.format(tmp_path) for cell in cells], files)
    root = {"root": tmp_path / columns["root"]} if "root" in columns else {}
    asked = Columns(**{**columns, **root})
    records = read_manifest(path, asked)
    assert records.ids == ids
    for i, sample in enumerate(records.ids):
        number = next(k for k, file in enumerate(files) if file.endswith(sample))
        assert records.labels[i] == number
        assert np.array_equal(np.asarray(records.source.load(i)), noise(number))
    assert set(read_image_list(path, asked).paths) == {tmp_path / file for file in files}


def test_a_backslash_in_a_files_own_name_is_none_between_folders(tmp_path: Path) -> None:
    path = table(tmp_path, ["a\\b.png", "c.png"], ["a\\b.png", "c.png"])
    assert read_manifest(path).ids == ("a\\b.png", "c.png")


def test_whether_a_name_is_an_images_does_not_depend_on_where_one_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = table(tmp_path / "set", ["a", "b"], ["a.png", "b.png"])
    (tmp_path / "a").write_bytes(bytes(128) + b"DICM")  # a DICOM file of the row's name, in the current folder
    monkeypatch.chdir(tmp_path)
    assert read_manifest(path, Columns(suffix=".png")).ids == ("a.png", "b.png")
    path.write_text("image,label\nnul\0,x\nb,y\n")
    with pytest.raises(DataError, match="correct them"):
        read_manifest(path, Columns(suffix=".png"))


def test_a_root_holds_for_masks_too(tmp_path: Path) -> None:
    rows = ["image,mask"]
    for i in range(6):
        save(tmp_path / "deep" / "i" / f"{i}.png", noise(i))
        save(tmp_path / "deep" / "m" / f"{i}.png", noise(i) // 128)
        rows.append(f"i\\{i},m\\{i}")
    (tmp_path / "set.csv").write_text("\n".join(rows) + "\n")
    records = read_manifest(tmp_path / "set.csv", Columns(root=tmp_path / "deep", suffix=".png"))
    assert records.ids == tuple(f"i/{i}.png" for i in range(6))
    assert records.masks is not None
    for i in range(6):
        assert np.array_equal(records.masks.load(i), noise(i) // 128)


@pytest.mark.parametrize(
    ("cell", "file", "remedy"),
    [
        ("a", "a.png", "give --image-suffix .png (there is a.png)"),
        ("a.png", "deep/in/a.png", "give --image-root {}/deep/in (there is a.png)"),
        ("in/a.png", "deep/in/a.png", "give --image-root {}/deep (there is a.png)"),
        ("a", "deep/a.jpg", "give --image-root {}/deep --image-suffix .jpg (there is a.jpg)"),
        ("a.png", "two words/a.png", "give --image-root '{}/two words' (there is a.png)"),
        ("A.PNG", "a.png", "correct the capital letters (there is a.png)"),
        ("a.dcm", "a.png", "correct the suffixes (there is a.png)"),
        (
            "/data/of/a.png",
            "a.png",
            "write the paths relative to one folder, and name that with --image-root (there is",
        ),
        (
            "C:\\data\\a.png",
            "in/a.png",
            "write the paths relative to one folder, and name that with --image-root (there",
        ),
        ("/data/of/b.png", "a.png", "and name that with --image-root, as these are of another place"),
        ("https://x.org/a.png", "a.png", "download the images first, as these are addresses"),
        ("other.png", "a.png", "('other.png'): correct them"),
        ("x" * 300 + ".png", "a.png", "correct them"),
        ("nul\0.png", "a.png", "correct them"),
    ],
)
def test_what_to_do_about_an_image_that_is_not_found(tmp_path: Path, cell: str, file: str, remedy: str) -> None:
    path = table(tmp_path, [cell, "there.png"], [file, "there.png"])
    text = remedy.format(tmp_path)
    with pytest.raises(DataError, match=re.escape(text)) as caught:
        read_manifest(path)
    assert "row 2 (" in str(caught.value)
    assert len(str(caught.value)) <= 600 + len(str(tmp_path)) * 2
    with pytest.raises(DataError, match=re.escape(text)):
        read_image_list(path, Columns())
    assert read_manifest(path, reading=Reading(skip_bad=True)).ids == ("there.png",)


def test_roots_and_suffixes_are_for_tables(tmp_path: Path) -> None:
    class_folders(tmp_path, {"a": 3, "b": 3})
    with pytest.raises(UsageError, match="--image-root and the like are for those"):
        load_task(tmp_path, columns=Columns(suffix=".png"))
    with pytest.raises(UsageError, match="--image-root and --image-suffix are for a manifest"):
        read_image_list(tmp_path, Columns(root=tmp_path))


def test_a_spreadsheet_is_told_to_be_saved_as_csv(tmp_path: Path) -> None:
    (tmp_path / "set.xlsx").write_bytes(b"PK")
    with pytest.raises(DataError, match=r"set\.xlsx is a spreadsheet: save its sheet as CSV"):
        load_task(tmp_path / "set.xlsx")
