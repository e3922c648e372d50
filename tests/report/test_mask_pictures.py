from __future__ import annotations

import base64
from dataclasses import replace
from pathlib import Path

import pytest

from ttl.report import RunReport, render
from ttl.report.page_blocks import Gallery, Section, Table
from ttl.report.sections.pictured_cases import mask_pictures

from . import example, segmented
from .example import changed
from .pages import Page
from .test_on_test_images import rows


def section(study: RunReport, folder: Path | None = None) -> Section:
    drawn = mask_pictures(study, folder)
    assert drawn is not None
    return drawn


def gallery(study: RunReport, folder: Path | None = None) -> Gallery:
    drawn = section(study, folder).blocks[0]
    assert isinstance(drawn, Gallery)
    return drawn


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


def test_the_key_leaves_out_the_background() -> None:
    assert gallery(segmented.finished()).key == (("#E69F00", "nucleus"), ("#56B4E9", "debris"))


def test_without_the_cut_there_is_no_fourth_picture() -> None:
    drawn = section(segmented.whole_network())
    assert drawn.title == "What the network draws"
    (pictures, classes) = drawn.blocks
    assert isinstance(pictures, Gallery)
    assert isinstance(classes, Table)
    assert [picture.caption for picture in pictures.cases[0].pictures] == ["image", "truth", "whole U-Net"]
    assert classes.columns == ("Class", "Dice", "HD95")
    assert pictures.data.columns == ("Image", "Why it is shown", "Dice")


@pytest.mark.parametrize("content", [None, b"", b"<svg onload=alert(1)>"])
def test_a_file_that_is_missing_or_no_picture_is_named(tmp_path: Path, content: bytes | None) -> None:
    segmented.draw(tmp_path)
    broken = tmp_path / "overlays/1-full.png"
    broken.unlink()
    if content is not None:
        broken.write_bytes(content)
    study = segmented.finished()
    assert study.overlays
    files = {key: file for key, file in study.overlays.cases[1].files.items() if key != "truth"}
    page = Page(render(changed(study, "overlays.cases.1.files", files), tmp_path))
    assert sum(tag == "img" for tag, _ in page.tags) == 6
    assert page.words.count("overlays/1-full.png is missing, or is no PNG file.") == 1
    assert page.words.count("There is no picture.") == 1
    assert "Dice 0.940" in page.words


def test_the_figures_of_the_cases_are_behind_them() -> None:
    table = gallery(changed(segmented.finished(), "overlays.cases.0.figures.full.hd95", 12.04)).data
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
    study = replace(segmented.finished(), overlays=None)
    assert [block.kind for block in section(study).blocks] == ["table"]
    assert mask_pictures(replace(study, per_class=None), None) is None
    assert mask_pictures(example.finished(), None) is None
