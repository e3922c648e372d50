from __future__ import annotations

from dataclasses import replace

import pytest

from ttl.report import RunReport
from ttl.report.figures.evidence_plots import svcca_figure
from ttl.report.page_blocks import Figure
from ttl.report.schema.searched import Svcca

from . import example
from .example import changed
from .pages import plot


def figure(study: RunReport) -> Figure:
    drawn = svcca_figure(study)
    assert drawn is not None
    return drawn


def test_every_point_is_a_box_before_a_band_of_chance() -> None:
    drawn = plot("similarity", example.finished())
    assert drawn.classes("path").count("box other") == 8
    assert drawn.classes("path").count("box chosen") == 1
    assert drawn.classes("path").count("median other") == 8
    assert drawn.classes("rect") == ["chance", "chance core"]
    assert drawn.classes("line").count("guide chosen") == 1
    label = "layer3.1: median 0.586, middle half 0.421 to 0.731, whiskers 0.212 to 0.892; overlap 0.143"
    assert label in drawn.words


def test_the_caption_states_the_test_and_where_it_first_holds() -> None:
    caption = figure(example.finished()).caption
    assert "the probability that a random coefficient is above one of the features' (Mann-Whitney U" in caption
    assert caption.endswith("from 0.1 it is substantial: layer3.1 is the lowest point where it is.")


def test_the_caption_claims_no_overlap_that_is_not_there() -> None:
    assert figure(changed(example.finished(), "svcca.threshold", 0.5)).caption.endswith("it is so at no point.")


def test_the_key_names_what_is_drawn() -> None:
    study = example.finished()
    labels = ["before and after fine-tuning", "chosen: layer3.1", "random features"]
    assert [label for _, label in figure(study).key] == labels
    alone = changed(study, "svcca.points", study.svcca.points[6:7])
    assert [label for _, label in figure(alone).key] == labels[1:]
    assert [label for _, label in figure(example.unfinished()).key] == [labels[0], labels[2]]


def test_the_data_behind_it_holds_overlaps_and_chance() -> None:
    table = figure(example.finished()).data
    assert table.columns[-1] == "Overlap, substantial from 0.1"
    rows = [[cell.text for cell in row.cells] for row in table.rows]
    assert rows[6] == ["layer3.1", "7", "0.212", "0.421", "0.586", "0.731", "0.892", "0.143"]
    assert rows[-1] == ["random features", "", "0.031", "0.143", "0.262", "0.378", "0.512", ""]
    assert [row.cells[-1].note for row in table.rows] == [""] * 6 + ["substantial"] * 3 + [""]


@pytest.mark.parametrize("study", [example.finished, example.unfinished])
def test_where_nothing_was_compared_there_is_no_plot(study: object) -> None:
    assert svcca_figure(replace(study(), svcca=Svcca())) is None  # type: ignore[operator]
