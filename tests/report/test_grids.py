"""Tables as CSV and JSON: what the page rounds is whole here."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from ttl.errors import RunFolderError
from ttl.report import Grid, RunReport, read_tables, write_csv
from ttl.report.cells import MISSING, Cell, amount, plain_cell
from ttl.report.grids import grids
from ttl.report.page_blocks import Facts, Prose, Section, Table, row
from ttl.typed import to_json
from ttl.words.units import duration, milliseconds, percent

from . import example
from .test_page import PLOTS, STUDIES


def tables(folder: Path, study: RunReport) -> dict[str, Grid]:
    example.save(folder, study)
    return {grid.name: grid for grid in read_tables(folder)}


def test_numbers_are_whole_and_ends_units_and_notes_have_columns() -> None:
    rows = (
        row(
            "a",
            Cell("0.963", "0.9 to 1.0", 0.96349, parts=(("low", 0.91), ("high", 0.99))),
            amount(4.3119, milliseconds, "ms"),
        ),
        row("b", Cell("none", "not tried"), amount(None, milliseconds, "ms")),
        row(Cell("c", "chosen"), MISSING, amount(90.5, duration, "s")),
    )
    (grid,) = grids([Section("x", "X", (Prose("no table"), Table("Of this. And that.", ("", "Score", "Time"), rows)))])
    assert (grid.name, grid.section, grid.caption) == ("x-of-this", "X", "Of this. And that.")
    assert grid.columns == (
        "Name", "note", "Score", "Score, low", "Score, high", "Score, note", "Time", "Time, unit",
    )  # fmt: skip
    assert grid.rows == (
        ("a", None, 0.96349, 0.91, 0.99, None, 4.3119, "ms"),
        ("b", None, "none", None, None, "not tried", None, None),
        ("c", "chosen", None, None, None, None, 90.5, "s"),
    )


def test_facts_are_a_table_and_equal_names_get_numbers() -> None:
    pairs = (("Share", amount(0.25512, percent)), ("Many", plain_cell((1.23456, 2))), ("None", plain_cell(())))
    facts = Facts((*pairs, ("Flag", plain_cell(True)), ("Name", plain_cell("a"))), "Of it")
    first, second = grids([Section("x", "X", (facts, facts))])
    assert (first.name, second.name) == ("x-of-it", "x-of-it-2")
    values = (("Share", 0.25512), ("Many", "[1.23456, 2]"), ("None", None), ("Flag", "yes"), ("Name", "a"))
    assert first.rows == values


@pytest.mark.parametrize("study", STUDIES)
def test_every_plot_and_every_table_of_a_study_is_a_grid(tmp_path: Path, study: Any) -> None:
    found = tables(tmp_path, study())
    json.dumps([to_json(grid) for grid in found.values()], allow_nan=False)
    assert len(found) == len(read_tables(tmp_path))  # no two have one name
    for grid in found.values():
        assert {len(line) for line in grid.rows} <= {len(grid.columns)}
    if study is example.finished:
        ends = tuple(found)
        assert all(any(name.endswith(f"-{plot}") for name in ends) for plot in PLOTS)


def test_the_card_and_a_plot_have_what_the_report_has(tmp_path: Path) -> None:
    study = example.finished()
    found = tables(tmp_path, study)
    depth = found["why-depth"]
    first = dict(zip(depth.columns, depth.rows[0], strict=True))
    auprc = study.candidates[0].val["auprc"]
    assert (first["Validation AUPRC"], first["Validation AUPRC, low"]) == (auprc.value, auprc.ci_low)
    card = next(grid for name, grid in found.items() if name.startswith("card-"))
    lines = {line[0]: dict(zip(card.columns, line, strict=True)) for line in card.rows}
    assert lines["Parameters"]["Truncated network"] == 2_782_784
    assert lines["Parameters"]["Truncated against whole"] == 2_782_784 / 11_176_512
    latency = lines["Latency, median"]
    assert (latency["Truncated network"], latency["Truncated network, unit"]) == (4.31, "ms")
    assert (latency["Truncated against whole"], latency["Truncated against whole, high"]) == (0.75, 0.78)
    matrix = found["errors-confusion-chosen"]
    assert matrix.rows[0] == ("normal", 303, 303 / 316, 13, 13 / 316, 316)


def test_mean_and_deviation_over_seeds_are_two_columns(tmp_path: Path) -> None:
    study = example.over_seeds()
    found = tables(tmp_path, study)
    candidates = next(grid for name, grid in found.items() if name.startswith("why-every-candidate"))
    line = dict(zip(candidates.columns, candidates.rows[0], strict=True))
    spread = study.over_seeds(study.candidates[0], "val")
    assert line["Val AUPRC, seeds"] == spread.mean
    assert line["Val AUPRC, seeds, standard deviation"] == spread.sd == 0.0071


def test_files_hold_the_same(tmp_path: Path) -> None:
    found = list(tables(tmp_path, example.finished()).values())
    paths = write_csv(found, tmp_path / "deep" / "tables")
    assert len(paths) == len(set(paths)) == len(found)
    with paths[0].open(encoding="utf-8", newline="") as file:
        lines = list(csv.reader(file))
    assert tuple(lines[0]) == found[0].columns
    assert lines[1] == ["" if value is None else str(value) for value in found[0].rows[0]]


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    found = list(tables(tmp_path, example.finished()).values())
    with pytest.raises(RunFolderError, match=r"file/in it \(Not a directory\): name another folder with --csv"):
        write_csv(found, tmp_path / "file" / "in it")
