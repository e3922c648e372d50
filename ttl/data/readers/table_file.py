"""A manifest's columns by what they hold."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ttl.data.class_spelling import is_missing
from ttl.data.readers.identity import patient_name
from ttl.data.readers.identity_columns import identity_column, repeated_ids
from ttl.data.readers.table_text import read_text, unreadable
from ttl.data.readers.walk import has_image_name
from ttl.data.task import picked
from ttl.errors import DataError
from ttl.words.counts import counted, listed
from ttl.words.text import printable

if TYPE_CHECKING:
    import pandas as pd

# What columns are called, the likeliest first, in small letters and without what is neither letter nor digit:
# `File Name` is `filename`. Of the column of groups see `identity_columns`.
NAMES = {
    "images": (
        "image", "path", "file", "filename", "filepath", "imagepath", "images", "imagename", "imagefile", "imageid",
        "imageindex", "img", "imgpath",
    ),
    "labels": (
        "label", "class", "target", "diagnosis", "labels", "classname", "category", "findinglabels", "findings", "dx",
    ),
    "masks": ("mask", "maskpath", "segmentation", "seg"),
    "splits": ("split", "set", "fold", "partition"),
}  # fmt: skip
ATTRIBUTES = "attributes"  # what has no usual names
NEEDED = {"images": "--image-column", "labels": "--label-column"}
SHOWN = 3  # rows that a message names
CALLED = 4  # usual names of a column, likewise


@dataclass(frozen=True)
class Columns:
    """Which columns of a manifest hold what; None where it has a usual name."""

    image: str | None = None
    labels: tuple[str, ...] = ()  # one of class names, or several of 1 and 0: a class each
    group: str | None = None
    split: str | None = None
    mask: str | None = None  # in place of labels
    attributes: tuple[str, ...] = ()  # what subgroups are of; a group or split column may be one too
    root: Path | None = None  # the folder that paths start from; by default the manifest's
    suffix: str = ""  # of the names of images and masks that have none

    def by_content(self) -> dict[str, tuple[str, ...]]:
        """The names by what `NAMES` calls it."""
        single = {"images": self.image, "masks": self.mask, "groups": self.group, "splits": self.split}
        parts = {what: () if name is None else (name,) for what, name in single.items()}
        return {**parts, "labels": self.labels, ATTRIBUTES: tuple(dict.fromkeys(self.attributes))}


NO_COLUMNS = Columns()


@dataclass(frozen=True)
class Table:
    """The columns of a manifest that say something."""

    path: Path
    rows: tuple[int, ...]  # the number of each row, the header of a CSV being row 1
    cells: Mapping[str, tuple[str, ...]]  # column -> values, without spaces around them
    columns: Mapping[str, tuple[str, ...]]
    """Their names by what they hold, see `NAMES` and `ATTRIBUTES`; several of labels and attributes at most, and none
    of labels where there is one of masks."""
    guessed: frozenset[str]  # what of these has its column by that one's name
    root: Path  # the folder that paths start from
    suffix: str = ""  # of the names of images and masks that have none
    repeated: tuple[str, ...] = ()  # columns without a use whose values repeat as those of patients do

    def of(self, what: str) -> tuple[str, ...] | None:
        """The values of the first column of `what`; None where there is none."""
        return self.cells[self.columns[what][0]] if self.columns[what] else None

    def pick(self, chosen: Sequence[int]) -> Table:
        """These rows alone, in this order."""
        cells = {name: picked(values, chosen) for name, values in self.cells.items()}
        return replace(self, cells=cells, rows=picked(self.rows, chosen))

    def at(self, positions: Iterable[int], column: str) -> str:
        """`row 3 ('x'), row 7 ('y') and 2 more`."""
        return listed((f"row {self.rows[i]} ({self.cells[column][i]!r})" for i in positions), SHOWN)

    def missing(self, what: str) -> list[int]:
        """The positions of the rows without a value in the first column of `what`."""
        return [i for i, cell in enumerate(self.of(what) or ()) if is_missing(cell)]

    def check_filled(self, what: str, *, way_on: str = "") -> None:
        """Refuses rows without a value in the column of `what`; `way_on` is what else can be done about them."""
        if empty := self.missing(what):
            column = self.columns[what][0]
            raise DataError(
                f"The column {column!r} of {self.path}, for {what}, has no value in {counted(len(empty), 'row')}, "
                f"{self.at(empty, column)}: fill them in, or remove these rows{way_on}."
            )


def read_table(path: Path, columns: Columns, *, labelled: bool = True) -> Table:
    """A manifest's columns of images, labels or masks, groups, splits and attributes.

    Those that are given, the others by their names; attributes are given only. Of one that isn't `labelled` the columns
    of images and groups.

    Raises:
        DataError: it can't be read, has no rows, or hasn't these columns.
    """
    text, given = read_text(path), columns.by_content()
    frame = text.frame
    texts = {str(name): _texts(frame[name]) for name in frame.columns}
    cells = {name: values for name, values in texts.items() if not isinstance(values, str)}
    names = _columns(path, [*texts], cells, given, labelled)
    used = {name for part in names.values() for name in part}
    for name in used - cells.keys():
        raise DataError(
            f"The column {name!r} of {path} holds {texts[name]} and not text: save images as files and give their "
            "paths, and one label a column."
        )
    for name in names["groups"]:
        known = {cell: patient_name(cell) for cell in set(cells[name])}
        cells[name] = tuple(known[cell] for cell in cells[name])
    pathless = (name for what, part in names.items() if what not in ("images", "masks") for name in part)
    if text.not_utf8 and any(map(_has_bytes, (*cells, *(cell for name in pathless for cell in cells[name])))):
        raise unreadable(path, text.not_utf8)
    idle = {name: values for name, values in cells.items() if name not in used}
    groups = cells[names["groups"][0]] if names["groups"] else None
    return Table(
        path=path,
        rows=tuple(frame.index),
        cells={name: cells[name] for name in used},
        columns=names,
        guessed=frozenset(what for what, part in names.items() if part and not given[what]),
        root=path.parent if columns.root is None else columns.root,
        suffix=columns.suffix,
        repeated=tuple(repeated_ids(idle, groups)),
    )


def _has_bytes(text: str) -> bool:
    """Whether a text holds bytes that aren't UTF-8."""
    return printable(text) != text


def _texts(column: pd.Series[Any]) -> tuple[str, ...] | str:
    """A column of any type as text, or the type that it can't be of; whole numbers lose the `.0` that gaps bring."""
    values = column.astype(object).where(column.notna(), "").tolist()
    for value in values:
        if isinstance(value, bytes | dict | list | np.ndarray):
            return type(value).__name__
    texts = (str(int(v)) if isinstance(v, float) and v.is_integer() else str(v) for v in values)
    return tuple(text.strip() for text in texts)


def _columns(
    path: Path,
    names: Sequence[str],
    cells: Mapping[str, Sequence[str]],
    given: Mapping[str, tuple[str, ...]],
    labelled: bool,
) -> Mapping[str, tuple[str, ...]]:
    """The columns that are given, and the others by their names."""
    times = Counter(name for what, part in given.items() if what != ATTRIBUTES for name in part)
    for name in (*times, *given[ATTRIBUTES]):
        if name not in names:
            small = {own.lower(): own for own in names}
            near = [small[own] for own in get_close_matches(name.lower(), small, SHOWN, 0.5)]
            hint = f"did you mean {' or '.join(map(repr, near))}?" if near else f"it has {listed(map(repr, names))}."
            raise DataError(f"The manifest {path} has no column {name!r}: {hint}")
    if twice := [name for name in times if times[name] > 1]:
        raise DataError(f"The column {twice[0]!r} of {path} is given twice: each column can be one thing only.")
    free = [name for name in names if name not in times]
    columns = {what: given[what] or _by_name(path, free, what) for what in NAMES}
    if given["masks"] and given["labels"]:
        raise DataError(
            f"Both labels and masks are given of {path}: a task is learned from one of them, leave one out."
        )
    # What is learned from is guessed once: a mask beside a label is no part of the task.
    unwanted = "labels" if given["masks"] or (columns["masks"] and not columns["labels"]) else "masks"
    columns |= dict.fromkeys((unwanted,) if labelled else ("labels", "masks", "splits"), ())
    taken = {name for part in columns.values() for name in part}
    found = (
        None
        if given["groups"]
        else identity_column({name: cells[name] for name in free if name in cells.keys() - taken})
    )
    columns["groups"] = given["groups"] or ((found,) if found is not None else ())
    for what in ("images", "labels", "masks"):
        if both := [name for name in given[ATTRIBUTES] if name in columns[what]]:
            raise DataError(
                f"The column {both[0]!r} of {path} holds the {what}, which no subgroup is of: leave out "
                f"--subgroup-column {both[0]}."
            )
    columns[ATTRIBUTES] = given[ATTRIBUTES]
    for what, option in NEEDED.items():
        if not columns[what] and what != unwanted and (labelled or what == "images"):
            raise DataError(_none_of(path, names, what, option))
    return columns


def _by_name(path: Path, names: Sequence[str], what: str) -> tuple[str, ...]:
    """The column with the first of the usual names of `what`.

    Raises:
        DataError: two columns have it, in other letters.
    """
    small: dict[str, list[str]] = {}
    for name in names:
        small.setdefault(re.sub(r"[^a-z0-9]", "", name.lower()), []).append(name)
    own = next((small[usual] for usual in NAMES[what] if usual in small), [])
    if len(own) > 1:
        option = NEEDED.get(what, f"--{what.removesuffix('s')}-column")
        raise DataError(
            f"The manifest {path} has several columns that may be of {what}, {listed(map(repr, own), SHOWN)}: name one "
            f"with {option}."
        )
    return tuple(own)


def _none_of(path: Path, names: Sequence[str], what: str, option: str) -> str:
    if any(map(has_image_name, names)):
        return (
            f"The first row of the manifest {path} names an image and no columns ({listed(map(repr, names), SHOWN)}): "
            "write a row of column names above it, such as image,label."
        )
    return (
        f"The manifest {path} has no column of {what} that is called {' or '.join(NAMES[what][:CALLED])} or the like: "
        f"name it with {option}: one of {listed(map(repr, names))}."
    )
