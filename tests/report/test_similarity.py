from __future__ import annotations

from typing import Any

import pytest

from ttl.report.blocks import Figure, Table
from ttl.report.figures.similarity import similarity
from ttl.report.reading import read

from . import example
from .test_page import plot


def figure(study: dict[str, Any]) -> Figure:
    found = similarity(read(study))
    assert isinstance(found, Figure)
    return found


def test_every_point_is_a_box_before_a_band_of_chance() -> None:
    drawn = plot("similarity", example.finished())
    assert drawn.classes("path").count("box other") == 8
    assert drawn.classes("path").count("box chosen") == 1
    assert drawn.classes("path").count("median other") == 8
    assert drawn.classes("rect") == ["chance", "chance core"]
    assert drawn.classes("line").count("guide chosen") == 1
    said = "layer3.1: median 0.586, middle half 0.421 to 0.731, whiskers 0.212 to 0.892; overlap 0.143"
    assert said in drawn.words


def test_the_caption_states_the_test_and_where_it_first_holds() -> None:
    caption = figure(example.finished()).caption
    assert "the probability that a random coefficient is above one of the features' (Mann-Whitney U" in caption
    assert caption.endswith("from 0.1 it is substantial: layer3.1 is the lowest point where it is.")


@pytest.mark.parametrize(("threshold", "end"), [(0.5, "it is so at no point."), (None, "over the number of pairs).")])
def test_the_caption_claims_no_overlap_that_is_not_there(threshold: float | None, end: str) -> None:
    study = example.finished()
    study["svcca"]["threshold"] = threshold
    assert figure(study).caption.endswith(end)


def test_the_data_behind_it_holds_overlaps_and_chance() -> None:
    table = figure(example.finished()).data
    assert table.columns[-1] == "Overlap, substantial from 0.1"
    rows = [[cell.text for cell in row.cells] for row in table.rows]
    assert rows[6] == ["layer3.1", "7", "0.212", "0.421", "0.586", "0.731", "0.892", "0.143"]
    assert rows[-1] == ["random features", "", "0.031", "0.143", "0.262", "0.378", "0.512", ""]
    assert [row.cells[-1].note for row in table.rows] == [""] * 6 + ["substantial"] * 3 + [""]


def test_points_without_a_value_are_in_the_table_alone() -> None:
    study = example.finished()
    study["svcca"]["points"][3]["percentiles"][2] = None
    study["svcca"]["points"][4]["percentiles"] = []
    study["svcca"]["points"][5]["overlap"] = None
    study["svcca"]["random"] = [0.1, float("nan")]
    drawn = plot("similarity", study)
    assert drawn.classes("path").count("box other") == 6
    assert drawn.classes("rect") == []
    assert not any("nan" in value for value in drawn.attributes("d"))
    assert [label for _, label in figure(study).key] == ["before and after fine-tuning", "chosen: layer3.1"]
    assert len(figure(study).data.rows) == 10


def test_without_any_box_the_table_remains_and_without_points_nothing() -> None:
    found = similarity(read({"svcca": {"points": [{"cut": "x", "overlap": 0.3}], "random": None, "threshold": 0.1}}))
    assert isinstance(found, Table)
    assert found.caption.endswith("x is the lowest point where it is.")
    for empty in ({}, None, {"points": []}):
        assert similarity(read({"svcca": empty})) is None
