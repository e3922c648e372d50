"""A manifest as text: read from CSV or Parquet, with its columns found by their names."""

from __future__ import annotations

import re
import warnings
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ttl.errors import DataError
from ttl.words.counts import counted, listed

if TYPE_CHECKING:
    import pandas as pd

Columns = dict[str, tuple[str, ...]]

# What columns are called, in small letters and without what is neither letter nor digit: `Patient ID` is `patientid`.
NAMES = {
    "images": ("image", "path", "file", "filename", "filepath", "imagepath"),
    "labels": ("label", "class", "target", "diagnosis"),
    "masks": ("mask", "maskpath", "segmentation", "seg"),
    "groups": ("patient", "patientid", "subject", "group"),
    "splits": ("split", "set", "fold", "partition"),
}
NEEDED = {"images": "--image-column", "labels": "--label-column"}
SHOWN = 3  # rows that a message names


@dataclass(frozen=True)
class Table:
    """The columns of a manifest that say something.

    Attributes:
        path: of the manifest.
        rows: the number of each row, the header of a CSV being row 1.
        cells: column -> values, without spaces around them.
        columns: the names of the columns of `images`, `labels`, `masks`, `groups` and `splits`; several of labels at
            most, and none where there is one of masks.
        guessed: what of these was taken for it by its name.
    """

    path: Path
    rows: tuple[int, ...]
    cells: dict[str, tuple[str, ...]]
    columns: Columns
    guessed: frozenset[str] = frozenset()

    def of(self, what: str) -> tuple[str, ...] | None:
        """The values of the first column of `what`; None where there is none."""
        return self.cells[self.columns[what][0]] if self.columns[what] else None

    def pick(self, chosen: Sequence[int]) -> Table:
        """These rows alone, in this order."""
        cells = {name: tuple(values[i] for i in chosen) for name, values in self.cells.items()}
        return replace(self, cells=cells, rows=tuple(self.rows[i] for i in chosen))

    def without(self, what: str) -> Table:
        """As if it had no column of `what`."""
        return replace(self, columns=self.columns | {what: ()}, guessed=self.guessed - {what})

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


def read_table(path: Path, columns: Columns) -> Table:
    """A manifest's columns of images, labels or masks, groups and splits.

    Args:
        path: CSV (commas, semicolons or tabs) or Parquet.
        columns: the names of the columns by what they hold; empty where they are to be found by their names.

    Raises:
        DataError: it can't be read, has no rows, or hasn't these columns.
    """
    frame = _read(path)
    names = [str(name) for name in frame.columns]
    found = _found(path, names, columns)
    cells = {name: _cells(path, name, frame[name]) for part in found.values() for name in part}
    guessed = frozenset(what for what, part in found.items() if part and not columns[what])
    return Table(path, tuple(frame.index), cells, found, guessed)


def _read(path: Path) -> pd.DataFrame:
    import pandas as pd

    try:
        frame = _read_parquet(path) if path.suffix.lower() in (".parquet", ".pq") else _read_csv(path)
    except ImportError:
        raise DataError(f"Reading {path} needs pyarrow: pip install pyarrow, or save the table as CSV.") from None
    except (OSError, ValueError, pd.errors.ParserWarning) as error:
        reason = getattr(error, "strerror", None) or str(error).strip().rstrip(".")
        raise DataError(
            f"The manifest {path} can't be read ({reason}): a CSV in UTF-8 or a Parquet file is needed."
        ) from None
    if frame.empty:
        raise DataError(f"The manifest {path} has no rows: give it one an image, under a row of column names.")
    return frame


def _read_parquet(path: Path) -> pd.DataFrame:
    import pandas as pd

    frame = pd.read_parquet(path, engine="pyarrow")
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


def _found(path: Path, names: list[str], columns: Columns) -> Columns:
    """The columns that are given, and the others by their names."""
    given = [name for part in columns.values() for name in part]
    for name in given:
        _check_column(path, names, name)
    if twice := [name for name, times in Counter(given).items() if times > 1]:
        raise DataError(f"The column {twice[0]!r} of {path} is given twice: each column can be one thing only.")
    free = {re.sub(r"[^a-z0-9]", "", name.lower()): name for name in reversed(names) if name not in given}
    found = {
        what: columns[what] or tuple(free[name] for name in usual if name in free)[:1] for what, usual in NAMES.items()
    }
    if columns["masks"] and columns["labels"]:
        raise DataError(
            f"Both labels and masks are given of {path}: a task is learned from one of them, leave one out."
        )
    # What is learned from is guessed once: a mask beside a label is no part of the task.
    unwanted = "labels" if columns["masks"] or (found["masks"] and not found["labels"]) else "masks"
    found[unwanted] = ()
    for what, option in NEEDED.items():
        if not found[what] and what != unwanted:
            raise DataError(
                f"The manifest {path} has no column of {what} that is called {' or '.join(NAMES[what])}: "
                f"name it with {option}: one of {listed(map(repr, names))}."
            )
    return found


def _check_column(path: Path, names: list[str], column: str) -> None:
    if column in names:
        return
    small = {name.lower(): name for name in names}
    near = [small[name] for name in get_close_matches(column.lower(), small, SHOWN, 0.5)]
    hint = f"did you mean {' or '.join(map(repr, near))}?" if near else f"it has {listed(map(repr, names))}."
    raise DataError(f"The manifest {path} has no column {column!r}: {hint}")
