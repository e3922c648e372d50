"""`ttl points`."""

from __future__ import annotations

from typing import Annotated

import typer

from ttl.cli.command import Json, print_json, show_next, verb
from ttl.cli.flags import flag
from ttl.config import RunConfig


@verb("where a network can be cut, and what each cut costs", example="ttl points resnet50 --image-size 224")
def points(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="A timm name, tv:NAME for torchvision, or unet:ENCODER.")
    ],
    image_size: Annotated[int | None, flag(RunConfig, "image_size")] = None,
    weights: Annotated[str, typer.Option(help="A checkpoint that must fit; points beyond it are marked.")] = "none",
    finish: Annotated[str | None, flag(RunConfig, "finish")] = None,
    as_json: Json = False,
) -> None:
    """List where a network can be cut: name, stage, channels, stride, params, MACs."""
    from ttl.cut.points import truncation_points
    from ttl.networks import load_backbone

    backbone = load_backbone(model, weights=weights, image_size=image_size)
    missing = () if weights == "none" else backbone.weights.missing
    size = backbone.spec.image_size
    listed = truncation_points(backbone.model, image_size=size, finish=finish or "block", missing=missing)
    if as_json:
        print_json(
            {
                "model": backbone.name,
                "image_size": size,
                "points": listed.to_json(),
                "macs_without_formula": listed.without_formula,
            }
        )
        return
    typer.echo(f"{backbone.name} at {size} x {size}: {len(listed)} truncation points")
    if weights != "none":
        typer.echo(backbone.weights.summary())
    typer.echo(repr(listed))
    within = [point for point in listed if point.is_within_weights] or listed
    given = f"--model {model}" + (f" --weights {weights}" if weights != "none" else "")
    show_next(
        f"ttl plan DATA {given}{' --within-weights' if 0 < len(within) < len(listed) else ''}",
        f"ttl finetune DATA {given} --cut {within[len(within) // 2].name}",
    )
