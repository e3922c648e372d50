"""Every table of the page as plain columns and rows, with the numbers that the page rounds: for CSV and JSON."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ttl.errors import RunFolderError
from ttl.report.cells import Cell
from ttl.report.page_blocks import Block, Facts, Figure, Gallery, Section, Table, row
from ttl.report.schema import read_report
from ttl.report.sections import sections_of
from ttl.words.csv_text import csv_text
from ttl.words.units import MISSING

LONGEST_NAME = 60
Value = int | float | str | None


@dataclass(frozen=True)
class Grid:
    """A table as plain values; its `name` is unique on the page, and fit for a file.

    After each column of the page come those of the ends of its intervals, its units and its notes. Numbers are
    unrounded; None is where there is nothing.
    """

    name: str
    section: str
    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Value, ...], ...]


def read_tables(run_folder: Path) -> tuple[Grid, ...]:
    """All tables of the page of a run folder, in its order.

    Raises:
        RunFolderError: there is no report.json, or it is not one that this version reads.
    """
    return grids(sections_of(read_report(run_folder), run_folder))


def write_csv(tables: Sequence[Grid], folder: Path) -> list[Path]:
    """Write a CSV file (UTF-8) for each table, under its name; what else is in the folder stays.

    Raises:
        RunFolderError: the folder can't be written.
    """
    paths = [folder / f"{table.name}.csv" for table in tables]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for table, path in zip(tables, paths, strict=True):
            path.write_text(csv_text([table.columns, *table.rows]), encoding="utf-8", newline="")
    except OSError as error:
        raise RunFolderError(
            f"The tables can't be written to {folder} ({error.strerror}): name another folder with --csv"
        ) from error
    return paths


def grids(sections: Sequence[Section]) -> tuple[Grid, ...]:
    """The tables of the sections, and those behind their figures."""
    made: list[Grid] = []
    for section in sections:
        for name, caption, table in (one for block in section.blocks for one in _tables(block, section.title)):
            slug = _slug(f"{section.anchor}-{name}")
            same = sum(re.fullmatch(rf"{re.escape(slug)}(-\d+)?", grid.name) is not None for grid in made)
            columns, rows = _plain(table)
            made.append(Grid(f"{slug}-{same + 1}" if same else slug, section.title, caption, columns, rows))
    return tuple(made)


def _tables(block: Block, title: str) -> Iterator[tuple[str, str, Table]]:
    """What it is called, its caption, and the table; nothing of blocks that hold none."""
    match block:
        case Table(caption):
            yield caption, caption, block
        case Figure(name, _, caption, _, data):
            yield name, caption, data
        case Gallery(data=data):
            yield data.caption, data.caption, data
        case Facts(pairs, own_title):
            name = own_title or title
            yield name, name, Table(name, ("Name", "Value"), tuple(row(*pair) for pair in pairs))


def _slug(text: str) -> str:
    """Lower-case words with hyphens between them: the first sentence, as far as there is room."""
    words = re.sub(r"[^a-z0-9]+", "-", text.lower().split(". ")[0]).strip("-")
    return words if len(words) <= LONGEST_NAME else words[:LONGEST_NAME].rpartition("-")[0]


def _plain(table: Table) -> tuple[tuple[str, ...], tuple[tuple[Value, ...], ...]]:
    columns: list[str] = []
    values: list[list[Value]] = []
    for title, cells in zip(table.columns, zip(*(line.cells for line in table.rows), strict=True), strict=False):
        for suffix, of in _aspects(cells):
            columns.append(f"{title}, {suffix}" if suffix and title else title or suffix or "Name")
            values.append([of(cell) for cell in cells])
    return tuple(columns), tuple(zip(*values, strict=True))


def _aspects(cells: Sequence[Cell]) -> Iterator[tuple[str, Callable[[Cell], Value]]]:
    """The columns that one column of the page becomes: what its header is given, and what a cell has there."""
    yield "", lambda cell: _finite(cell.value if cell.value is not None else cell.text)
    for part in dict.fromkeys(name for cell in cells for name, _ in cell.parts):
        yield part, lambda cell, part=part: _finite(dict(cell.parts).get(part))  # type: ignore[misc]
    if any(cell.unit for cell in cells):
        yield "unit", lambda cell: cell.unit or None
    if any(cell.note and not cell.parts for cell in cells):
        yield "note", lambda cell: None if cell.parts else "; ".join(cell.note.splitlines()) or None


def _finite(value: Value) -> Value:
    """The value; None for what is no number, and for a text that says that there is nothing."""
    if isinstance(value, str):
        return None if value in ("", MISSING) else value
    return value if value is not None and math.isfinite(value) else None
