from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from ttl.data.pool import Progress
from ttl.data.readers.class_folders import read_folder
from ttl.data.readers.manifest import read_manifest
from ttl.data.readers.readable import Reading
from ttl.data.readers.table_file import Columns
from ttl.data.records import Records
from ttl.errors import DataError

from .toys import class_folders, noise, save, truncate_file

ROWS = "image,label\na.png,cat\nb.png,dog\nc.png,cat\n"


def written(folder: Path, text: str, name: str = "set.csv", images: str = "abcd") -> Path:
    """A manifest beside images a.png, b.png, ..., all different."""
    folder.mkdir(exist_ok=True)
    for i, letter in enumerate(images):
        save(folder / f"{letter}.png", noise(i))
    path = folder / name
    path.write_text(text, encoding="utf-8", newline="")
    return path


def read(path: Path, skip_bad: bool = False, on_progress: Progress | None = None, **columns: object) -> Records:
    return read_manifest(path, Columns(**columns), Reading(skip_bad=skip_bad, on_progress=on_progress))


def refused(path: Path, text: str, **options: object) -> None:
    with pytest.raises(DataError, match=re.escape(text)):
        read(path, **options)


def test_columns_are_found_by_their_names(tmp_path: Path) -> None:
    text = (
        "Patient ID,Age,Path,Diagnosis,Split\nP1,7,b.png,sick,train\nP2,,a.png,healthy,Validation\n"
        "P1,9,c.png,sick,dev\nP3,9,d.png,healthy,testing\n"
    )
    records = read(written(tmp_path, text))
    assert (records.name, records.class_names) == ("set", ("healthy", "sick"))
    assert records.ids == ("a.png", "b.png", "c.png", "d.png")
    assert records.labels.tolist() == [0, 1, 1, 0]
    assert records.labels.dtype == np.int64
    assert records.groups == ("P2", "P1", "P1", "P3")
    assert records.given == ("val", "train", "val", "test")
    assert records.skipped == ()
    assert records.notes == (
        "Columns taken by their names: 'Patient ID' for groups, 'Path' for images, 'Diagnosis' for labels, "
        "'Split' for splits.",
        "Grouped by the column 'Patient ID': 3 patients.",
    )
    for i, seed in enumerate([0, 1, 2, 3]):
        assert np.array_equal(np.asarray(records.source.load(i)), noise(seed))


def test_columns_that_are_given_win_and_need_no_note(tmp_path: Path) -> None:
    text = "image,label,scan,grade,who,part\nx,same,a.png,g1,P1,train\ny,same,b.png,g2,P2,test\n"
    records = read(written(tmp_path, text), image="scan", labels=("grade",), group="who", split="part")
    assert (records.ids, records.class_names) == (("a.png", "b.png"), ("g1", "g2"))
    assert (records.groups, records.given) == (("P1", "P2"), ("train", "test"))
    assert records.notes == ("Grouped by the column 'who': 2 patients.",)


def test_names_of_the_image_column(tmp_path: Path) -> None:
    for name in ("image", "PATH", "file", "filename", "File Path", "image_path", "Path"):
        assert read(written(tmp_path, ROWS.replace("image", name))).ids == ("a.png", "b.png", "c.png")


def test_of_several_such_columns_the_first_usual_name_wins(tmp_path: Path) -> None:
    text = "target,file,image,label\nq,x,a.png,1\nq,x,b.png,2\n"
    assert read(written(tmp_path, text)).class_names == ("1", "2")


@pytest.mark.parametrize(
    ("values", "names", "labels"),
    [
        (["01", "1", "10", "02"], ("01", "1", "02", "10"), [0, 1, 3, 2]),
        (["10", "9", "-1", "9"], ("-1", "9", "10"), [2, 1, 0, 1]),
        (["10", "9", "b", "none"], ("10", "9", "b", "none"), [0, 1, 2, 3]),
        (["1.0", "2.0", " 1.0 ", "x"], ("1.0", "2.0", "x"), [0, 1, 0, 2]),
    ],
)
def test_classes_are_text_and_whole_numbers_are_sorted_as_such(
    tmp_path: Path, values: list[str], names: tuple[str, ...], labels: list[int]
) -> None:
    rows = "".join(f"{letter}.png,{value}\n" for letter, value in zip("abcd", values, strict=True))
    records = read(written(tmp_path, "image,label\n" + rows))
    assert (records.class_names, records.labels.tolist()) == (names, labels)
    assert (records.groups, records.given) == (None, None)


def test_several_label_columns_are_one_class_each(tmp_path: Path) -> None:
    text = "image,edema,mass\na.png,1,No\nb.png,0.0,\nc.png,1.0,TRUE\nd.png,-1.0,nan\n"
    records = read(written(tmp_path, text), labels=("mass", "edema"))
    assert records.class_names == ("mass", "edema")
    assert records.labels.dtype == np.int64
    assert records.labels.tolist() == [[0, 1], [-1, 0], [1, 1], [-1, -1]]


def test_a_cell_of_several_label_columns_that_says_nothing(tmp_path: Path) -> None:
    text = "image,x,y\na.png,0,0\n\nb.png,1,maybe\nc.png,0,2\nd.png,1,1\n"
    path = written(tmp_path, text)
    refused(path, f"'y' of {path} has row 4 ('maybe'), row 5 ('2'): with several label", labels=("x", "y"))


@pytest.mark.parametrize(
    ("cells", "found"), [("1", "only the value '1'"), ("0", "only the value '0'"), ("", "no known value")]
)
def test_a_label_column_of_one_value(tmp_path: Path, cells: str, found: str) -> None:
    text = f"image,x,y\na.png,0,{cells}\nb.png,1,{cells}\n"
    path = written(tmp_path, text)
    refused(path, f"'y' of {path} has {found}: nothing can be learned from it", labels=("x", "y"))
    if cells:
        refused(path, f"'y' of {path} has {found}: nothing can be learned from it", labels=("y",))


def test_relative_and_absolute_paths_and_folders(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    save(tmp_path / "other" / "x.png")
    save(folder / "deep" / "y.png")
    text = f"image,label\n../other/x.png,1\n{folder}/deep/y.png,2\n./b.png,1\n{tmp_path}/z.png,2\n"
    save(tmp_path / "z.png")
    records = read(written(folder, text))
    assert records.ids == ("../other/x.png", f"{tmp_path}/z.png", "b.png", "deep/y.png")
    assert records.labels.tolist() == [0, 1, 0, 1]


def test_a_manifest_of_a_folder_gives_what_the_folder_gives(tmp_path: Path) -> None:
    root = class_folders(tmp_path / "set", {"b": 3, "a": 2})
    lines = [f"{path.relative_to(root)},{path.parent.name}\n" for path in root.rglob("*.png")]
    (root / "m.csv").write_text("image,label\n" + "".join(lines))
    manifest, folder = read(root / "m.csv"), read_folder(root)
    assert manifest.ids == folder.ids
    assert manifest.fingerprint() == folder.fingerprint()


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_dialects(tmp_path: Path, separator: str, encoding: str, newline: str) -> None:
    path = written(tmp_path, "")
    text = 'image, label\n"a.png",Käse\nb.png,dog\n'.replace(",", separator).replace("\n", newline)
    path.write_bytes(text.encode(encoding))
    assert read(path).class_names == ("Käse", "dog")


@pytest.mark.parametrize("values", [[1, 2], [1.0, 2.0], ["1", " 2"], np.array([1, 2], np.float32)])
def test_parquet(tmp_path: Path, values: list[object]) -> None:
    pytest.importorskip("pyarrow")
    path = written(tmp_path, "", "set.parquet")
    pd.DataFrame({"image": ["a.png", "b.png"], "label": values, "fold": ["train", "test"]}).to_parquet(path)
    records = read(path)
    assert (records.class_names, records.labels.tolist()) == (("1", "2"), [0, 1])
    assert records.given == ("train", "test")


def test_parquet_with_gaps_and_truth_values(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    path = written(tmp_path, "", "set.parquet")
    columns = {"image": ["a.png", "b.png", "c.png"], "x": [1, None, 0], "y": [True, False, None]}
    pd.DataFrame(columns).to_parquet(path)
    assert read(path, labels=("x", "y")).labels.tolist() == [[1, 1], [-1, 0], [0, -1]]


def test_parquet_that_holds_the_images_themselves(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    path = written(tmp_path, "", "set.parquet")
    pd.DataFrame({"image": [{"bytes": b"1"}, {"bytes": b"2"}], "label": [1, 2]}).to_parquet(path)
    refused(path, f"The column 'image' of {path} holds dict and not text: save images as files")


def test_parquet_that_is_damaged_and_parquet_without_pyarrow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path, "no parquet", "set.parquet")
    if importlib.util.find_spec("pyarrow"):
        refused(path, f"The manifest {path} can't be read (")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    refused(path, f"Reading {path} needs pyarrow: pip install pyarrow, or save the table as CSV.")


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"image": "Imgae"}, "has no column 'Imgae': did you mean 'image'?"),
        ({"labels": ("label", "lable2")}, "has no column 'lable2': did you mean 'label'?"),
        ({"split": "zzz"}, "has no column 'zzz': it has 'image', 'label'."),
        ({"group": "label", "labels": ("label",)}, "The column 'label' of"),
        ({"labels": ("image",)}, "no column of images that is called image or path or file or"),
        ({"image": "label"}, "no column of labels that is called label or class or target or diagnosis"),
    ],
)
def test_no_such_column(tmp_path: Path, options: dict[str, object], text: str) -> None:
    refused(written(tmp_path, ROWS), text, **options)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "can't be read (No columns to parse from file): a CSV in UTF-8 or a Parquet file is needed."),
        ("image,label\n", "has no rows: give it one an image, under a row of column names."),
        ("image,label\n\n\n", "has no rows"),
        ("image,label\na.png,1,2\nb.png,2\n", "can't be read (Length of header or names does not match"),
        ("image,label\na.png,1\nb.png,2,3\n", "can't be read (Error tokenizing data"),
        ("image,label,label \na.png,1,2\n", "can't be read (two columns have one name: 'label')"),
    ],
)
def test_no_table(tmp_path: Path, text: str, message: str) -> None:
    refused(written(tmp_path, text), f"The manifest {tmp_path}/set.csv {message}")


def test_another_encoding_and_no_file(tmp_path: Path) -> None:
    path = written(tmp_path, "")
    path.write_bytes("image,label\na.png,Käse\n".encode("latin-1"))
    refused(path, "can't be read ('utf-8' codec can't decode byte 0xe4")
    refused(tmp_path / "none.csv", "none.csv can't be read (No such file or directory)")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "image,label\na.png,1\n,2\n",
            "'image' of {path}, for images, has no value in 1 row, row 3 (''): fill them in",
        ),
        (
            "image,label\na.png,1\n\nb.png, \nc.png\n",
            "'label' of {path}, for labels, has no value in 2 rows, row 4 (''), row 5 (''): fill them in",
        ),
        (
            "image,label\na.png,nan\nb.png,?\nc.png,N/A\nd.png,1\n",
            "'label' of {path}, for labels, has no value in 3 rows, row 2 ('nan'), row 3 ('?'), row 4 ('N/A'): fill",
        ),
    ],
)
def test_empty_cells(tmp_path: Path, text: str, message: str) -> None:
    path = written(tmp_path, text)
    refused(path, message.format(path=path))


def test_a_split_of_another_name(tmp_path: Path) -> None:
    text = "image,label,split\na.png,1,train\nb.png,2,holdout\nc.png,2,\n"
    path = written(tmp_path, text)
    refused(
        path, f"The split column 'split' of {path} has row 3 ('holdout'), row 4 (''): train, val or test is needed."
    )


def test_folds_that_are_numbers_are_no_split_unless_they_are_given(tmp_path: Path) -> None:
    text = "image,label,fold\na.png,1,0\nb.png,2,1\na.png,1,2\n"
    path = written(tmp_path, text)
    records = read(path)
    assert (records.ids, records.given) == (("a.png", "b.png"), None)
    assert records.notes[0] == "The column 'fold' ('0', '1', '2') says nothing of train, val or test: ignored."
    refused(path, "names the image a.png twice, with different 'fold'", split="fold")


def test_an_image_that_is_named_twice_is_there_once(tmp_path: Path) -> None:
    path = written(tmp_path, ROWS + f"./b.png,dog\n{tmp_path}/b.png,dog\n")
    seen: list[tuple[int, int]] = []
    records = read(path, on_progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 3), (2, 3), (3, 3)]
    assert records.ids == ("a.png", "b.png", "c.png")
    assert records.notes[1:] == ("2 rows of 5 repeated from above: ignored.",)


def test_an_image_with_two_labels(tmp_path: Path) -> None:
    path = written(tmp_path, ROWS + "b.png,cat\n")
    refused(
        path,
        f"The manifest {path} names the image b.png twice, with different 'label': row 3 ('dog'), row 5 ('cat'): "
        "keep the right one.",
    )


def test_missing_images(tmp_path: Path) -> None:
    path = written(tmp_path, ROWS + "".join(f"no{i}.png,cat\n" for i in range(5)))
    refused(
        path,
        f"5 of 8 images in {path} can't be found, from the manifest's folder on: row 5 ('no0.png'), "
        "row 6 ('no1.png'), row 7 ('no2.png') and 2 more: correct them, or go on without them with --skip-bad.",
    )
    records = read(path, skip_bad=True)
    assert records.ids == ("a.png", "b.png", "c.png")
    assert records.skipped == tuple(f"no{i}.png" for i in range(5))
    assert records.notes[1] == (
        "5 unreadable images skipped: 5 files: No such file or directory (no0.png, no1.png, no2.png and 2 more)."
    )
    path = written(tmp_path / "none", ROWS, images="")
    refused(path, f"None of the 3 images in {path} can be found, from the manifest's folder on: row 2", skip_bad=True)


def test_damaged_images(tmp_path: Path) -> None:
    path = written(tmp_path, ROWS.replace("label", "label,group").replace("cat", "cat,7").replace("dog", "dog,8"))
    truncate_file(tmp_path / "a.png")
    refused(path, f"1 of 3 images in {path} can't be read: a.png (cut off before its end): repair or remove them, or")
    records = read(path, skip_bad=True)
    assert (records.ids, records.labels.tolist(), records.groups) == (("b.png", "c.png"), [1, 0], ("8", "7"))
    assert (len(records.source), records.skipped) == (2, ("a.png",))
    assert records.notes[1:] == (
        "Grouped by the column 'group': 2 patients.",
        "1 unreadable image skipped: a.png (cut off before its end).",
    )


def test_odd_images_are_noted(tmp_path: Path) -> None:
    path = written(tmp_path, ROWS)
    Image.fromarray(noise(1).astype(np.uint16) * 9).save(tmp_path / "a.png")
    assert read(path).notes[1].startswith("1 image with more than 8 bits a channel: stretched")
