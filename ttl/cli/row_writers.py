"""Rows written one after another as they are done, in a form that is whole whenever it ends."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import typer

from ttl.words.csv_text import csv_text

STDOUT = Path("-")


@contextmanager
def json_array() -> Iterator[Callable[[object], None]]:
    """Writes JSON values on stdout, a line each, as the elements of one array, which is closed after an error, too."""
    separator = "["

    def write(value: object) -> None:
        nonlocal separator
        text = json.dumps(value, allow_nan=False)
        typer.echo(f"{separator}\n {text}", nl=False)
        separator = ","

    try:
        yield write
    finally:
        if not isinstance(sys.exception(), BrokenPipeError):
            typer.echo("[]" if separator == "[" else "\n]")


@contextmanager
def csv_rows(place: Path, columns: Sequence[str]) -> Iterator[Callable[[Mapping[str, object]], None]]:
    """Writes rows, by the names of their columns, under a header; to a file (UTF-8), or to stdout where it is `-`.

    What a row doesn't have is an empty cell. See `csv_text` for cells that spreadsheets would compute.

    Raises:
        OSError: the file can't be written.
    """
    if place == STDOUT:
        typer.echo(csv_text([columns]), nl=False)
        yield lambda row: typer.echo(csv_text([[row.get(name, "") for name in columns]]), nl=False)
        return
    with place.open("w", encoding="utf-8", newline="") as file:

        def write(row: Mapping[str, object]) -> None:
            file.write(csv_text([[row.get(name, "") for name in columns]]))
            file.flush()

        file.write(csv_text([columns]))
        yield write
