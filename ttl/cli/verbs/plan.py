"""`ttl points` and `ttl plan`: where a network can be cut, and what a search would cost. Nothing is trained."""

from __future__ import annotations

from typing import Annotated

import typer

from ttl.cli.command import Json, print_json, show_next, verb
from ttl.cli.flags import command_of, flag, size_given, with_options
from ttl.cli.tables import counts_table, duration
from ttl.config import RunConfig
from ttl.words.sides import across


@verb("where a network can be cut, and what each cut costs", example="ttl points resnet50 --image-size 224")
def points(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="A timm name, tv:NAME for torchvision, or unet:ENCODER.")
    ],
    image_size: Annotated[str | None, flag(RunConfig, "image_size")] = None,
    weights: Annotated[str, typer.Option(help="A checkpoint that must fit; points beyond it are marked.")] = "none",
    finish: Annotated[str | None, flag(RunConfig, "finish")] = None,
    as_json: Json = False,
) -> None:
    """List where a network can be cut: name, stage, channels, stride, params, MACs."""
    from ttl.cut.network import load_network

    network = load_network(model, weights=weights, image_size=size_given(image_size), finish=finish or "block")
    listed, size = network.points, network.spec.image_size
    if as_json:
        content = {"model": network.name, "image_size": size, "points": listed.to_json()}
        print_json(content | {"macs_without_formula": listed.without_formula})
        return
    typer.echo(f"{network.name} at {across(network.spec.sides)}: {len(listed)} truncation points")
    if weights != "none":
        typer.echo(network.weights.summary())
    typer.echo(repr(listed))
    within = [point for point in listed if point.is_within_weights] or listed
    given = f"--model {model}" + (f" --weights {weights}" if weights != "none" else "")
    show_next(
        f"ttl plan DATA {given}{' --within-weights' if 0 < len(within) < len(listed) else ''}",
        f"ttl finetune DATA {given} --cut {within[len(within) // 2].name}",
    )


@verb("what the data holds and what a search would cost", example="ttl plan xray/ --model resnet50")
@with_options(RunConfig, leave_out=("head and learning rate", "workers", "output"))
def plan(options: RunConfig, as_json: Json = False) -> None:
    """Show what the data holds, the split, the candidates, and what a search would cost. Trains nothing."""
    from ttl.data.describe import patients_words
    from ttl.run import plan as make_plan
    from ttl.typed import to_json

    planned = make_plan(options)
    if as_json:
        figures = ("weights", "coarse", "most_trials", "macs_per_epoch", "seconds_per_epoch", "notes")
        content = {name: getattr(planned, name) for name in figures}
        content |= {"power": to_json(planned.power)}
        print_json({"task": to_json(planned.task), **content, "points": planned.points.to_json()})
        return
    typer.echo("\n".join([counts_table(planned.task), *planned.notes]))
    typer.echo(f"\n{options.model}: {planned.weights}\n{planned.points!r}\n")
    typer.echo(f"The search begins with {planned.begins}; at most {planned.most_trials} fine-tunes.")
    typer.echo(
        f"An epoch of the whole network: {planned.macs_per_epoch / 1e12:.2f} T multiply-adds, "
        f"about {duration(planned.seconds_per_epoch)} here; smaller cuts take less."
    )
    if options.epochs:
        most = planned.most_trials * options.epochs * planned.seconds_per_epoch
        typer.echo(f"So at most about {duration(most)} with --epochs {options.epochs}.")
    typer.echo(planned.can_show)
    typer.echo(patients_words(planned.task.patients_known or 0, planned.task.images))
    show_next(command_of("run", options))
