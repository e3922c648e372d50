"""Rows as CSV that a spreadsheet shows and doesn't compute."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable

FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a cell begins with that spreadsheets take for a formula, where it is no number."""
AS_TEXT = "'"
"""Before such a cell: it makes a text of it."""


def csv_text(rows: Iterable[Iterable[object]]) -> str:
    """The rows, a line each; names of files, classes and patients that would be formulas begin with an apostrophe."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([as_cell(value) for value in row] for row in rows)
    return text.getvalue()


def as_cell(value: object) -> object:
    """A value as it is written; numbers stay what they are."""
    if isinstance(value, str) and value.lstrip(AS_TEXT).startswith(FORMULA) and not _is_number(value):
        return AS_TEXT + value
    return value


def from_cell(cell: str) -> str:
    """The text that `as_cell` wrote."""
    return cell[1:] if cell.startswith(AS_TEXT) and cell.lstrip(AS_TEXT).startswith(FORMULA) else cell


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
