"""What a section is made of. Plain values: the template knows how each looks, on screen and on paper."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from markupsafe import Markup

from ttl.words import units
from ttl.words.estimate import Estimate
from ttl.words.metric import Metric


@dataclass(frozen=True)
class Cell:
    """A table cell: its text, and smaller lines below it (an interval, a setting).

    Attributes:
        text: of `ttl.words.units` where it is a number, so that the number isn't lost.
        note: the smaller lines.
        raw: the number, where `text` doesn't remember it.
        parts: name -> number of what `note` tells: the ends of an interval. A column each in CSV and JSON.
    """

    text: str
    note: str = ""
    raw: float | None = None
    parts: tuple[tuple[str, float], ...] = ()


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
    """A plot, the key to its marks as (CSS class, label), and the table of what it shows.

    Attributes:
        name: unique on the page, and the name of its table as a file.
        title: above it; may be empty.
        half: two of them stand side by side where there is room.
    """

    kind: ClassVar[str] = "figure"
    name: str
    svg: Markup
    caption: str
    key: tuple[tuple[str, str], ...]
    data: Table
    title: str = ""
    half: bool = False


@dataclass(frozen=True)
class Picture:
    """An image inside the page, or in words why there is none: `uri` is empty then."""

    caption: str
    alt: str
    uri: str = ""
    note: str = ""
    missing: str = ""


@dataclass(frozen=True)
class Case:
    """Pictures that belong together, side by side."""

    name: str
    why: str
    pictures: tuple[Picture, ...]


@dataclass(frozen=True)
class Gallery:
    """Rows of pictures, the key to their colours as (`#RRGGBB`, label), and the table of their figures."""

    kind: ClassVar[str] = "gallery"
    cases: tuple[Case, ...]
    caption: str
    key: tuple[tuple[str, str], ...]
    data: Table


Block = Table | Facts | Prose | Listing | Code | Figure | Gallery


@dataclass(frozen=True)
class Section:
    """A headed part of the page; `anchor` is its id."""

    anchor: str
    title: str
    blocks: tuple[Block, ...] = field(default=())


def row(*cells: Cell | str, mark: str = "") -> Row:
    """A row from cells or plain texts."""
    return Row(tuple(cell if isinstance(cell, Cell) else Cell(cell) for cell in cells), mark)


def estimate_cell(estimate: Estimate | None, metric: Metric) -> Cell:
    """A metric's value with its interval below it."""
    if estimate is None or not estimate.known:
        return Cell(units.MISSING)
    return Cell(metric.text(estimate.value), metric.interval(estimate), parts=ends(estimate))


def ends(estimate: Estimate) -> tuple[tuple[str, float], ...]:
    """The ends of an interval as parts of a cell; nothing where there is none."""
    return (("low", estimate.low), ("high", estimate.high)) if estimate.has_interval else ()


def facts(values: Mapping[str, Any], labels: Mapping[str, str], leave_out: tuple[str, ...] = ()) -> Facts:
    """All of `values`: those with a label first, in the labels' order, then the rest under their own key."""
    known = [(label, units.plain(values[key])) for key, label in labels.items() if key in values]
    rest = [key for key in values if key not in labels and key not in leave_out]
    return Facts(tuple(known + [(key.replace("_", " "), units.plain(values[key])) for key in rest]))
