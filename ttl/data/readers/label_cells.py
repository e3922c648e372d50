"""The labels of a table: classes, labels of which a cell names several, or a column of 1 and 0 for each."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from ttl.data.class_spelling import alike_words, is_missing, one_spelling
from ttl.data.readers.label_lists import label_lists, perhaps_several
from ttl.data.readers.table_file import SHOWN, Table
from ttl.data.task import MISSING, Labels
from ttl.errors import DataError
from ttl.words.counts import listed

LABEL_WORDS = {"true": 1, "yes": 1, "false": 0, "no": 0}


@dataclass(frozen=True, eq=False)
class TableLabels:
    """Class names, and labels `(rows,)` or `(rows, classes)` int64 as `Records` has them; and notes on both."""

    class_names: tuple[str, ...]
    labels: Labels
    notes: tuple[str, ...] = ()


def labels_of(table: Table) -> TableLabels:
    """What the label columns say of each row.

    Raises:
        DataError: nothing can be learned from them, or a cell of several columns is neither 1 nor 0 nor unknown.
    """
    columns = table.columns["labels"]
    if len(columns) > 1:
        return TableLabels(columns, np.array([_flags(table, column) for column in columns], np.int64).T)
    where, cells = f"the column {columns[0]!r} of {table.path.name}", table.cells[columns[0]]
    if lists := label_lists(cells):
        one, notes = one_spelling((label for own in lists.labels for label in own), where=where)
        names = tuple(_sorted(set(one.values())))
        labels = np.array([[name in {one[label] for label in own} for name in names] for own in lists.labels], np.int64)
        for name, column in zip(names, labels.T, strict=True):
            _check_several(table, f"{columns[0]}: {name}", sorted(set(map(str, column.tolist()))))
        none = f"; {listed(map(repr, lists.none), SHOWN)} means none of them" if lists.none else ""
        note = (
            f"Cells of {where} name several labels, with {lists.separator!r} between, each of which is present or not "
            f"({listed(names)}){none}."
        )
        return TableLabels(names, labels, (note, *notes))
    one, spellings = one_spelling(cells, where=where)
    names, notes = tuple(_sorted(set(one.values()))), [*spellings]
    _check_several(table, columns[0], [*names])
    if alike := alike_words(names, "classes"):
        notes.append(f"In {where}, {alike}.")
    if (joined := perhaps_several(cells)) is not None:
        notes.append(
            f"In {where}, {joined!r} is a class by itself: where it names several labels, give a column of 1 and 0 for "
            "each, by --label-column."
        )
    number = {name: position for position, name in enumerate(names)}
    return TableLabels(names, np.array([number[one[cell]] for cell in cells], np.int64), tuple(notes))


def _sorted(names: Iterable[str]) -> list[str]:
    """By the alphabet; whole numbers by their values."""
    ordered = sorted(names)
    if all(re.fullmatch(r"[+-]?[0-9]+", name) for name in ordered):
        ordered.sort(key=int)
    return ordered


def _flags(table: Table, column: str) -> list[int]:
    flags = [_flag(cell) for cell in table.cells[column]]
    if wrong := [i for i, flag in enumerate(flags) if flag is None]:
        raise DataError(
            f"The label column {column!r} of {table.path} has {table.at(wrong, column)}: "
            "with several label columns a cell is 1, 0, or empty where unknown."
        )
    values = [flag for flag in flags if flag is not None]
    _check_several(table, column, sorted({str(value) for value in values if value != MISSING}))
    return values


def _flag(cell: str) -> int | None:
    if is_missing(cell):
        return MISSING
    if cell.lower() in LABEL_WORDS:
        return LABEL_WORDS[cell.lower()]
    try:
        number = float(cell)
    except ValueError:
        return None
    return int(number) if number in (0, 1, MISSING) else None


def _check_several(table: Table, column: str, values: list[str]) -> None:
    if len(values) > 1:
        return
    only = f"only the value {values[0]!r}" if values else "no known value"
    raise DataError(
        f"The label column {column!r} of {table.path} has {only}: nothing can be learned from it; "
        "add images of another, or give other label columns."
    )
