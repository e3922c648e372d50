"""A manifest's file: its bytes as text, and its text as a frame of columns."""

from __future__ import annotations

import codecs
import csv
import re
import warnings
from collections import Counter
from dataclasses import dataclass
from io import BytesIO, StringIO
from pathlib import Path
from typing import TYPE_CHECKING

from ttl.errors import DataError
from ttl.words.counts import listed

if TYPE_CHECKING:
    import pandas as pd

TABLES = (".csv", ".tsv", ".parquet", ".pq")
MARKS = (codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16")
"""What the first bytes of a file say of its encoding."""
SEPARATORS = ",;\t|"
DECLARED = re.compile(r'"?sep=(.)"?', re.IGNORECASE)
"""The line before the header in which a spreadsheet is told the separator."""
QUOTED = re.compile(r'"[^"]*"')


@dataclass(frozen=True)
class TableText:
    """A table's columns as they are in its file; the index of `frame` is the number of each row."""

    frame: pd.DataFrame
    not_utf8: str | None = None  # why the file isn't UTF-8; its cells then hold bytes that only paths may have


def read_text(path: Path) -> TableText:
    """A CSV (UTF-8 or UTF-16) or Parquet file.

    Raises:
        DataError: it can't be read, or has no rows.
    """
    import pandas as pd

    is_parquet = path.suffix.lower() in (".parquet", ".pq")
    try:
        text = TableText(pd.read_parquet(path, engine="pyarrow")) if is_parquet else _read_csv(path)
    except ImportError:
        raise DataError(f"Reading {path} needs pyarrow: pip install pyarrow, or save the table as CSV.") from None
    except (OSError, ValueError, csv.Error, pd.errors.ParserWarning) as error:
        raise unreadable(path, getattr(error, "strerror", None) or str(error)) from None
    if text.frame.empty:
        raise DataError(f"The manifest {path} has no rows: give it one an image, under a row of column names.")
    if is_parquet:
        text.frame.index = pd.RangeIndex(1, len(text.frame) + 1)
    return text


def unreadable(path: Path, reason: str) -> DataError:
    """The error of a table that can't be read."""
    return DataError(
        f"The manifest {path} can't be read ({' '.join(reason.split()).rstrip('.')}): a CSV in UTF-8 or a Parquet file "
        "is needed."
    )


def _read_csv(path: Path) -> TableText:
    import pandas as pd

    text, not_utf8 = _decoded(path.read_bytes())
    lines = text.split("\n")
    skipped = next((i for i, line in enumerate(lines) if line.strip("\r,;\t ")), 0)
    declared = DECLARED.fullmatch(lines[skipped].strip())
    skipped += declared is not None
    header = QUOTED.sub("", lines[skipped]) if skipped < len(lines) else ""
    separator = declared[1] if declared else max(SEPARATORS, key=header.count)
    body = "\n".join(lines[skipped:])
    names = [name.strip() for name in next(csv.reader(StringIO(body, newline=""), delimiter=separator), [])]
    if twice := [name for name, times in Counter(names).items() if name and times > 1]:
        raise ValueError(f"two columns have one name: {listed(map(repr, twice), 3)}")
    with warnings.catch_warnings():
        warnings.simplefilter("error", pd.errors.ParserWarning)  # rows that are longer than the header
        frame = pd.read_csv(
            BytesIO(body.encode("utf-8", "surrogateescape")),
            sep=separator,
            dtype=object,  # text as it is, which pandas' own type of text need not be able to hold
            keep_default_na=False,
            index_col=False,
            skip_blank_lines=False,  # they count as rows
            encoding_errors="surrogateescape",
        )
    frame.columns = frame.columns.str.strip()
    frame.index = pd.RangeIndex(skipped + 2, skipped + 2 + len(frame))
    return TableText(frame[(frame != "").any(axis=1)], not_utf8)


def _decoded(data: bytes) -> tuple[str, str | None]:
    """The text, and why it isn't UTF-8 where it holds other bytes."""
    encoding = next((name for mark, name in MARKS if data.startswith(mark)), None)
    if encoding is None:
        # Of two bytes a letter, one is 0 in what is written in Latin letters.
        even, odd = data[:4096:2].count(0), data[1:4096:2].count(0)
        few = min(len(data), 4096) // 8
        encoding = "utf-16-le" if odd > few >= even else "utf-16-be" if even > few >= odd else "utf-8"
    try:
        return data.decode(encoding), None
    except UnicodeDecodeError as error:
        if encoding.startswith("utf-16"):
            raise
        return data.decode(encoding, "surrogateescape"), str(error)
