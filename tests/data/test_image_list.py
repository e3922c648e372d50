"""Images without labels: where they come from, and whose they are."""

from __future__ import annotations

from pathlib import Path

import pytest

from ttl.data import Columns, read_image_list
from ttl.data.readers.table_file import NO_COLUMNS
from ttl.errors import DataError, UsageError

from .toys import save


def test_a_table_needs_no_labels_and_keeps_its_order(tmp_path: Path) -> None:
    for name in "abc":
        save(tmp_path / f"{name}.png")
    table = tmp_path / "list.csv"
    table.write_text("Image;Patient ID;label\nc.png;P1;x\na.png;;\nb.png;P2;y\nc.png;P1;z\n")
    images = read_image_list(table, NO_COLUMNS)
    assert [path.name for path in images.paths] == ["c.png", "a.png", "b.png"]
    assert images.patients == ("P1", "", "P2")
    assert images.root == tmp_path
    with pytest.raises(UsageError, match=r"No patient is known of 1 image \(a\.png\)"):
        images.check_patients()


def test_a_table_without_a_usual_column_says_which_option_names_it(tmp_path: Path) -> None:
    save(tmp_path / "a.png")
    table = tmp_path / "list.csv"
    table.write_text("scan\na.png\n")
    with pytest.raises(DataError, match=r"no column of images .* name it with --image-column: one of 'scan'"):
        read_image_list(table, NO_COLUMNS)
    assert read_image_list(table, Columns(image="scan")).paths == (tmp_path / "a.png",)


def test_a_folder_and_one_image(tmp_path: Path) -> None:
    path = save(tmp_path / "in" / "a.png")
    assert read_image_list(tmp_path, NO_COLUMNS).paths == (path,)
    one = read_image_list(path, NO_COLUMNS)
    assert (one.paths, one.patients, one.root) == ((path,), ("",), path)
    with pytest.raises(UsageError, match="The column 'who' is of a manifest"):
        read_image_list(path, Columns(group="who"))
