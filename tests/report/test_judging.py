from __future__ import annotations

import re
from typing import Any

import pytest

from ttl.report import render
from ttl.report.blocks import Figure, Section, Table
from ttl.report.figures.confusion import MOST_DRAWN
from ttl.report.figures.judging import stepped
from ttl.report.figures.pareto import front_of, pareto_figure
from ttl.report.reading import read
from ttl.report.sections.judging import errors, telling_apart, trust

from . import example
from .test_page import Page, plot


def section(found: Section | None) -> Section:
    assert found is not None
    return found


def rows(table: Table) -> list[list[str]]:
    return [[cell.text for cell in row.cells] for row in table.rows]


def test_on_the_front_nothing_is_cheaper_and_better() -> None:
    report = read(example.finished())
    front = front_of(report, report.candidates)
    assert [c.cut for c in front] == ["stem", "layer1.1", "layer2.1", "layer3.0", "layer3.1"]
    study = example.finished()
    study["metric"] = "ece"
    for candidate in study["candidates"]:
        candidate["val"]["ece"] = candidate["val"]["auprc"]
    lower = read(study)
    assert [c.cut for c in front_of(lower, lower.candidates)] == ["stem"]


def test_the_pareto_plot_has_marks_a_line_and_the_times_that_were_measured() -> None:
    found = pareto_figure(read(example.finished()))
    assert found is not None
    marks = plot("pareto", example.finished()).classes("circle", "rect", "path")
    assert [marks.count(f"dot {role}") for role in ("chosen", "full", "other")] == [1, 1, 5]
    assert marks.count("line front") == 1
    assert found.data.columns[-1] == "Latency, median"
    assert rows(found.data)[2][:5] == ["layer2.1", "", "yes", "992 M", "683 k"]
    assert rows(found.data)[-1][-1] == "5.81 ms"
    assert pareto_figure(read({})) is None


def test_without_a_budget_the_exported_files_are_timed() -> None:
    study = example.finished()
    del study["search"]["max_latency_ms"]
    found = pareto_figure(read(study))
    assert found is not None
    times = {row[0]: row[-1] for row in rows(found.data)}
    assert (times["layer3.1"], times["layer4.1"], times["layer3.0"]) == ("4.31 ms", "5.75 ms", "–")  # noqa: RUF001


def test_the_curves_name_the_positive_class_and_carry_their_areas() -> None:
    found = section(telling_apart(read(example.finished())))
    words = " ".join(Page(render(example.finished())).words)
    assert "The positive class is pneumonia." in words
    assert "the truncated network finds 87% of the pneumonia images and leaves 96% of the others alone" in words
    roc, recall, table = found.blocks[1:]
    assert isinstance(roc, Figure)
    assert isinstance(recall, Figure)
    assert isinstance(table, Table)
    assert roc.key[1] == ("line-key chosen", "truncated network: AUROC 0.942 (0.924 to 0.960)")
    assert recall.key[0] == ("line-key full dashed", "whole network: AUPRC 0.960 (0.946 to 0.974)")
    assert len(roc.data.rows) == 2 * len(example.ROC)
    assert rows(table)[1] == ["pneumonia", "truncated network", "0.942", "0.963", "87%", "96%", "98%"]
    assert plot("roc-1", example.finished()).classes("circle", "rect") == ["dot kept full", "dot kept chosen"]


def test_precision_and_recall_go_up_in_steps() -> None:
    assert stepped([0.0, 0.5, 1.0], [1.0, 0.8, 0.6]) == ([0, 0, 0, 0.5, 0.5, 1], [1, 1, 0.8, 0.8, 0.6, 0.6])


def test_of_many_classes_what_is_left_out_is_said() -> None:
    study = example.finished()
    study["task"] |= {"kind": "multiclass", "class_names": ["a", "b", "c"]}
    for network in ("chosen", "full"):
        study["curves"][network] = [example.curves_of(name, 0.9) for name in "ab"]
    study["curves"]["left_out"] = 1
    found = section(telling_apart(read(study)))
    assert [block.name for block in found.blocks if isinstance(block, Figure)] == [
        "roc-1", "precision-recall-1", "roc-2", "precision-recall-2",
    ]  # fmt: skip
    words = " ".join(Page(render(study)).words)
    assert "Shown are the 2 with the most test images; left out: 1 with as many or fewer." in words


def test_the_matrix_shows_counts_and_shares_of_rows() -> None:
    page = plot("confusion-chosen", example.finished())
    cells = [word for word in page.words if re.fullmatch(r"\d+(\.\d)?%?", word)]
    assert cells == ["303", "96%", "13", "4.1%", "111", "13%", "743", "87%"]
    opacities = [attrs["fill-opacity"] for tag, attrs in page.tags if tag == "rect"]
    assert opacities == ["0.479", "0.021", "0.065", "0.435"]
    assert "of 316 normal: 303 called normal, 13 called pneumonia" in " ".join(page.words)


@pytest.mark.parametrize(("n", "kind"), [(MOST_DRAWN, Figure), (MOST_DRAWN + 1, Table)])
def test_a_matrix_of_too_many_classes_is_a_table_alone(n: int, kind: type) -> None:
    study = example.finished()
    study["task"] |= {"kind": "multiclass", "class_names": [f"a long name {i}" for i in range(n)]}
    for network in ("chosen", "full"):
        study["confusion"][network] = [[i + j for j in range(n)] for i in range(n)]
    assert {type(block) for block in section(errors(read(study))).blocks} == {kind}


def test_several_labels_have_four_counts_each() -> None:
    study = example.finished()
    study["task"]["kind"] = "multilabel"
    study["confusion"] |= {"chosen": [[[8, 1], [2, 9]], [[5, 0], [4, 1]]], "full": [[[7, 2], [3, 8]], None]}
    (table,) = section(errors(read(study))).blocks
    assert isinstance(table, Table)
    assert rows(table) == [
        ["normal", "whole network", "8", "3", "7", "2"],
        ["normal", "truncated network", "9", "2", "8", "1"],
        ["pneumonia", "truncated network", "1", "4", "5", "0"],
    ]


def test_reliability_says_how_many_are_in_a_bin_and_its_columns_are_counted() -> None:
    found = section(trust(read(example.finished())))
    reliability, confidence = found.blocks[1:]
    assert isinstance(reliability, Figure)
    assert isinstance(confidence, Figure)
    assert reliability.caption.startswith("Test images in bins of 390, from the least")
    assert reliability.caption.endswith("Images of one patient are taken for independent here.")
    assert rows(reliability.data)[3] == ["truncated network", "390", "0.570", "0.670", "0.620", "0.590"]
    assert plot("confidence", example.finished()).classes("rect").count("column chosen") == 5
    assert rows(confidence.data)[0] == ["whole network", "0.500", "0.600", "120"]


def test_the_calibration_error_stands_in_the_key() -> None:
    study = example.finished()
    study["chosen"]["test"]["ece"] = {"value": 0.0312, "ci_low": 0.021, "ci_high": 0.0499}
    assert "truncated network: calibration error 0.031 (0.021 to 0.050)" in Page(render(study)).words


@pytest.mark.parametrize("key", ["curves", "confusion", "calibration", "cams"])
def test_an_older_report_has_no_such_section(key: str) -> None:
    study: dict[str, Any] = example.finished()
    del study[key]
    anchors = {"curves": "curves", "confusion": "errors", "calibration": "trust", "cams": "cams"}
    assert f'id="{anchors[key]}"' not in render(study)
