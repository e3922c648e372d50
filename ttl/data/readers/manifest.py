"""Reads a manifest: a CSV or Parquet table that names images, with their labels or masks, groups and splits."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path

import numpy as np

from ttl.data.readers.attribute_columns import attributes_of, with_attributes
from ttl.data.readers.header_patients import against_headers, by_header
from ttl.data.readers.mask_set import MaskedImage, Matched, mask_records
from ttl.data.readers.readable import PLAIN, Checked, Reading, check_images, oddities
from ttl.data.readers.table_file import ATTRIBUTES, NO_COLUMNS, SHOWN, Columns, Table, read_table
from ttl.data.records import Records
from ttl.data.task import MISSING, Labels, picked
from ttl.errors import DataError
from ttl.words.counts import counted, listed

SPLIT_NAMES = {"train": "train training", "val": "val valid validation dev", "test": "test testing"}
SPLIT_WORDS = {word: split for split, words in SPLIT_NAMES.items() for word in words.split()}
COMPARED = ("labels", "masks", "groups", "splits", ATTRIBUTES)  # in rows of one image
LABEL_WORDS = {"true": 1, "yes": 1, "false": 0, "no": 0, "": MISSING, "nan": MISSING}


def read_manifest(path: Path, columns: Columns = NO_COLUMNS, reading: Reading = PLAIN) -> Records:
    """All images that a manifest names, in the order of their ids.

    Columns that aren't given are taken by their names, and a note says which. Cells are read as text: the
    label `01` stays `01`.

    Args:
        path: CSV (commas, semicolons or tabs) or Parquet, with one row an image.
        columns: of paths, relative to the manifest's folder or absolute; of labels: class names in one, or 1/0
            (true/false, yes/no) in several, one for each class, where empty, nan or -1 means unknown; or of masks in
            place of labels, whose class names may be in a `classes.txt` beside the manifest; and of attributes, in
            which empty, nan, unknown and the like mean that a value isn't known.

    Raises:
        DataError: no such column, cells that make no sense, or images that are missing or can't be read;
            masks that don't fit.
    """
    table, guesses = _guesses(read_table(path, columns))
    for what in ("images", "masks", "groups"):
        table.check_filled(what)
    table, repeats = _once(table)
    notes, attributes = [*guesses, *repeats], attributes_of(table)
    records = _of_masks(table, notes, reading) if table.columns["masks"] else _of_labels(table, notes, reading)
    return with_attributes(records, attributes, [name for name, _ in _places(table, "images")])


def _of_labels(table: Table, notes: list[str], reading: Reading) -> Records:
    class_names, labels = _labels(table)
    splits, groups = _splits(table), table.of("groups")
    ids, paths = zip(*_places(table, "images"), strict=True)
    checked = _checked(table, ids, paths, reading)
    good = checked.good
    torn = against_headers(checked.source.facts, picked(groups, good), _quoted(table, "groups")) if groups else []
    whose = None if groups else by_header(checked.source.facts, checked.ids)
    return Records(
        name=table.path.resolve().stem,
        class_names=class_names,
        ids=checked.ids,
        labels=labels[[*good]],
        source=checked.source,
        given=splits and picked(splits, good),
        groups=whose.groups if whose else groups and picked(groups, good),
        skipped=tuple(checked.bad),
        notes=(*notes, *checked.skipped(), *(whose.notes if whose else torn), *oddities(checked.source)),
    )


def _of_masks(table: Table, notes: list[str], reading: Reading) -> Records:
    nothing = (None,) * len(table.rows)
    images, masks = _places(table, "images"), _places(table, "masks")
    rows = zip(images, masks, _splits(table) or nothing, table.of("groups") or nothing, strict=True)
    pairs = tuple(MaskedImage(*image, *mask, split, group) for image, mask, split, group in rows)
    matched = Matched(pairs, tuple(pair.name for pair in pairs), {})
    return mask_records(table.path, matched, reading, notes, [table.path.parent], by_header=not table.columns["groups"])


def _guesses(table: Table) -> tuple[Table, list[str]]:
    """The table, less a split that only its column's name speaks for; and notes on what was guessed."""
    notes = []
    splits = set(table.of("splits") or ())
    if "splits" in table.guessed and not any(cell.lower() in SPLIT_WORDS for cell in splits):
        column = table.columns["splits"][0]
        values = listed(map(repr, sorted(splits)), SHOWN)
        notes.append(f"The column {column!r} ({values}) says nothing of train, val or test: ignored.")
        table = replace(table, columns={**table.columns, "splits": ()}, guessed=table.guessed - {"splits"})
    if table.guessed:
        taken = listed(f"{table.columns[what][0]!r} for {what}" for what in sorted(table.guessed))
        notes.append(f"Columns taken by their names: {taken}.")
    return table, notes


def _places(table: Table, what: str) -> list[tuple[str, Path]]:
    """Path and id of each image or mask: the id is relative to the manifest's folder, if the path is in it."""
    folder = Path(os.path.abspath(table.path.parent))
    places = []
    for cell in table.of(what) or ():
        path = Path(os.path.normpath(folder / cell))
        name = path.relative_to(folder) if path.is_relative_to(folder) else Path(os.path.normpath(cell))
        places.append((name.as_posix(), path))
    return places


def _once(table: Table) -> tuple[Table, list[str]]:
    """The first row of each image, in the order of the ids; and a note on the others."""
    places = _places(table, "images")
    compared = [column for what in COMPARED for column in table.columns[what]]
    first: dict[Path, int] = {}
    for i, (name, path) in enumerate(places):
        j = first.setdefault(path, i)
        for column in compared:
            if table.cells[column][i] != table.cells[column][j]:
                raise DataError(
                    f"The manifest {table.path} names the image {name} twice, with different {column!r}: "
                    f"{table.at((j, i), column)}: keep the right one."
                )
    repeated = len(places) - len(first)
    notes = [f"{counted(repeated, 'row')} of {len(places)} repeated from above: ignored."] if repeated else []
    return table.pick(sorted(first.values(), key=lambda i: places[i][0])), notes


def _labels(table: Table) -> tuple[tuple[str, ...], Labels]:
    columns = table.columns["labels"]
    if len(columns) > 1:
        return columns, np.array([_flags(table, column) for column in columns], np.int64).T
    table.check_filled("labels")
    values = table.cells[columns[0]]
    names = sorted(set(values))
    if all(re.fullmatch(r"[+-]?[0-9]+", name) for name in names):
        names.sort(key=int)
    _check_several(table, columns[0], names)
    number = {name: position for position, name in enumerate(names)}
    return tuple(names), np.array([number[value] for value in values], np.int64)


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


def _quoted(table: Table, what: str) -> str:
    return f"the column {table.columns[what][0]!r}"


def _splits(table: Table) -> tuple[str, ...] | None:
    cells = table.of("splits")
    if cells is None:
        return None
    if wrong := [i for i, cell in enumerate(cells) if cell.lower() not in SPLIT_WORDS]:
        column = table.columns["splits"][0]
        raise DataError(
            f"The split column {column!r} of {table.path} has {table.at(wrong, column)}: train, val or test is needed."
        )
    return tuple(SPLIT_WORDS[cell.lower()] for cell in cells)


def _checked(table: Table, ids: tuple[str, ...], paths: tuple[Path, ...], reading: Reading) -> Checked:
    absent = [i for i, path in enumerate(paths) if not path.is_file()]
    where = table.at(absent, table.columns["images"][0])
    _check_bad(table, len(absent), reading, f"found, from the manifest's folder on: {where}: correct")
    checked = check_images(ids, paths, reading)
    reasons = listed(f"{Path(name).name} ({why})" for name, why in checked.bad.items())
    _check_bad(table, len(checked.bad), reading, f"read: {reasons}: repair or remove")
    return checked


def _check_bad(table: Table, bad: int, reading: Reading, what: str) -> None:
    total = len(table.rows)
    if bad == total:
        raise DataError(f"None of the {counted(total, 'image')} in {table.path} can be {what} them.")
    if bad and not reading.skip_bad:
        raise DataError(
            f"{bad} of {counted(total, 'image')} in {table.path} can't be {what} them, "
            "or go on without them with --skip-bad."
        )
