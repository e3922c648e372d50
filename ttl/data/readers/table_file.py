"""A manifest as text: read from CSV or Parquet, with its columns by what they hold."""

from __future__ import annotations

import re
import warnings
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ttl.data.task import picked
from ttl.errors import DataError
from ttl.words.counts import counted, listed

if TYPE_CHECKING:
    import pandas as pd

# What columns are called, in small letters and without what is neither letter nor digit: `Patient ID` is `patientid`.
NAMES = {
    "images": ("image", "path", "file", "filename", "filepath", "imagepath"),
    "labels": ("label", "class", "target", "diagnosis"),
    "masks": ("mask", "maskpath", "segmentation", "seg"),
    "groups": ("patient", "patientid", "subject", "group"),
    "splits": ("split", "set", "fold", "partition"),
}
TABLES = (".csv", ".tsv", ".parquet", ".pq")
ATTRIBUTES = "attributes"  # what has no usual names
NEEDED = {"images": "--image-column", "labels": "--label-column"}
SHOWN = 3  # rows that a message names


@dataclass(frozen=True)
class Columns:
    """Which columns of a manifest hold what; None where it has a usual name."""

    image: str | None = None
    labels: tuple[str, ...] = ()  # one of class names, or several of 1 and 0: a class each
    group: str | None = None
    split: str | None = None
    mask: str | None = None  # in place of labels
    attributes: tuple[str, ...] = ()  # what subgroups are of; a group or split column may be one too

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

    def check_filled(self, what: str) -> None:
        """Refuses empty cells in the columns of `what`."""
        for column in self.columns[what]:
            if empty := [str(self.rows[i]) for i, cell in enumerate(self.cells[column]) if not cell]:
                raise DataError(
                    f"The column {column!r} of {self.path}, for {what}, is empty in {counted(len(empty), 'row')} "
                    f"({listed(empty, SHOWN)}): fill them in, or remove these rows."
                )


def read_table(path: Path, columns: Columns, *, labelled: bool = True) -> Table:
    """A manifest's columns of images, labels or masks, groups, splits and attributes.

    Those that are given, the others by their names; attributes are given only. Of one that isn't `labelled` the columns
    of images and groups.

    Raises:
        DataError: it can't be read, has no rows, or hasn't these columns.
    """
    frame, given = _read(path), columns.by_content()
    names = _columns(path, [str(name) for name in frame.columns], given, labelled)
    cells = {name: _cells(path, name, frame[name]) for part in names.values() for name in part}
    guessed = frozenset(what for what, part in names.items() if part and not given[what])
    return Table(path, tuple(frame.index), cells, names, guessed)


def _read(path: Path) -> pd.DataFrame:
    import pandas as pd

    is_parquet = path.suffix.lower() in (".parquet", ".pq")
    try:
        frame = pd.read_parquet(path, engine="pyarrow") if is_parquet else _read_csv(path)
    except ImportError:
        raise DataError(f"Reading {path} needs pyarrow: pip install pyarrow, or save the table as CSV.") from None
    except (OSError, ValueError, pd.errors.ParserWarning) as error:
        reason = getattr(error, "strerror", None) or str(error).strip().rstrip(".")
        raise DataError(
            f"The manifest {path} can't be read ({reason}): a CSV in UTF-8 or a Parquet file is needed."
        ) from None
    if frame.empty:
        raise DataError(f"The manifest {path} has no rows: give it one an image, under a row of column names.")
    if is_parquet:
        frame.index = pd.RangeIndex(1, len(frame) + 1)
    return frame


def _read_csv(path: Path) -> pd.DataFrame:
    import pandas as pd

    with path.open(encoding="utf-8-sig") as file:
        header = file.readline()
    with warnings.catch_warnings():
        warnings.simplefilter("error", pd.errors.ParserWarning)  # rows that are longer than the header
        frame = pd.read_csv(
            path,
            sep=max(",;\t", key=header.count),
            dtype=str,
            keep_default_na=False,
            index_col=False,
            skip_blank_lines=False,  # they count as rows
            encoding="utf-8-sig",
        )
    frame.columns = frame.columns.str.strip()
    if not frame.columns.is_unique:
        raise ValueError("two columns have one name")
    frame.index = pd.RangeIndex(2, len(frame) + 2)
    return frame[(frame != "").any(axis=1)]


def _cells(path: Path, name: str, column: pd.Series[Any]) -> tuple[str, ...]:
    """A column of any type as text; whole numbers lose the `.0` that gaps among them bring along."""
    values = column.astype(object).where(column.notna(), "").tolist()
    if strange := [value for value in values if isinstance(value, bytes | dict | list | np.ndarray)]:
        raise DataError(
            f"The column {name!r} of {path} holds {type(strange[0]).__name__} and not text: "
            "save images as files and give their paths, and one label a column."
        )
    texts = (str(int(v)) if isinstance(v, float) and v.is_integer() else str(v) for v in values)
    return tuple(text.strip() for text in texts)


def _columns(
    path: Path, names: list[str], given: Mapping[str, tuple[str, ...]], labelled: bool
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
    free = {re.sub(r"[^a-z0-9]", "", name.lower()): name for name in reversed(names) if name not in times}
    columns = {
        what: given[what] or tuple(free[name] for name in usual if name in free)[:1] for what, usual in NAMES.items()
    }
    if given["masks"] and given["labels"]:
        raise DataError(
            f"Both labels and masks are given of {path}: a task is learned from one of them, leave one out."
        )
    # What is learned from is guessed once: a mask beside a label is no part of the task.
    unwanted = "labels" if given["masks"] or (columns["masks"] and not columns["labels"]) else "masks"
    columns |= dict.fromkeys((unwanted,) if labelled else ("labels", "masks", "splits"), ())
    for what in ("images", "labels", "masks"):
        if both := [name for name in given[ATTRIBUTES] if name in columns[what]]:
            raise DataError(
                f"The column {both[0]!r} of {path} holds the {what}, which no subgroup is of: leave out "
                f"--subgroup-column {both[0]}."
            )
    columns[ATTRIBUTES] = given[ATTRIBUTES]
    for what, option in NEEDED.items():
        if not columns[what] and what != unwanted and (labelled or what == "images"):
            raise DataError(
                f"The manifest {path} has no column of {what} that is called {' or '.join(NAMES[what])}: "
                f"name it with {option}: one of {listed(map(repr, names))}."
            )
    return columns
