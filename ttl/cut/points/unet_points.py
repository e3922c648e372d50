"""The points of a U-Net: those of its encoder that a decoder stage can take up, and what is left at each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace

from ttl.cut.graph import BlockGraph
from ttl.cut.points.point import TruncationPoint, UNetPoint
from ttl.cut.points.price import reductions_of, shape_of
from ttl.cut.unet import Decoder, costs


def left_of(found: Sequence[TruncationPoint], encoder: BlockGraph, decoder: Decoder) -> list[UNetPoint]:
    """The points of a U-Net, the last one the whole of it.

    Args:
        found: the points of its encoder.
        encoder: the encoder, walked by itself.
        decoder: of the U-Net.
    """
    points = [*found, *_pooled_on(encoder, found[-1])]
    kept: list[UNetPoint] = []
    for point in points:
        is_whole = point is points[-1]
        enters = decoder.stage_for(point.shape[1:]) if len(point.shape) == 3 and point.channel_axis == 0 else None
        if is_whole or enters is not None:
            kept.append(_left(point, decoder, None if is_whole else enters, index=len(kept) + 1))
    return kept


def _left(point: TruncationPoint, decoder: Decoder, enters: int | None, *, index: int) -> UNetPoint:
    """What is left of a U-Net that is cut at a point of its encoder, whose feature enters that decoder stage."""
    params, macs = decoder.entered(enters, point.channels) if enters is not None else (decoder.params, decoder.macs)
    stages = decoder.stages[enters or 0 :]
    skips = tuple(stage.skip for stage in stages if stage.skip)
    # Not the point's own costs: some encoders (CoaT) end each skip connection with a norm that nothing else needs.
    own_params, own_macs = costs(decoder.graph.below({*point.values, *skips}))
    more = 0 if enters is None else point.channels - stages[0].channels
    known = {field.name: getattr(point, field.name) for field in fields(TruncationPoint)}
    return UNetPoint(
        **known | {"index": index, "params": own_params + params, "macs": own_macs + macs},
        encoder_params=own_params,
        encoder_macs=own_macs,
        enters=enters,
        skips=skips,
        skip_channels=tuple(stage.entry_channels - stage.channels for stage in stages if stage.skip),
        entry=stages[0].entry,
        entry_channels=stages[0].entry_channels + more,
        entry_is_new=more != 0,
    )


def _pooled_on(graph: BlockGraph, last: TruncationPoint) -> list[TruncationPoint]:
    """What an encoder still does behind the last point as a point of its own: VGG's ends with a pooling."""
    output = next(node for node in graph.graph.nodes if node.op == "output").all_input_nodes[0]
    if last.values[-1] == output.name:
        return []
    op = next(op for op in graph.ops if op.node is output)
    params, macs = costs(graph.ops)
    shape = shape_of(graph, (op,))
    rest = replace(
        last,
        index=last.index + 1,
        name=op.modules[-1] if op.modules else output.name,
        kind="layer",
        stage=last.stage + 1,
        channels=shape[0],
        reduction=reductions_of([last.shape, shape], [0, 0], graph.sides)[-1],
        params=params,
        macs=macs,
        shape=shape,
        values=(output.name,),
    )
    return [rest]
