"""The split as a reader sees it: patients, and images that are on both sides."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ttl.data.describe import Duplicates
from ttl.report import RunReport
from ttl.report.page_blocks import Block, Facts, Prose, Table
from ttl.report.sections.data_and_split import data_and_split

from . import example, segmented
from .example import changed
from .pages import words


def blocks(study: RunReport) -> tuple[Block, ...]:
    return data_and_split(study).blocks


def test_patients_are_counted_below_the_images() -> None:
    counts = blocks(example.finished())[0]
    assert isinstance(counts, Table)
    assert [cell.text for cell in counts.rows[-2].cells] == ["all", "3\u202f747", "937", "1\u202f170", "5\u202f854"]
    assert [cell.text for cell in counts.rows[-1].cells] == ["patients", "1\u202f204", "301", "377", "1\u202f882"]
    assert Prose("No patient is in two splits (checked: 1\u202f882 patients).") in blocks(example.finished())


UNKNOWN = {"groups": dict.fromkeys(("train", "val", "test")), "groups_shared": None}


@pytest.mark.parametrize(
    ("task", "dedupe", "sentence"),
    [
        ({"groups_shared": 2}, None, "2 of the patients are in more than one split: the figures are too good by that."),
        (UNKNOWN, None, "Patients are not known: images of one patient may be in several splits."),
        ({"patients_known": 5854}, None, "No patient is in two splits (checked: 1\u202f882 patients)."),
        (
            {"patients_known": 5000},
            None,
            "The patients of 5\u202f000 of 5\u202f854 images are known; each other",
        ),
        ({}, "together", "Images that show the same, and those of one patient where known, were kept"),
    ],
)
def test_what_is_known_of_patients_is_one_sentence(task: dict[str, Any], dedupe: str | None, sentence: str) -> None:
    study = changed(example.finished(), "run.config.dedupe", dedupe)
    said = blocks(replace(study, task=replace(study.task, **task)))[1]
    assert isinstance(said, Prose)
    assert said.text.startswith(sentence)


def test_duplicates_are_counted_and_named() -> None:
    counted = next(block for block in blocks(example.finished()) if isinstance(block, Facts) and block.title)
    assert [cell.text for _, cell in counted.pairs] == ["2", "3", "1"]
    named = next(block for block in blocks(example.finished()) if isinstance(block, Table) and block.folded)
    assert [cell.text for cell in named.rows[0].cells] == [
        "normal/3.png", "train", "normal/903.png", "test", "identical",
    ]  # fmt: skip


def test_no_duplicates_is_a_sentence_and_where_nobody_looked_there_is_none() -> None:
    none = Duplicates(pairs=0, identical=0, images=0, first=())
    sentence = "Duplicates across the splits: none found, neither pixel for pixel nor saved anew."
    assert sentence in words(changed(example.finished(), "task.duplicates", none))
    assert "Duplicates" not in " ".join(words(changed(example.finished(), "task.duplicates", None)))


def test_a_segmentation_counts_the_images_that_hold_a_class_and_its_pixels() -> None:
    page = words(segmented.finished())
    at = page.index("debris", page.index("Share of pixels"))
    assert page[at : at + 6] == ["debris", "31", "8", "9", "48", "0.78%"]
    assert page[at + 6 : at + 11] == ["images", "76", "20", "24", "120"]
    caption = "In how many images each class occurs, by split, and its share of the labelled pixels."
    assert any(word.startswith(caption) for word in page)
    assert page[page.index("Distances in") + 1] == "px"
    assert page[page.index("unlabelled share") + 1] == "0"
