"""Reads a manifest: a CSV or Parquet table that names images, with their labels or masks, groups and splits."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ttl.data.check import Progress, check_images, oddities, skipped
from ttl.data.dicom import Window
from ttl.data.image import Facts
from ttl.data.mask_classes import read_class_names
from ttl.data.mask_set import check_masks, to_records
from ttl.data.matching import MaskedImage, Matched
from ttl.data.records import Records
from ttl.data.sources import FileSource
from ttl.data.table import SHOWN, Table, read_table
from ttl.data.task import MISSING, Labels
from ttl.errors import DataError
from ttl.words.counts import counted, listed

SPLIT_WORDS = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "dev": "val",
    "test": "test",
    "testing": "test",
}
LABEL_WORDS = {"true": 1, "yes": 1, "false": 0, "no": 0, "": MISSING, "nan": MISSING}


def read_manifest(
    path: Path,
    *,
    image_column: str | None = None,
    label_columns: Sequence[str] = (),
    mask_column: str | None = None,
    group_column: str | None = None,
    split_column: str | None = None,
    window: Window | None = None,
    skip_bad: bool = False,
    on_progress: Progress | None = None,
) -> Records:
    """All images that a manifest names, in the order of their ids.

    Columns that aren't given are taken by their names, and a note says which. Cells are read as text: the
    label `01` stays `01`. Splits may also be called training, valid, validation, dev and testing.

    Args:
        path: CSV (commas, semicolons or tabs) or Parquet, with one row an image.
        image_column: paths, relative to the manifest's folder or absolute.
        label_columns: one, of class names; or several of 1/0 (true/false, yes/no), one for each class, where
            empty, nan or -1 means unknown.
        mask_column: paths of masks, as of images; in place of labels. Class names may be in a `classes.txt` beside
            the manifest.
        group_column: what must not be torn apart (the patient).
        split_column: train, val or test.
        window: centre and width of the values of DICOM files, in place of their own.
        skip_bad: leave out the images that are missing or can't be read, or whose masks don't fit, instead of
            refusing the data.
        on_progress: called with how many images are checked, and of how many.

    Returns:
        records whose labels are `(n,)`, or with several label columns `(n, classes)` of 1, 0 and -1 (unknown),
        with masks of 1 and 0: whether the class is in the mask.

    Raises:
        DataError: no such column, cells that make no sense, or images that are missing or can't be read;
            masks that don't fit.
    """
    given = {"images": image_column, "masks": mask_column, "groups": group_column, "splits": split_column}
    columns = {what: () if name is None else (name,) for what, name in given.items()}
    table, guesses = _guesses(read_table(path, columns | {"labels": tuple(label_columns)}))
    for what in ("images", "masks", "groups"):
        table.check_filled(what)
    table, repeats = _once(table)
    if table.columns["masks"]:
        return _with_masks(table, [*guesses, *repeats], window, skip_bad, on_progress)
    class_names, labels = _labels(table)
    splits = _splits(table)
    places = _places(table)
    checked = _check_all(table, [full for _, full in places], skip_bad, on_progress, window)
    bad = {places[i][0]: told for i, told in enumerate(checked) if isinstance(told, str)}
    good = [i for i, told in enumerate(checked) if isinstance(told, Facts)]
    facts = tuple(told for told in checked if isinstance(told, Facts))
    return Records(
        name=path.resolve().stem,
        class_names=class_names,
        ids=tuple(places[i][0] for i in good),
        labels=labels[good],
        source=FileSource(tuple(places[i][1] for i in good), facts, window),
        given=_picked(splits, good),
        groups=_picked(table.of("groups"), good),
        skipped=tuple(bad),
        notes=(*guesses, *repeats, *skipped(bad), *oddities(facts, window)),
    )


def _with_masks(
    table: Table, notes: list[str], window: Window | None, skip_bad: bool, on_progress: Progress | None
) -> Records:
    images, groups = _places(table), table.of("groups")
    splits = _splits(table) or (None,) * len(images)
    told = zip(images, _places(table, "masks"), splits, strict=True)
    pairs = tuple(MaskedImage(*image, *mask, split) for image, mask, split in told)
    matched = Matched(pairs, tuple(pair.name for pair in pairs))
    checked = check_masks(str(table.path), matched, window, skip_bad, on_progress)
    skipped = set(checked.skipped)
    good = [i for i, name in enumerate(matched.ids) if name not in skipped]
    declared = read_class_names([table.path.parent])
    return to_records(table.path.resolve().stem, checked, declared, _picked(groups, good), notes, window)


def _picked(values: tuple[str, ...] | None, chosen: Sequence[int]) -> tuple[str, ...] | None:
    return None if values is None else tuple(values[i] for i in chosen)


def _guesses(table: Table) -> tuple[Table, list[str]]:
    """The table, less a split that only its column's name speaks for; and notes on what was guessed."""
    notes = []
    splits = set(table.of("splits") or ())
    if "splits" in table.guessed and not any(cell.lower() in SPLIT_WORDS for cell in splits):
        column = table.columns["splits"][0]
        values = listed(map(repr, sorted(splits)), SHOWN)
        notes.append(f"The column {column!r} ({values}) says nothing of train, val or test: ignored.")
        table = table.without("splits")
    if table.guessed:
        taken = listed(f"{table.columns[what][0]!r} for {what}" for what in sorted(table.guessed))
        notes.append(f"Columns taken by their names: {taken}.")
    return table, notes


def _places(table: Table, what: str = "images") -> list[tuple[str, Path]]:
    """The id of each image or mask, and its path.

    The id is relative to the manifest's folder, unless an absolute path leads elsewhere.
    """
    folder = Path(os.path.abspath(table.path.parent))
    places = []
    for cell in table.of(what) or ():
        path = Path(os.path.normpath(folder / cell))
        name = path.relative_to(folder) if path.is_relative_to(folder) else Path(os.path.normpath(cell))
        places.append((name.as_posix(), path))
    return places


def _once(table: Table) -> tuple[Table, list[str]]:
    """The first row of each image, in the order of the ids; and a note on the others."""
    places = _places(table)
    told = [column for what in ("labels", "masks", "groups", "splits") for column in table.columns[what]]
    first: dict[Path, int] = {}
    for i, (name, path) in enumerate(places):
        j = first.setdefault(path, i)
        for column in told:
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
    known = [flag for flag in flags if flag is not None]
    _check_several(table, column, sorted({str(flag) for flag in known} - {str(MISSING)}))
    return known


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
    found = f"only the value {values[0]!r}" if values else "no known value"
    raise DataError(
        f"The label column {column!r} of {table.path} has {found}: nothing can be learned from it; "
        "add images of another, or give other label columns."
    )


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


def _check_all(
    table: Table, paths: list[Path], skip_bad: bool, on_progress: Progress | None, window: Window | None
) -> list[Facts | str]:
    absent = [i for i, path in enumerate(paths) if not path.is_file()]
    where = table.at(absent, table.columns["images"][0])
    _check_bad(table, len(absent), skip_bad, f"found, from the manifest's folder on: {where}: correct")
    checked = check_images(paths, on_progress, window)
    reasons = [f"{path.name} ({told})" for path, told in zip(paths, checked, strict=True) if isinstance(told, str)]
    _check_bad(table, len(reasons), skip_bad, f"read: {listed(reasons)}: repair or remove")
    return checked


def _check_bad(table: Table, bad: int, skip_bad: bool, what: str) -> None:
    total = len(table.rows)
    if bad == total:
        raise DataError(f"None of the {counted(total, 'image')} in {table.path} can be {what} them.")
    if bad and not skip_bad:
        raise DataError(
            f"{bad} of {counted(total, 'image')} in {table.path} can't be {what} them, "
            "or go on without them with --skip-bad."
        )
