"""What a section is made of. Plain values: the template knows how each looks, on screen and on paper."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from ttl.report.cells import Cell

PLOTTED = "Data of this plot"
"""The caption of the table behind a plot."""


class Block:
    """A part of a section."""

    @property
    def kind(self) -> str:
        """The macro of the template that shows it."""
        return type(self).__name__.lower()


@dataclass(frozen=True)
class Row:
    """A table row; `mark` is a CSS class (`chosen`, `full`)."""

    cells: tuple[Cell, ...]
    mark: str = ""


@dataclass(frozen=True)
class Table(Block):
    """A table; the first `n_text` columns are text, the rest numbers set to the right. May be folded away."""

    caption: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    n_text: int = 1
    folded: bool = False


@dataclass(frozen=True)
class Facts(Block):
    """Name and value, one pair a line, under an optional title."""

    pairs: tuple[tuple[str, Cell], ...]
    title: str = ""


@dataclass(frozen=True)
class Tile:
    """One figure of a few: `value` large under its title, its interval as a `note`, and what it compares to."""

    title: str
    value: str
    note: str = ""
    beside: str = ""

    def line(self) -> str:
        """The same for a terminal."""
        note = f" ({self.note})" if self.note else ""
        return f"{self.title}: {self.value}{note}{', ' if self.beside else ''}{self.beside}"


@dataclass(frozen=True)
class Prose(Block):
    """A paragraph."""

    text: str


@dataclass(frozen=True)
class Listing(Block):
    """A list of sentences or names; may be folded away under a summary."""

    lines: tuple[str, ...]
    summary: str = ""


@dataclass(frozen=True)
class Code(Block):
    """A command to type, verbatim."""

    text: str


@dataclass(frozen=True)
class Figure(Block):
    """A plot, the key to its marks as (CSS class, label), and the table of what it shows.

    `name` is unique on the page, and the name of its table as a file. Two that are `half` stand side by side.
    """

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
class Gallery(Block):
    """Rows of pictures, the key to their colours as (`#RRGGBB`, label), and the table of their figures."""

    cases: tuple[Case, ...]
    caption: str
    key: tuple[tuple[str, str], ...]
    data: Table


@dataclass(frozen=True)
class Section:
    """A headed part of the page; `anchor` is its id."""

    anchor: str
    title: str
    blocks: tuple[Block, ...]


def row(*cells: Cell | str, mark: str = "") -> Row:
    """A row from cells or plain texts."""
    return Row(tuple(cell if isinstance(cell, Cell) else Cell(cell) for cell in cells), mark)
