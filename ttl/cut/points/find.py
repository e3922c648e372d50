"""Where a network can be cut and what each cut costs: `truncation_points`."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from torch import nn

from ttl.cut.blocks import Segment, segments
from ttl.cut.graph import BlockGraph, Op, walk
from ttl.cut.points.point import TruncationPoint, TruncationPoints
from ttl.cut.points.price import Place, priced
from ttl.cut.points.unet_points import left_of
from ttl.cut.unet import Encoder, is_unet
from ttl.errors import ModelError, UsageError
from ttl.words.sides import ImageSize

FINISHES = ("block", "norm")


def truncation_points(
    model: nn.Module,
    *,
    image_size: ImageSize = 224,
    channels: int = 3,
    finish: str = "block",
    missing: Collection[str] = (),
) -> TruncationPoints:
    """All the places where `model` can be cut, with the cost of what lies below each.

    Of a U-Net (of segmentation_models_pytorch) they are the places where its encoder can be cut, behind a map that a
    decoder stage can take up, and the costs are of the truncated U-Net: see `UNetPoint`.

    Example:
        >>> import timm, ttl
        >>> points = ttl.truncation_points(timm.create_model("resnet10t"), image_size=64)
        >>> [point.name for point in points]
        ['maxpool', 'layer1.0', 'layer2.0', 'layer3.0', 'layer4.0']

    Args:
        model: any network that takes images `(n, channels, height, width)`; it is left as it is.
        image_size: the side of the square image that MACs and reductions are given for, in pixels; or its height and
            width.
        channels: of the image.
        finish: `block` cuts right behind the block; `norm` takes along the norm, and the activation behind
            it, that the next block begins with (pre-activation networks; for others it changes nothing).
        missing: names of state-dict entries that the loaded weights had not (`WeightsReport.missing`).

    Raises:
        ModelError: the model can't be walked, or can be cut nowhere.
        UsageError: no such `finish`.
    """
    if finish not in FINISHES:
        raise UsageError(f"There is no finish {finish!r}: choose one of {', '.join(FINISHES)}")
    graph = walk(model, image_size=image_size, channels=channels)
    if is_unet(model):
        encoder = Encoder(model)
        alone = walk(encoder, image_size=image_size, channels=channels)
        found: Sequence[TruncationPoint] = left_of(_points(encoder, alone, finish, missing), alone, graph)
    else:
        found = _points(model, graph, finish, missing)
    return TruncationPoints(found, without_formula=dict(graph.macs_without_formula))


def _points(model: nn.Module, graph: BlockGraph, finish: str, missing: Collection[str]) -> list[TruncationPoint]:
    pieces = segments(graph)
    behind = [_values(graph, piece, above) for piece, above in zip(pieces, [*pieces[1:], None], strict=True)]
    places = [Place(piece, values) for piece, values in zip(pieces, behind, strict=True) if values is not None]
    if not places:
        raise ModelError(
            f"{type(model).__name__} can be cut nowhere: behind none of its blocks is there a single feature map"
        )
    return priced(graph, [_finished(graph, place) for place in places] if finish == "norm" else places, missing)


def _values(graph: BlockGraph, piece: Segment, above: Segment | None) -> tuple[Op, ...] | None:
    """What makes the feature behind a segment; None where it can't be cut there."""
    values = graph.cuts[piece.last]
    if values is not None or above is None or not (survivor := graph.sole_survivor(piece.last)):
        return values
    # Only where the segment above reads it: else what goes on there is something else.
    upper = graph.ops[above.first : above.last + 1]
    return survivor if any(survivor[0].node in op.node.all_input_nodes for op in upper) else None


def _finished(graph: BlockGraph, cut: Place) -> Place:
    """The cut with the norm and the activation that the next block reads it through, if it does."""
    taken_along: list[int] = []
    finished = False
    for position in range(cut.segment.last + 1, len(graph.ops)):
        op = graph.ops[position]
        before = {graph.ops[taken_along[-1]].node} if taken_along else {value.node for value in cut.values}
        if not before & set(op.node.all_input_nodes):
            continue
        # Several values are concatenated before the norm reads them (DenseNet).
        joins = not taken_along and len(cut.values) > 1
        if not (joins or graph.is_norm(op) or (finished and graph.is_activation(op))):
            break
        finished = finished or graph.is_norm(op)
        taken_along.append(position)
    if not finished:
        return cut
    return replace(cut, values=(graph.ops[taken_along[-1]],), taken_along=tuple(taken_along))
