from __future__ import annotations

import re
from dataclasses import replace

import pytest

from ttl.data.kind import KINDS
from ttl.report import RunReport, render
from ttl.report.page_blocks import Figure, Section, Table
from ttl.report.schema.on_test import Confusion, LabelConfusion
from ttl.report.sections.class_curves import class_curves, stepped
from ttl.report.sections.confusion_matrix import MOST_DRAWN, confusion
from ttl.report.sections.reliability import confidence
from ttl.words.estimate import Estimate
from ttl.words.units import MISSING

from . import example
from .example import changed
from .pages import plot, text, words


def blocks(section: Section | None) -> tuple[object, ...]:
    assert section is not None
    return section.blocks


def rows(table: object) -> list[list[str]]:
    assert isinstance(table, Table)
    return [[cell.text for cell in row.cells] for row in table.rows]


def of_classes(names: tuple[str, ...]) -> RunReport:
    """The study with other classes."""
    study = example.finished()
    counts = {split: dict.fromkeys(names, 9) for split in study.task.counts}
    task = replace(study.task, kind=KINDS["multiclass"], class_names=names, counts=counts)
    return replace(study, task=task, confusion=None)


def test_the_curves_name_the_positive_class_and_carry_their_areas() -> None:
    _, roc, recall, table = blocks(class_curves(example.finished()))
    page = text(example.finished())
    assert "The positive class is pneumonia." in page
    assert "The whole network, from probability 0.410 on, finds 87% of pneumonia and leaves 96% of the others" in page
    assert "Marked is where each decides: whole network from probability 0.410 on, truncated network from" in page
    assert isinstance(roc, Figure)
    assert isinstance(recall, Figure)
    assert roc.key[1] == ("line-key chosen", "truncated network: AUROC 0.942 (0.924 to 0.960)")
    assert recall.key[0] == ("line-key full dashed", "whole network: AUPRC 0.960 (0.946 to 0.974)")
    assert len(roc.data.rows) == 2 * 5
    assert rows(table)[1] == ["pneumonia", "truncated network", "0.942", "0.963", "87%", "96%", "98%"]
    assert plot("roc-1", example.finished()).classes("circle", "rect") == ["dot kept full", "dot kept chosen"]


def test_of_older_reports_the_one_threshold_of_all_is_named() -> None:
    study = changed(changed(example.finished(), "curves.threshold", 0.5), "curves.grouped", True)
    for network in ("full", "chosen"):
        study = changed(study, f"curves.{network}.0.threshold", None)
    page = text(replace(study, decisions=None, confusion=replace(study.confusion, threshold=0.5)))
    assert "the truncated network, from probability 0.500 on, finds 87%" in page
    assert "take images of one patient for independent." in page
    assert "whole network says (columns), by the most probable class" in page
    assert "take images of one patient for independent." not in text(changed(study, "curves.threshold", None))


def test_of_grades_the_most_probable_class_is_marked() -> None:
    page = text(example.grades())
    assert "Marked is where each decides: whole network where the most probable class is taken" in page
    assert "the truncated network says (columns), by the most probable class" in page
    assert "its own threshold" not in page


def test_a_class_that_nothing_decides_on_has_no_mark_and_no_rates() -> None:
    study = example.grades()
    for network in ("full", "chosen"):
        study = changed(study, f"curves.{network}.0.at_threshold", None)
    assert plot("roc-1", study).classes("circle", "rect") == []
    assert plot("roc-2", study).classes("circle", "rect") == ["dot kept full", "dot kept chosen"]
    table = blocks(class_curves(study))[-1]
    assert rows(table)[0] == ["none", "whole network", "0.939", "0.960", *[MISSING] * 3]


def test_where_nothing_is_called_positive_there_is_no_precision_to_mark() -> None:
    study = changed(example.finished(), "curves.chosen.0.at_threshold.precision", Estimate())
    assert plot("precision-recall-1", study).classes("circle", "rect") == ["dot kept full"]


def test_precision_and_recall_go_up_in_steps() -> None:
    assert stepped([0.0, 0.5, 1.0], [1.0, 0.8, 0.6]) == ([0, 0, 0, 0.5, 0.5, 1], [1, 1, 0.8, 0.8, 0.6, 0.6])


def test_of_many_classes_those_left_out_are_counted() -> None:
    study = of_classes(("a", "b", "c"))
    two = tuple(example.class_record(name, 0.9) for name in "ab")
    assert study.curves
    study = replace(study, curves=replace(study.curves, chosen=two, full=two, left_out=1))
    assert [block.name for block in blocks(class_curves(study)) if isinstance(block, Figure)] == [
        "roc-1", "precision-recall-1", "roc-2", "precision-recall-2",
    ]  # fmt: skip
    assert "Shown are the 2 with the most test images; left out: 1 with as many or fewer." in text(study)


def test_the_matrix_shows_counts_and_shares_of_rows() -> None:
    page = plot("confusion-chosen", example.finished())
    cells = [word for word in page.words if re.fullmatch(r"\d+(\.\d)?%?", word)]
    assert cells == ["303", "96%", "13", "4.1%", "111", "13%", "743", "87%"]
    opacities = [attrs["fill-opacity"] for tag, attrs in page.tags if tag == "rect"]
    assert opacities == ["0.479", "0.021", "0.065", "0.435"]
    assert "of 316 normal: 303 called normal, 13 called pneumonia" in " ".join(page.words)


def test_a_class_without_test_images_has_no_shares() -> None:
    page = plot("confusion-full", changed(example.finished(), "confusion.full.0", (0, 0)))
    assert [attrs["fill-opacity"] for tag, attrs in page.tags if tag == "rect"][:2] == ["0", "0"]


@pytest.mark.parametrize(("n", "kind"), [(MOST_DRAWN, Figure), (MOST_DRAWN + 1, Table)])
def test_a_matrix_of_too_many_classes_is_a_table_alone(n: int, kind: type) -> None:
    counts = tuple(tuple(i + j for j in range(n)) for i in range(n))
    study = of_classes(tuple(f"a long name {i}" for i in range(n)))
    study = replace(study, confusion=Confusion(split="test", full=counts, chosen=counts))
    assert [type(block) for block in blocks(confusion(study))] == [kind] * 2


def several_labels() -> RunReport:
    study = example.finished()
    full, chosen = (((7, 2), (3, 8)), ((6, 0), (5, 1))), (((8, 1), (2, 9)), ((5, 0), (4, 1)))
    counted = LabelConfusion(split="test", full=full, chosen=chosen)
    return replace(study, task=replace(study.task, kind=KINDS["multilabel"]), confusion=counted)


def test_several_labels_have_four_counts_each() -> None:
    (table,) = blocks(confusion(several_labels()))
    assert rows(table) == [
        ["normal", "whole network", "8", "3", "7", "2"],
        ["normal", "truncated network", "9", "2", "8", "1"],
        ["pneumonia", "whole network", "1", "5", "6", "0"],
        ["pneumonia", "truncated network", "1", "4", "5", "0"],
    ]


def test_of_several_labels_an_image_classes_are_no_sum_of_images() -> None:
    page = words(several_labels())
    assert "In how many images each class occurs, by split. An image may hold several." in page
    at = page.index("images", page.index("Class"))
    assert page[at : at + 5] == ["images", "3\u202f747", "937", "1\u202f170", "5\u202f854"]
    assert "Each label by itself; all figures are of the test images." in page
    assert any(word.startswith("Labels in bins of 390") for word in page)


def test_reliability_says_how_many_are_in_a_bin_and_its_columns_are_counted() -> None:
    *_, reliability, histogram = blocks(confidence(example.finished()))
    assert isinstance(reliability, Figure)
    assert isinstance(histogram, Figure)
    assert reliability.caption.startswith("Test images in bins of 390, from the least")
    assert reliability.caption.endswith("Images of one patient are taken for independent here.")
    assert rows(reliability.data)[3] == ["truncated network", "390", "0.570", "0.670", "0.620", "0.590"]
    assert plot("confidence", example.finished()).classes("rect").count("column chosen") == 5
    assert rows(histogram.data)[0] == ["whole network", "0.500", "0.600", "120"]


def test_the_calibration_error_stands_in_the_key() -> None:
    study = changed(example.finished(), "chosen.test.ece", Estimate(0.0312, 0.021, 0.0499))
    assert "truncated network: calibration error 0.031, where perfectly calibrated 0.014 to 0.036" in words(study)
    older = replace(study, probabilities=None)
    assert "truncated network: calibration error 0.031 (0.021 to 0.050)" in words(older)


@pytest.mark.parametrize(
    ("key", "anchor"), [("curves", "curves"), ("confusion", "errors"), ("decisions", "decides"), ("cams", "cams")]
)
def test_what_was_not_counted_has_no_section(key: str, anchor: str) -> None:
    assert f'id="{anchor}"' in render(example.finished())
    assert f'id="{anchor}"' not in render(replace(example.finished(), **{key: None}))
