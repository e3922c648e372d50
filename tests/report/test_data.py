"""The split as a reader sees it: patients, and images that are on both sides."""

from __future__ import annotations

from typing import Any

import pytest

from ttl.report import render
from ttl.report.blocks import Facts, Prose, Table
from ttl.report.reading import read
from ttl.report.sections.data import data
from ttl.report.split import split_sentence

from . import example
from .test_page import Page


def blocks(study: dict[str, Any]) -> tuple[Any, ...]:
    found = data(read(study))
    assert found is not None
    return found.blocks


def test_patients_are_counted_below_the_images() -> None:
    (counts, *_) = blocks(example.finished())
    assert [cell.text for cell in counts.rows[-1].cells] == ["patients", "1\u202f204", "301", "377", "1\u202f882"]
    assert Prose("No patient is in two splits (checked: 1\u202f882 patients).") in blocks(example.finished())


@pytest.mark.parametrize(
    ("task", "config", "said"),
    [
        ({"groups_shared": 2}, {}, "2 of the patients are in more than one split: the figures are too good by that."),
        ({"groups": {"train": None}}, {}, "Patients are not known: images of one patient may be in several splits."),
        ({}, {"dedupe": "together"}, "Images that show the same, and those of one patient where known, were kept"),
    ],
)
def test_what_is_known_of_patients_is_one_sentence(task: dict[str, Any], config: dict[str, Any], said: str) -> None:
    study = example.finished()
    study["task"] |= task
    study["run"]["config"] = config
    assert split_sentence(read(study)).startswith(said)


def test_duplicates_are_counted_and_named() -> None:
    found = blocks(example.finished())
    counted = next(block for block in found if isinstance(block, Facts) and block.title)
    assert [value for _, value in counted.pairs] == ["2", "3", "1"]
    named = next(block for block in found if isinstance(block, Table) and block.folded)
    assert [cell.text for cell in named.rows[0].cells] == [
        "normal/3.png", "train", "normal/903.png", "test", "identical",
    ]  # fmt: skip


def test_no_duplicates_is_a_sentence_and_an_older_report_is_silent() -> None:
    study = example.finished()
    study["task"]["duplicates"] = {"pairs": 0, "identical": 0, "images": 0, "first": []}
    assert (
        "Duplicates across the splits: none found, neither byte for byte nor saved anew." in Page(render(study)).words
    )
    for key in ("duplicates", "groups", "groups_shared"):
        del study["task"][key]
    words = " ".join(Page(render(study)).words)
    assert "Duplicates" not in words
    assert "patient" not in words.replace("no patient ids were given", "").replace("Images of one patient are", "")
