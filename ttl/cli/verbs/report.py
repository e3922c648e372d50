"""`ttl report` and `ttl check`: the page of a run folder, and whether its files are whole."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ttl.cli.command import Json, print_json, verb
from ttl.cli.tables import states_table

Run = Annotated[Path, typer.Argument(metavar="RUN", help="A run folder, finished or not.")]


@verb(
    "build report.html and validations' pages anew; tables as CSV or JSON",
    example="ttl report ttl-run --csv tables",
)
def report(
    run: Run,
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
    """Build report.html anew, and validation-NAME.html of every validation.

    With --json all tables of the report are printed as JSON, with the same columns and numbers as --csv writes:
    {"tables": [{"name", "section", "caption", "columns", "rows"}]}.
    """
    from ttl.report import read_tables, write_csv, write_report, write_validations
    from ttl.typed import to_json

    page, tables = write_report(run), read_tables(run) if csv or as_json else ()
    written = [page, *write_validations(run), *(write_csv(tables, csv) if csv else ())]
    if as_json:
        print_json({"tables": [to_json(table) for table in tables]})
    else:
        typer.echo("\n".join(map(str, written)))


@verb("whether every file of a run folder is whole", example="ttl check ttl-run")
def check(run: Run, as_json: Json = False) -> None:
    """Say of every file of a run folder whether it is what was written. Changes nothing.

    The exit status is 1 where a file is damaged or missing.
    """
    from ttl.run import check as check_run
    from ttl.typed import to_json

    files = check_run(run)
    if as_json:
        print_json([to_json(file) for file in files])
    else:
        typer.echo(states_table(files))
    if any(file.state in ("damaged", "missing") for file in files):
        raise typer.Exit(1)
