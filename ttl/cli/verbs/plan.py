"""`ttl plan`."""

from __future__ import annotations

import typer

from ttl.cli.command import Json, print_json, show_next, verb
from ttl.cli.flags import command_of, with_options
from ttl.cli.tables import counts_table, duration
from ttl.config import RunConfig


@verb("what the data holds and what a search would cost", example="ttl plan xray/ --model resnet50")
@with_options(RunConfig, leave_out=("judging", "head and learning rate", "workers", "output"))
def plan(options: RunConfig, as_json: Json = False) -> None:
    """Show what the data holds, the split, the candidates, and what a search would cost. Trains nothing."""
    from ttl.run import plan as make_plan
    from ttl.typed import to_json

    planned = make_plan(options)
    if as_json:
        print_json(
            {
                "task": to_json(planned.task),
                "weights": planned.weights,
                "coarse": planned.coarse,
                "most_trials": planned.most_trials,
                "macs_per_epoch": planned.macs_per_epoch,
                "seconds_per_epoch": planned.seconds_per_epoch,
                "points": planned.points.to_json(),
                "notes": planned.notes,
            }
        )
        return
    typer.echo(counts_table(planned.task))
    for note in planned.notes:
        typer.echo(note)
    typer.echo(f"\n{options.model}: {planned.weights}\n{planned.points!r}\n")
    typer.echo(f"The search begins with {planned.begins}; at most {planned.most_trials} fine-tunes.")
    typer.echo(
        f"An epoch of the whole network: {planned.macs_per_epoch / 1e12:.2f} T multiply-adds, "
        f"about {duration(planned.seconds_per_epoch)} here; smaller cuts take less."
    )
    if options.epochs:
        most = planned.most_trials * options.epochs * planned.seconds_per_epoch
        typer.echo(f"So at most about {duration(most)} with --epochs {options.epochs}.")
    show_next(command_of("run", options))
