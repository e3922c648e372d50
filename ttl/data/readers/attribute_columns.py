"""Columns of a manifest that say what a subgroup is of: sex, site, scanner."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import isfinite

from ttl.data.class_spelling import is_missing, one_spelling
from ttl.data.readers.every_frame import file_id
from ttl.data.readers.table_file import SHOWN, Table
from ttl.data.records import Records
from ttl.data.task import picked
from ttl.errors import DataError
from ttl.words.counts import counted, listed

UNKNOWN = ""
MOST_NUMBERS = 10  # different ones: beyond, they are measured and no names of subgroups
MOST_VALUES = 100  # of texts: beyond, hardly any subgroup has enough images for a figure


def attributes_of(table: Table) -> tuple[Mapping[str, tuple[str, ...]], list[str]]:
    """Column -> a value for each row, `UNKNOWN` where there is none; and notes on values that are spelled variously.

    Raises:
        DataError: a column has no value at all, or too many to be subgroups.
    """
    columns: dict[str, tuple[str, ...]] = {}
    notes: list[str] = []
    for name in table.columns["attributes"]:
        cells = [UNKNOWN if is_missing(cell) else cell for cell in table.cells[name]]
        where = f"the subgroup column {name!r}"
        one, spellings = one_spelling(filter(None, cells), where=where, what="value", letters_differ=False)
        columns[name] = tuple(one.get(cell, UNKNOWN) for cell in cells)
        notes += spellings
        _check(table, name, sorted({*columns[name]} - {UNKNOWN}))
    return columns, notes


def with_attributes(records: Records, columns: Mapping[str, tuple[str, ...]], ids: Sequence[str]) -> Records:
    """The records with their rows' attributes, and a note on those that are unknown; `ids` are of the rows' files."""
    row = {sample: i for i, sample in enumerate(ids)}
    rows = [row[file_id(*of)] for of in zip(records.ids, records.source.facts, strict=True)]
    attributes = {name: picked(cells, rows) for name, cells in columns.items()}
    unknown = {name: values.count(UNKNOWN) for name, values in attributes.items()}
    notes = [f"The {name} of {counted(number, 'image')} is unknown." for name, number in unknown.items() if number]
    return replace(records, attributes=attributes, notes=(*records.notes, *notes))


def _check(table: Table, name: str, values: list[str]) -> None:
    where = f"The subgroup column {name!r} of {table.path} has"
    if not values:
        raise DataError(f"{where} no known value: give another one, or leave it out.")
    numbers = [number for number in map(_number, values) if number is not None]
    if len(numbers) == len(values) > MOST_NUMBERS:
        raise DataError(
            f"{where} {len(values)} different numbers from {min(numbers):g} to {max(numbers):g}: give a column of bins "
            f"(as <40, 40-60, >60) of at most {MOST_NUMBERS}."
        )
    if len(values) > MOST_VALUES:
        raise DataError(
            f"{where} {len(values)} different values ({listed(map(repr, values), SHOWN)}): a subgroup needs images "
            f"enough for a figure, give a column of at most {MOST_VALUES} values."
        )


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if isfinite(number) else None
