"""What lies below each cut costs, and what its feature is like."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from itertools import accumulate
from math import log2, prod

from ttl.cut.blocks import Segment
from ttl.cut.channel_axis import ChannelAxes
from ttl.cut.graph import BlockGraph, Op
from ttl.cut.points.point import TruncationPoint
from ttl.words.sides import Sides


@dataclass(frozen=True)
class Place:
    """A segment, the values that are the feature behind it, and the positions of what is taken along beyond it."""

    segment: Segment
    values: tuple[Op, ...]
    taken_along: tuple[int, ...] = ()


def priced(graph: BlockGraph, cuts: list[Place], missing: Collection[str]) -> list[TruncationPoint]:
    """The points behind `cuts`, lowest first; `missing` names what the loaded weights had not."""
    params, macs = _running_costs(graph)
    channel_axes = ChannelAxes(graph)
    axes = [channel_axes.of(cut.values[0]) for cut in cuts]
    shapes = [shape_of(cut.values) for cut in cuts]
    reductions = reductions_of(shapes, axes, graph.sides)
    absent = _absent(graph, missing)
    points = []
    stage = 1
    for i, cut in enumerate(cuts):
        last = cut.segment.last
        taken_along = [graph.ops[position] for position in cut.taken_along]
        ends = i + 1 == len(cuts) or reductions[i + 1] > reductions[i]
        points.append(
            TruncationPoint(
                index=i + 1,
                name=cut.segment.name,
                kind=cut.segment.kind,
                stage=stage,
                is_stage_end=ends,
                channels=shapes[i][axes[i]],
                reduction=reductions[i],
                params=params[last] + sum(parameter.numel() for op in taken_along for parameter in op.parameters),
                macs=macs[last] + sum(op.macs for op in taken_along),
                shape=shapes[i],
                sides=graph.sides,
                channel_axis=axes[i],
                image_channels=graph.image_channels,
                is_finished=bool(cut.taken_along),
                is_within_weights=max((last, *cut.taken_along)) < absent,
                values=tuple(op.node.name for op in cut.values),
            )
        )
        stage += ends
    return points


def _running_costs(graph: BlockGraph) -> tuple[list[int], list[int]]:
    """Params and MACs of everything up to and including each operation; a shared parameter counts once."""
    seen: set[int] = set()
    params = []
    for op in graph.ops:
        fresh = {id(parameter): parameter.numel() for parameter in op.parameters if id(parameter) not in seen}
        seen.update(fresh)
        params.append(sum(fresh.values()))
    return list(accumulate(params)), list(accumulate(op.macs for op in graph.ops))


def _absent(graph: BlockGraph, missing: Collection[str]) -> int:
    """The position of the first operation that uses one of the tensors named in `missing`."""
    holders = {name.rsplit(".", i)[0] for name in missing for i in range(name.count(".") + 1)}
    uses = (i for i, op in enumerate(graph.ops) if op.node.op in ("call_module", "get_attr"))
    return next((i for i in uses if str(graph.ops[i].node.target) in holders), len(graph.ops))


def shape_of(values: tuple[Op, ...]) -> tuple[int, ...]:
    """The shape of the concatenation of `values`, without the batch."""
    first = (values[0].shape or (1,))[1:]
    if len(values) == 1:
        return first
    return (sum(op.shape[1] for op in values if op.shape is not None), *first[1:])


def reductions_of(shapes: list[tuple[int, ...]], axes: list[int], sides: Sides) -> list[int]:
    """The stride of each feature against the image: of the sides, were image and feature squares of as many positions.

    Unpadded convolutions, odd sizes and class tokens make the ratio of the sides no whole number: then the
    stride is the nominal one, a power of two times the one before. Behind global pooling it stays what it was.
    """
    reductions: list[int] = []
    for shape, axis in zip(shapes, axes, strict=True):
        positions = prod(shape[:axis] + shape[axis + 1 :])
        ratio = (prod(sides) / positions) ** (1 / len(sides))
        before = reductions[-1] if reductions else 1
        # 0.003: a class token beside 196 positions moves the ratio by 0.0026, one row too many (113 for 112) by 0.009.
        whole = abs(ratio - round(ratio)) <= 0.003 * ratio and round(ratio) % before == 0
        if positions == 1 and reductions and before * 2 < ratio:
            reductions.append(before)
        else:
            reductions.append(round(ratio) if whole else max(1, round(before * 2.0 ** round(log2(ratio / before)))))
    return reductions
