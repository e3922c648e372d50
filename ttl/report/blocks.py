"""What a section is made of. Plain values: the template knows how each looks, on screen and on paper."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from markupsafe import Markup

from ttl.report import units
from ttl.report.reading import Estimate


@dataclass(frozen=True)
class Cell:
    """A table cell: its text, and a smaller line below it (an interval, a setting)."""

    text: str
    note: str = ""


@dataclass(frozen=True)
class Row:
    """A table row; `mark` is a CSS class (`chosen`, `full`)."""

    cells: tuple[Cell, ...]
    mark: str = ""


@dataclass(frozen=True)
class Table:
    """A table; the first `n_text` columns are text, the rest numbers set to the right. May be folded away."""

    kind: ClassVar[str] = "table"
    caption: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    n_text: int = 1
    folded: bool = False


@dataclass(frozen=True)
class Facts:
    """Name and value, one pair a line, under an optional title."""

    kind: ClassVar[str] = "facts"
    pairs: tuple[tuple[str, str], ...]
    title: str = ""


@dataclass(frozen=True)
class Prose:
    """A paragraph."""

    kind: ClassVar[str] = "prose"
    text: str


@dataclass(frozen=True)
class Listing:
    """A list of sentences or names; may be folded away under a summary."""

    kind: ClassVar[str] = "listing"
    lines: tuple[str, ...]
    summary: str = ""


@dataclass(frozen=True)
class Code:
    """A command to type, verbatim."""

    kind: ClassVar[str] = "code"
    text: str


@dataclass(frozen=True)
class Figure:
    """A plot, the key to its marks as (CSS class, label), and the table of what it shows."""

    kind: ClassVar[str] = "figure"
    svg: Markup
    caption: str
    key: tuple[tuple[str, str], ...]
    data: Table


Block = Table | Facts | Prose | Listing | Code | Figure


@dataclass(frozen=True)
class Section:
    """A headed part of the page; `anchor` is its id."""

    anchor: str
    title: str
    blocks: tuple[Block, ...] = field(default=())


def row(*cells: Cell | str, mark: str = "") -> Row:
    """A row from cells or plain texts."""
    return Row(tuple(cell if isinstance(cell, Cell) else Cell(cell) for cell in cells), mark)


def estimate_cell(estimate: Estimate | None) -> Cell:
    """A metric with its interval below it."""
    if estimate is None or not estimate.known:
        return Cell(units.MISSING)
    interval = f"{units.score(estimate.low)} to {units.score(estimate.high)}" if estimate.has_interval else ""
    return Cell(units.score(estimate.value), interval)


def facts(values: Mapping[str, Any], labels: Mapping[str, str], leave_out: tuple[str, ...] = ()) -> Facts:
    """All of `values`: those with a label first, in the labels' order, then the rest under their own key."""
    known = [(label, units.plain(values[key])) for key, label in labels.items() if key in values]
    rest = [key for key in values if key not in labels and key not in leave_out]
    return Facts(tuple(known + [(key.replace("_", " "), units.plain(values[key])) for key in rest]))
