"""`ttl report`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from ttl.cli.command import Json, verb


@verb("build report.html anew; its tables as CSV or JSON", example="ttl report ttl-run --csv tables")
def report(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder, finished or not.")],
    csv: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Write every table of the page, also those behind the plots, as DIR/SECTION-TABLE.csv: numbers "
            "unrounded, in the unit that is named beside them (shares as fractions), ends of intervals and notes in "
            "columns of their own.",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Build report.html anew.

    With --json all of its tables are printed as JSON, with the same columns and numbers as --csv writes:
    {"tables": [{"name", "section", "caption", "columns", "rows"}]}.
    """
    from ttl.report import read_tables, write_csv, write_report

    written = [write_report(run)]
    tables = read_tables(run) if csv or as_json else ()
    if csv:
        written += write_csv(tables, csv)
    if as_json:
        typer.echo(json.dumps({"tables": [table.to_json() for table in tables]}, indent=1, allow_nan=False))
        return
    for path in written:
        typer.echo(f"{path}")
