"""`ttl finetune`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from ttl.cli.command import Json, print_json, show_next, verb
from ttl.cli.flags import with_options
from ttl.cli.help import Command
from ttl.cli.tables import metrics
from ttl.config import RunConfig


class _WithRecipes(Command):
    """A command whose help ends with the table of recipes."""

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """The recipes, a line each with its source, then the example."""
        from ttl.finetune.recipes import RECIPES

        with formatter.section("Recipes"):
            formatter.write_dl([(row.name, f"{row.summary} ({row.source})") for row in RECIPES.values()])
        super().format_epilog(ctx, formatter)


@verb(
    "fine-tune at one truncation point",
    example="ttl finetune xray/ --model resnet50 --cut layer3.5 --recipe bn",
    cls=_WithRecipes,
)
@with_options(RunConfig, leave_out=("search", "candidates", "judging", "workers"))
def finetune(
    options: RunConfig,
    cut: Annotated[str, typer.Option(help="A point's name, its index from 1, or full.")] = "full",
    as_json: Json = False,
) -> None:
    """Fine-tune at one truncation point."""
    from ttl.cli.console import watching
    from ttl.run import finetune as tune
    from ttl.typed import to_json

    with watching(as_json) as watch:
        tuned = tune(options, cut, watch=watch)
    record, spread = tuned.record, tuned.runs.spread
    if as_json:
        content = to_json(record)
        del content["predictions"]  # as long as the data
        print_json(content | {"folder": str(tuned.folder)} | ({"spread": to_json(spread)} if spread else {}))
        return
    for split, words, figures in (("val", "validation", record.val), ("test", "test", record.test)):
        which = f" of seed {record.seed}" if spread else ""
        table = metrics(figures, spread, split, record.distance_unit)
        typer.echo(f"{record.cut}, {words}{which} (95 % interval):\n{table}")
    for note in record.notes:
        typer.echo(note)
    typer.echo(f"Saved in {tuned.folder}")
    show_next(f"ttl export {tuned.folder}")
