"""`ttl validate`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ttl.cli.command import Json, print_json, verb
from ttl.cli.flags import with_options
from ttl.cli.tables import validation_table
from ttl.deliver.validation_options import ValidateConfig

if TYPE_CHECKING:
    from ttl.run.events import Event


@verb("a finished run's files on data that it never saw", example="ttl validate ttl-run other-hospital/")
@with_options(ValidateConfig)
def validate(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a finished run.")],
    data: Annotated[
        str,
        typer.Argument(metavar="DATA", help="Labelled images, as a run takes them, with the class names of the model."),
    ],
    options: ValidateConfig,
    as_json: Json = False,
) -> None:
    """Try the files of a run, as they are, on all images of another data set. Nothing is fitted.

    Cut and whole network decide each at its own operating point. Images and patients that the run has seen are searched
    for first, and refused.
    """
    from ttl.report.validation_words import prevalence_words, shares_words, summary_of
    from ttl.run import validate as validate_on
    from ttl.run.events import Note
    from ttl.typed import to_json

    def watch(event: Event) -> None:
        if not as_json and isinstance(event, Note):
            typer.echo(event.text)

    done = validate_on(run, data, options, watch=watch)
    if as_json:
        print_json(to_json(done.validation))
        return
    of = done.validation
    words = (validation_table(of), f"{shares_words(of)} {prevalence_words(of)}".strip(), *summary_of(of))
    typer.echo("\n" + "\n\n".join(words))
    typer.echo(f"\n{done.json}\n{done.page}")
