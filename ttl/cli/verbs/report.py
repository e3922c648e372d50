"""`ttl report` and `ttl check`: the page of a run folder, and whether its files are whole."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ttl.cli.command import Json, print_json, verb
from ttl.cli.tables import states_table, steps_table

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


@verb("whether a run folder's files, or an exported file, are whole", example="ttl check ttl-run")
def check(
    place: Annotated[
        Path, typer.Argument(metavar="RUN|MODEL.onnx", help="A run folder, finished or not; or an exported file.")
    ],
    as_json: Json = False,
) -> None:
    """Say of every file of a run folder whether it is what was written. Changes nothing.

    Of an exported file: whether its bytes are those that were exported, its graph is what its metadata say, and it
    gives here what it gave when it was checked, for the golden example inside. The exit status is 1 where a file is
    damaged, missing or wrong.
    """
    from ttl.typed import to_json

    if place.is_file() or place.suffix == ".onnx":
        from ttl.export.file_check import check_exported

        steps = check_exported(place)
        rows, table = [to_json(step) for step in steps], steps_table(steps)
        is_right = all(step.state != "wrong" for step in steps)
    else:
        from ttl.run import check as check_run

        files = check_run(place)
        rows, table = [to_json(file) for file in files], states_table(files)
        is_right = not any(file.state in ("damaged", "missing") for file in files)
    if as_json:
        print_json(rows)
    else:
        typer.echo(table)
    if not is_right:
        raise typer.Exit(1)
