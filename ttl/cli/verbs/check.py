"""`ttl check`."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from ttl.cli.command import Json, print_json, verb
from ttl.cli.tables import states_table


@verb("whether every file of a run folder is whole", example="ttl check ttl-run")
def check(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder, finished or not.")], as_json: Json = False
) -> None:
    """Say of every file of a run folder whether it is what was written. Changes nothing.

    The exit status is 1 where a file is damaged or missing.
    """
    from ttl.run import check as check_run
    from ttl.typed import to_json

    files = check_run(run)
    states = Counter(file.state for file in files)
    if as_json:
        print_json([to_json(file) for file in files])
    else:
        typer.echo(states_table(files))
    if states["damaged"] or states["missing"]:
        raise typer.Exit(1)
