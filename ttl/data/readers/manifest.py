"""Reads a manifest: a CSV or Parquet table that names images, with their labels or masks, groups and splits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ttl.data.modality.mask_union import MaskFile
from ttl.data.readers.attribute_columns import attributes_of, with_attributes
from ttl.data.readers.header_patients import against_headers, by_header
from ttl.data.readers.identity import grouped, unknown_patients
from ttl.data.readers.identity_columns import is_of_persons
from ttl.data.readers.image_places import is_there, places, remedy_for
from ttl.data.readers.label_cells import labels_of
from ttl.data.readers.mask_match import MaskedImage, Matched
from ttl.data.readers.mask_set import mask_records
from ttl.data.readers.readable import PLAIN, Checked, Reading, check_images, oddities, reasons
from ttl.data.readers.split_words import split_meant
from ttl.data.readers.table_file import ATTRIBUTES, NO_COLUMNS, SHOWN, Columns, Table, read_table
from ttl.data.records import Records
from ttl.data.task import picked
from ttl.errors import DataError
from ttl.words.counts import counted, listed

COMPARED = ("labels", "masks", "groups", "splits", ATTRIBUTES)  # in rows of one image


def read_manifest(path: Path, columns: Columns = NO_COLUMNS, reading: Reading = PLAIN) -> Records:
    """All images that a manifest names, in the order of their ids.

    Columns that aren't given are taken by their names, and a note says which. Cells are read as text: the
    label `01` stays `01`. Spellings of a class that differ in form alone are one, see `class_spelling`.

    Args:
        path: CSV (commas, semicolons or tabs) or Parquet, with one row an image.
        columns: of paths, relative to the manifest's folder (or to `columns.root`) or absolute; of labels: class names
            in one, or several of them in a cell (`Mass|Nodule`), or 1/0 (true/false, yes/no) in several columns, one
            for each class, where empty, nan or -1 means unknown; or of masks in place of labels, whose class names may
            be in a `classes.txt` beside the manifest; and of attributes, in which empty, nan, unknown and the like mean
            that a value isn't known. Without a column of patients the headers of DICOM files say whose images they are.

    Raises:
        DataError: no such column, cells that make no sense, rows without a label, or images that are missing or can't
            be read (but for those that are skipped); masks that don't fit.
    """
    table, notes = _guesses(read_table(path, columns))
    table.check_filled("images")
    table, unlabelled, without = _labelled(table, reading)
    table, repeats = _once(table)
    attributes, spellings = attributes_of(table)
    notes += [*without, *repeats, *spellings]
    read = _of_masks if table.columns["masks"] else _of_labels
    records = read(table, notes, reading)
    if not (attributes or unlabelled):
        return records
    named = [name for name, _ in places(table, "images")]
    skipped = (*records.skipped, *sorted({*unlabelled} - {*named}))
    return with_attributes(replace(records, skipped=skipped), attributes, named)


def _of_labels(table: Table, notes: list[str], reading: Reading) -> Records:
    of_rows, splits = labels_of(table), _splits(table)
    ids, paths = zip(*places(table, "images"), strict=True)
    checked = _checked(table, ids, paths, reading)
    good = checked.good
    groups, unknown, of_patients = _patients(table, ids, checked)
    return Records(
        name=table.path.resolve().stem,
        class_names=of_rows.class_names,
        ids=checked.ids,
        labels=of_rows.labels[[*good]],
        source=checked.source,
        given=splits and picked(splits, good),
        groups=groups,
        unknown_patients=unknown,
        skipped=tuple(checked.bad),
        notes=(*notes, *of_rows.notes, *of_patients, *checked.skipped(), *oddities(checked.source)),
    )


def _patients(
    table: Table, ids: Sequence[str], checked: Checked
) -> tuple[tuple[str, ...] | None, frozenset[str], Sequence[str]]:
    """Groups of the images that can be read, the ids of those whose patient isn't known, and notes.

    By the column, else by the headers. Frames of a file whose patient isn't known are one group: `ids` are the files'.
    """
    cells, notes = table.of("groups"), list[str]()
    if cells is not None:
        known, column = picked(cells, checked.good), _quoted(table, "groups")
        groups, notes = grouped(known, [ids[i] for i in checked.good], where=column)
        notes += _doubts(table, cells)
        if groups:
            torn = against_headers(checked.source.facts, groups, column)
            return groups, unknown_patients(known, checked.ids), [*notes, *torn]
    whose = by_header(checked.source.facts, checked.ids)
    return whose.groups, whose.unknown, [*notes, *whose.notes]


def _of_masks(table: Table, notes: list[str], reading: Reading) -> Records:
    nothing, cells = (None,) * len(table.rows), table.of("groups")
    images, masks = places(table, "images"), places(table, "masks")
    ids, groups = [name for name, _ in images], None
    if cells is not None:
        groups, of_patients = grouped(cells, ids, where=f"the column {table.columns['groups'][0]!r}")
        notes = [*notes, *of_patients, *_doubts(table, cells)]
    rows = zip(images, masks, _splits(table) or nothing, groups or nothing, strict=True)
    pairs = tuple(MaskedImage(*image, (MaskFile(*mask),), split, group) for image, mask, split, group in rows)
    matched = Matched(pairs, tuple(ids), {})
    records = mask_records(table.path, matched, reading, notes, [table.path.parent], by_header=cells is None)
    return records if cells is None else replace(records, unknown_patients=unknown_patients(cells, ids))


def _doubts(table: Table, cells: Sequence[str]) -> list[str]:
    """Notes on a column of patients that may say something else."""
    column = table.columns["groups"][0]
    if not any(cells):
        return [f"The column {column!r} names no patient: it is empty, or holds marks of missing values alone."]
    if "groups" in table.guessed and not is_of_persons(column):
        return [f"The column {column!r} may have several values for one patient: --group-column names another one."]
    return []


def _guesses(table: Table) -> tuple[Table, list[str]]:
    """The table, less a split that only its column's name speaks for; and notes on what was guessed."""
    notes = []
    splits = set(table.of("splits") or ())
    if "splits" in table.guessed and not any(map(split_meant, splits)):
        column = table.columns["splits"][0]
        values = listed(map(repr, sorted(splits)), SHOWN)
        notes.append(f"The column {column!r} ({values}) says nothing of train, val or test: ignored.")
        table = replace(table, columns={**table.columns, "splits": ()}, guessed=table.guessed - {"splits"})
    if table.guessed:
        taken = listed(f"{table.columns[what][0]!r} for {what}" for what in sorted(table.guessed))
        notes.append(f"Columns taken by their names: {taken}.")
    if table.repeated:
        columns = listed(map(repr, table.repeated), SHOWN)
        notes.append(
            f"Not used: {columns}, whose values repeat as those of patients do; where images of one value belong "
            f"together, give --group-column {table.repeated[0]}."
        )
    return table, notes


def _labelled(table: Table, reading: Reading) -> tuple[Table, Sequence[str], list[str]]:
    """The table, less the rows without a label or mask if those are to be skipped; the ids of these, and a note."""
    several = len(table.columns["labels"]) > 1
    what = "masks" if table.columns["masks"] else "labels"
    empty = [] if several else table.missing(what)
    if not empty:
        return table, (), []
    if not reading.skip_bad or len(empty) == len(table.rows):
        table.check_filled(what, way_on=", or go on without them with --skip-bad")
    note = f"{counted(len(empty), 'row')} without a label skipped: {table.at(empty, table.columns[what][0])}."
    without = table.pick(sorted(set(range(len(table.rows))) - set(empty)))
    return without, [name for name, _ in places(table.pick(empty), "images")], [note]


def _once(table: Table) -> tuple[Table, list[str]]:
    """The first row of each image, in the order of the ids; and a note on the others."""
    named = places(table, "images")
    compared = [column for what in COMPARED for column in table.columns[what]]
    first: dict[Path, int] = {}
    for i, (name, path) in enumerate(named):
        j = first.setdefault(path, i)
        for column in compared:
            if table.cells[column][i] != table.cells[column][j]:
                raise DataError(
                    f"The manifest {table.path} names the image {name} twice, with different {column!r}: "
                    f"{table.at((j, i), column)}: keep the right one."
                )
    repeated = len(named) - len(first)
    notes = [f"{counted(repeated, 'row')} of {len(named)} repeated from above: ignored."] if repeated else []
    return table.pick(sorted(first.values(), key=lambda i: named[i][0])), notes


def _quoted(table: Table, what: str) -> str:
    return f"the column {table.columns[what][0]!r}"


def _splits(table: Table) -> tuple[str, ...] | None:
    cells = table.of("splits")
    if cells is None:
        return None
    if wrong := [i for i, cell in enumerate(cells) if split_meant(cell) is None]:
        column = table.columns["splits"][0]
        raise DataError(
            f"The split column {column!r} of {table.path} has {table.at(wrong, column)}: train, val or test is needed."
        )
    return tuple(filter(None, map(split_meant, cells)))


def _checked(table: Table, ids: tuple[str, ...], paths: tuple[Path, ...], reading: Reading) -> Checked:
    absent = [i for i, path in enumerate(paths) if not is_there(path)]
    if absent:
        where, remedy = table.at(absent, table.columns["images"][0]), remedy_for(table, "images", absent)
        _check_bad(table, len(absent), reading, f"found, from {_start(table)} on: {where}", remedy)
    checked = check_images(ids, paths, reading)
    _check_bad(table, len(checked.bad), reading, f"read: {reasons(checked.bad)}", "repair or remove them")
    return checked


def _start(table: Table) -> str:
    return "the manifest's folder" if table.root == table.path.parent else str(table.root)


def _check_bad(table: Table, bad: int, reading: Reading, what: str, remedy: str) -> None:
    total = len(table.rows)
    if bad == total:
        raise DataError(f"None of the {counted(total, 'image')} in {table.path} can be {what}: {remedy}.")
    if bad and not reading.skip_bad:
        raise DataError(
            f"{bad} of {counted(total, 'image')} in {table.path} can't be {what}: {remedy}, "
            "or go on without them with --skip-bad."
        )
