"""`ttl report`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
import typer.core

if TYPE_CHECKING:
    pass

from ttl.cli.command import app, verb


@app.command(short_help="build report.html anew", epilog="Example: ttl report ttl-run")
@verb
def report(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder, finished or not.")],
) -> None:
    """Build report.html anew."""
    from ttl.pipeline import rebuild_report

    typer.echo(f"{rebuild_report(run)}")
