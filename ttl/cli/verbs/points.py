"""`ttl points`."""

from __future__ import annotations

from typing import Annotated

import typer

from ttl.cli.command import Json, print_json, show_next, verb
from ttl.cli.flags import flag, size_given
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
    listed = network.points
    if as_json:
        print_json(
            {
                "model": network.name,
                "image_size": network.spec.image_size,
                "points": listed.to_json(),
                "macs_without_formula": listed.without_formula,
            }
        )
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
