"""The points of a U-Net: those of its encoder that a decoder stage can take up, and what is left at each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import torch
from torch import fx

from ttl.cut.graph import BlockGraph, Op, costs
from ttl.cut.points.point import TruncationPoint, UNetPoint
from ttl.cut.points.price import reductions_of, shape_of
from ttl.cut.trace import output_of
from ttl.cut.unet import DECODER, upsamplings
from ttl.errors import ModelError
from ttl.words.sides import Sides


@dataclass(frozen=True)
class _Stage:
    """A decoder stage: it doubles the resolution of what comes from below, joins a skip connection, and convolves."""

    entry: str  # path of the convolution that reads what comes from below
    entry_channels: int  # that it takes in all, those of the skip connection too
    sides: Sides  # height and width of what comes from below
    channels: int  # of what comes from below
    skip: str | None  # the value of the encoder that it joins; None where it joins none
    costs: tuple[int, int]  # its params and MACs
    costs_per_channel: tuple[int, int]  # what each channel from below adds to them


def left_of(found: Sequence[TruncationPoint], encoder: BlockGraph, unet: BlockGraph) -> list[UNetPoint]:
    """The points of a U-Net, the last one the whole of it, from those `found` in its encoder, walked by itself.

    Raises:
        ModelError: its decoder has no stages, so it is another kind of U-Net.
    """
    starts = upsamplings(unet.graph)
    if not starts:
        raise ModelError("The decoder of this U-Net has no stages that enlarge a feature map: it can't be shortened")
    stages = [_stage(unet, node, [op for op in unet.ops if path in op.modules]) for path, node in starts.items()]
    points = [*found, *_pooled_on(encoder, found[-1])]
    kept = [
        _left(point, unet, stages, enters) for point in points[:-1] if (enters := _entered(point, stages)) is not None
    ]
    return [replace(point, index=i) for i, point in enumerate([*kept, _left(points[-1], unet, stages, None)], start=1)]


def _entered(point: TruncationPoint, stages: Sequence[_Stage]) -> int | None:
    """The decoder stage that takes maps as high and wide as the point's; None if none does."""
    if len(point.shape) != 3 or point.channel_axis != 0:
        return None
    return next((number for number, stage in enumerate(stages) if stage.sides == point.shape[1:]), None)


def _left(point: TruncationPoint, unet: BlockGraph, stages: Sequence[_Stage], enters: int | None) -> UNetPoint:
    """What is left of a U-Net whose encoder is cut at a point that enters a decoder stage; None leaves it whole."""
    kept = stages[enters or 0 :]
    first, skips = kept[0], tuple(stage.skip for stage in kept if stage.skip)
    more = 0 if enters is None else point.channels - first.channels
    params, macs = costs(op for op in unet.ops if DECODER in op.modules)
    if enters is not None:
        params = sum(stage.costs[0] for stage in kept) + more * first.costs_per_channel[0]
        macs = sum(stage.costs[1] for stage in kept) + more * first.costs_per_channel[1]
    # Not the point's own costs: some encoders (CoaT) end each skip connection with a norm that nothing else needs.
    own_params, own_macs = costs(unet.below({*point.values, *skips}))
    of_encoder = {field.name: getattr(point, field.name) for field in fields(TruncationPoint)}
    return UNetPoint(
        **of_encoder | {"params": own_params + params, "macs": own_macs + macs},
        encoder_params=own_params,
        encoder_macs=own_macs,
        enters=enters,
        skips=skips,
        skip_channels=tuple(stage.entry_channels - stage.channels for stage in kept if stage.skip),
        entry=first.entry,
        entry_channels=first.entry_channels + more,
        entry_is_new=more != 0,
    )


def _stage(unet: BlockGraph, upsampling: fx.Node, run: Sequence[Op]) -> _Stage:
    """A stage, from its operations and the one that enlarges what comes from below."""
    below, enlarged = unet.op_of(upsampling.all_input_nodes[0]), unet.op_of(upsampling)
    if below is None or enlarged is None or below.shape is None:
        raise TypeError(f"{upsampling.name} enlarges no feature map")
    channels = below.shape[1]
    entry = next(op for op in run if any(parameter.dim() > 1 for parameter in op.parameters))
    weight = next(parameter for parameter in entry.parameters if parameter.dim() > 1)
    inputs = [op.node.all_input_nodes for op in run if op.node.target is torch.cat]
    skips = [node.name for nodes in inputs if upsampling in nodes for node in nodes if node is not upsampling]
    return _Stage(
        entry=str(entry.node.target),
        entry_channels=weight.shape[1],
        sides=below.shape[2:],
        channels=channels,
        skip=next(iter(skips), None),
        costs=costs(run),
        costs_per_channel=(weight[:, 0].numel(), entry.macs // weight.shape[1] + enlarged.macs // channels),
    )


def _pooled_on(graph: BlockGraph, last: TruncationPoint) -> list[TruncationPoint]:
    """What an encoder still does behind the last point as a point of its own: VGG's ends with a pooling."""
    op = graph.op_of(output_of(graph.graph).all_input_nodes[0])
    if op is None or last.values[-1] == op.node.name:
        return []
    params, macs = costs(graph.ops)
    shape = shape_of((op,))
    rest = replace(
        last,
        index=last.index + 1,
        name=op.modules[-1] if op.modules else op.node.name,
        kind="layer",
        stage=last.stage + 1,
        channels=shape[0],
        reduction=reductions_of([last.shape, shape], [0, 0], graph.sides)[-1],
        params=params,
        macs=macs,
        shape=shape,
        values=(op.node.name,),
    )
    return [rest]
