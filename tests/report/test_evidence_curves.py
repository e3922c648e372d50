from __future__ import annotations

import math
from dataclasses import replace

import pytest

from ttl.report import RunReport
from ttl.report.figures.evidence_plots import evidence_figure
from ttl.report.page_blocks import Figure, Table
from ttl.search.evidence.curve import Look

from . import example, segmented
from .example import changed
from .pages import plot


def figure(study: RunReport) -> Figure:
    drawn = evidence_figure(study)
    assert isinstance(drawn, Figure)
    return drawn


def test_both_curves_stand_against_depth_with_bands_and_the_chosen_point_marked() -> None:
    drawn = plot("looks", example.finished())
    assert drawn.classes("path") == ["area probe", "line probe dashed", "area joint", "line joint"]
    marks = drawn.classes("circle")
    assert marks.count("dot probe") == marks.count("dot joint") == 8
    assert marks.count("dot kept probe") == marks.count("dot kept joint") == 1
    assert drawn.classes("line").count("guide chosen") == 1
    assert "layer3.1: joint network 0.967, standard error 0.002" in drawn.words
    assert [label for _, label in figure(example.finished()).key] == ["probe", "joint network", "chosen: layer3.1"]
    assert "Dice" in plot("looks", segmented.finished()).words


def test_the_band_spans_a_standard_error_to_either_side() -> None:
    probe = (Look(cut="stem", mean=0.8, se=0.1), Look(cut="layer4.1", mean=0.8, se=0.0))
    study = replace(example.finished(), probe=probe, joint=())
    paths = {attrs["class"]: str(attrs["d"]) for tag, attrs in plot("looks", study).tags if tag == "path"}
    corners = [corner.split() for corner in paths["area probe"].strip("MZ").split("L")]
    (_, top), (_, right), _, (_, bottom) = ([float(at) for at in corner] for corner in corners)
    assert right == pytest.approx((top + bottom) / 2, abs=0.1)
    assert top < right < bottom


def test_evidence_that_was_not_asked_for_is_not_spoken_of() -> None:
    study = replace(example.finished(), joint=())
    drawn = figure(study)
    assert "joint" not in str(drawn.svg) + drawn.caption
    assert drawn.data.columns == ("Point", "Index", "Probe, AUPRC", "Its standard error")
    assert evidence_figure(replace(study, probe=())) is None


def test_the_data_behind_it_holds_both_curves_lowest_first() -> None:
    study = example.finished()
    study = replace(study, probe=study.probe[:0:-1])
    rows = [[cell.text for cell in row.cells] for row in figure(study).data.rows]
    assert rows[0] == ["stem", "1", "–", "–", "0.858", "0.018"]  # noqa: RUF001
    assert rows[1] == ["layer1.0", "2", "0.871", "0.010", "0.893", "0.014"]
    assert [row.mark for row in figure(study).data.rows].index("chosen") == 6


def test_points_without_a_value_are_in_the_table_alone() -> None:
    study = changed(example.finished(), "probe.2", Look(cut="layer1.1", mean=math.nan, se=math.nan))
    study = changed(study, "joint.4.se", math.nan)
    drawn = plot("looks", study)
    assert not any("nan" in value for name in ("d", "cx", "cy") for value in drawn.attributes(name))
    assert drawn.classes("circle").count("dot probe") == 7
    assert drawn.classes("circle").count("dot joint") == 8
    lines = {attrs["class"]: str(attrs["d"]) for tag, attrs in drawn.tags if tag == "path"}
    assert lines["line probe dashed"].count("M") == 2
    assert lines["area joint"].count("Z") == 2
    assert len(figure(study).data.rows) == 9


def test_where_points_are_crowded_their_dots_are_tooltips() -> None:
    marks = plot("looks", changed(example.finished(), "points.-1.index", 98)).classes("circle")
    assert marks.count("dot unseen joint") == 8
    assert marks.count("dot kept joint") == 1


def test_without_any_value_the_table_remains() -> None:
    probe = (Look(cut="stem", mean=math.nan, se=math.nan),)
    drawn = evidence_figure(replace(example.finished(), probe=probe, joint=()))
    assert isinstance(drawn, Table)
    assert [cell.text for cell in drawn.rows[0].cells] == ["stem", "1", "–", "–"]  # noqa: RUF001
    assert "a linear classifier on each point's frozen features" in drawn.caption


def test_before_the_choice_no_point_is_marked() -> None:
    drawn = plot("looks", example.unfinished())
    assert not any("chosen" in str(class_) or "kept" in str(class_) for class_ in drawn.classes("line", "circle"))
