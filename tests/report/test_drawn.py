from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest

from ttl.report import render
from ttl.report.blocks import Gallery, Section, Table
from ttl.report.reading import read
from ttl.report.sections.overlays import what_is_drawn

from . import example, segmented
from .test_page import Page


def section(study: dict[str, Any], folder: Path | None = None) -> Section:
    found = what_is_drawn(read(study, folder))
    assert found is not None
    return found


def gallery(study: dict[str, Any], folder: Path | None = None) -> Gallery:
    found = section(study, folder).blocks[0]
    assert isinstance(found, Gallery)
    return found


def rows(table: Table) -> list[list[str]]:
    return [[cell.text for cell in row.cells] for row in table.rows]


def test_a_case_is_four_pictures_with_the_dice_of_both(tmp_path: Path) -> None:
    segmented.draw(tmp_path)
    first = gallery(segmented.finished(), tmp_path).cases[0]
    assert (first.name, first.why) == ("images/003.png", "worst 1 of 24")
    assert [(picture.caption, picture.note) for picture in first.pictures] == [
        ("image", ""),
        ("truth", ""),
        ("whole U-Net", "Dice 0.740"),
        ("truncated U-Net", "Dice 0.710"),
    ]
    assert first.pictures[3].alt == "What the truncated U-Net gives, outlined on images/003.png: Dice 0.710."


def test_the_pictures_are_inside_the_page(tmp_path: Path) -> None:
    segmented.draw(tmp_path)
    page = Page(render(segmented.finished(), tmp_path))
    images = [attrs for tag, attrs in page.tags if tag == "img"]
    assert len(images) == 8
    assert all(attrs["alt"] for attrs in images)
    within = [base64.b64decode(str(attrs["src"]).removeprefix("data:image/png;base64,")) for attrs in images]
    assert within[1] == (tmp_path / "overlays/0-truth.png").read_bytes()
    assert page.attributes("style") == ["--tone: #E69F00", "--tone: #56B4E9"]


def test_the_key_leaves_out_the_background_named_or_not() -> None:
    study = segmented.finished()
    expected = (("#E69F00", "nucleus"), ("#56B4E9", "debris"))
    assert gallery(study).key == expected
    study["overlays"]["classes"] = segmented.CLASSES[1:]
    assert gallery(study).key == expected


def test_without_the_cut_there_is_no_fourth_picture() -> None:
    found = section(segmented.whole_network())
    assert found.title == "What the network draws"
    (pictures, classes) = found.blocks
    assert isinstance(pictures, Gallery)
    assert isinstance(classes, Table)
    assert [picture.caption for picture in pictures.cases[0].pictures] == ["image", "truth", "whole U-Net"]
    assert classes.columns == ("Class", "Dice", "HD95")
    assert pictures.data.columns == ("Image", "Why it is shown", "Dice")


@pytest.mark.parametrize("content", [None, b"", b"<svg onload=alert(1)>"])
def test_a_file_that_is_missing_or_no_picture_is_told(tmp_path: Path, content: bytes | None) -> None:
    segmented.draw(tmp_path)
    broken = tmp_path / "overlays/1-full.png"
    broken.unlink()
    if content is not None:
        broken.write_bytes(content)
    study = segmented.finished()
    del study["overlays"]["cases"][1]["files"]["truth"]
    page = Page(render(study, tmp_path))
    assert sum(tag == "img" for tag, _ in page.tags) == 6
    assert page.words.count("overlays/1-full.png is missing, or is no PNG file.") == 1
    assert page.words.count("There is no picture.") == 1
    assert "Dice 0.940" in page.words


def test_the_figures_of_the_cases_are_behind_them() -> None:
    study = segmented.finished()
    study["overlays"]["cases"][0]["figures"]["full"]["hd95"] = 12.04
    table = gallery(study).data
    assert table.folded
    assert table.columns == (
        "Image",
        "Why it is shown",
        "Dice, whole",
        "Dice, truncated",
        "HD95, whole",
        "HD95, truncated",
    )
    assert rows(table)[0] == ["images/003.png", "worst 1 of 24", "0.740", "0.710", "12.0 px", "–"]  # noqa: RUF001


def test_each_class_has_a_row_of_both_networks() -> None:
    table = section(segmented.finished()).blocks[1]
    assert isinstance(table, Table)
    assert table.columns == ("Class", "Dice, whole", "Dice, truncated", "HD95, whole", "HD95, truncated")
    assert rows(table) == [
        ["nucleus", "0.938", "0.941", "2.50 px", "2.31 px"],
        ["debris", "0.882", "0.885", "–", "14.5 px"],  # noqa: RUF001
    ]


def test_classes_are_shown_without_cases_and_nothing_without_either() -> None:
    study = segmented.finished() | {"overlays": None}
    assert [block.kind for block in section(study).blocks] == ["table"]
    assert what_is_drawn(read(study | {"per_class": {}})) is None
    assert what_is_drawn(read(example.finished())) is None
