from __future__ import annotations

from typing import Any

import pytest

from ttl.report.blocks import Figure, Table
from ttl.report.figures.looks import looks
from ttl.report.reading import read

from . import example
from .test_page import plot


def figure(study: dict[str, Any]) -> Figure:
    found = looks(read(study))
    assert isinstance(found, Figure)
    return found


def test_both_curves_stand_against_depth_with_bands_and_the_chosen_point_marked() -> None:
    drawn = plot("looks", example.finished())
    assert drawn.classes("path") == ["area probe", "line probe dashed", "area joint", "line joint"]
    marks = drawn.classes("circle")
    assert marks.count("dot probe") == marks.count("dot joint") == 8
    assert marks.count("dot kept probe") == marks.count("dot kept joint") == 1
    assert drawn.classes("line").count("guide chosen") == 1
    assert "layer3.1: joint network 0.967, standard error 0.002" in drawn.words
    assert [label for _, label in figure(example.finished()).key] == ["probe", "joint network", "chosen: layer3.1"]


def test_the_band_spans_a_standard_error_to_either_side() -> None:
    study = example.finished() | {"joint": []}
    study["probe"] = [{"cut": "stem", "mean": 0.8, "se": 0.1}, {"cut": "layer4.1", "mean": 0.8, "se": 0.0}]
    paths = {attrs["class"]: str(attrs["d"]) for tag, attrs in plot("looks", study).tags if tag == "path"}
    corners = [corner.split() for corner in paths["area probe"].strip("MZ").split("L")]
    (_, top), (_, right), _, (_, bottom) = ([float(at) for at in corner] for corner in corners)
    assert right == pytest.approx((top + bottom) / 2, abs=0.1)
    assert top < right < bottom


def test_a_look_that_did_not_run_is_not_spoken_of() -> None:
    study = example.finished() | {"joint": []}
    found = figure(study)
    assert "joint" not in str(found.svg) + found.caption
    assert found.data.columns == ("Point", "Index", "Probe, AUPRC", "Its standard error")
    assert looks(read(study | {"probe": []})) is None
    assert looks(read(study | {"probe": None})) is None


def test_the_data_behind_it_holds_both_curves_lowest_first() -> None:
    study = example.finished()
    study["probe"] = study["probe"][:0:-1]
    rows = [[cell.text for cell in row.cells] for row in figure(study).data.rows]
    assert rows[0] == ["stem", "1", "–", "–", "0.858", "0.018"]  # noqa: RUF001
    assert rows[1] == ["layer1.0", "2", "0.871", "0.010", "0.893", "0.014"]
    assert [row.mark for row in figure(study).data.rows].index("chosen") == 6


def test_points_without_a_value_are_in_the_table_alone() -> None:
    study = example.finished()
    study["probe"][2] |= {"mean": float("nan"), "se": None}
    study["joint"][4]["se"] = None
    drawn = plot("looks", study)
    assert not any("nan" in value for name in ("d", "cx", "cy") for value in drawn.attributes(name))
    assert drawn.classes("circle").count("dot probe") == 7
    assert drawn.classes("circle").count("dot joint") == 8
    lines = {attrs["class"]: str(attrs["d"]) for tag, attrs in drawn.tags if tag == "path"}
    assert lines["line probe dashed"].count("M") == 2
    assert lines["area joint"].count("Z") == 2
    assert len(figure(study).data.rows) == 9


def test_where_points_are_crowded_their_dots_are_tooltips() -> None:
    study = example.finished()
    study["points"][-1]["index"] = 98
    marks = plot("looks", study).classes("circle")
    assert marks.count("dot unseen joint") == 8
    assert marks.count("dot kept joint") == 1


def test_without_any_place_on_the_axis_the_table_remains() -> None:
    found = looks(read({"probe": [{"cut": "stem", "mean": 0.812, "se": 0.0141}, {"cut": "x", "mean": None}]}))
    assert isinstance(found, Table)
    assert [cell.text for cell in found.rows[0].cells][2:] == ["0.812", "0.014"]
    assert "a linear classifier on each point's frozen features" in found.caption


def test_before_the_choice_no_point_is_marked() -> None:
    drawn = plot("looks", example.unfinished())
    assert not any("chosen" in str(class_) or "kept" in str(class_) for class_ in drawn.classes("line", "circle"))
