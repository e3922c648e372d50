"""Where a network can be cut and what each cut costs: `truncation_points`."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from math import log2, prod
from typing import Any, overload

from torch import nn

from ttl.blocks import Segment, segments
from ttl.errors import ModelError, PointError, UsageError
from ttl.graph import BlockGraph, Op, walk
from ttl.unet import Decoder, Encoder, decoder, is_unet


@dataclass(frozen=True)
class TruncationPoint:
    """A place where a network can be cut. Params and MACs are of everything up to it, head excluded."""

    index: int
    """1 is the lowest point."""
    name: str
    """The path of the module that ends here, e.g. `layer3.5`."""
    kind: str
    """`stem`, `block` or `layer` (a transition, a final conv or norm)."""
    stage: int
    """The resolution stage it lies in, 1 the first."""
    is_stage_end: bool
    """Whether it is the last point before the resolution drops, or the network's last."""
    channels: int
    reduction: int
    """The stride against the input: 16 means a feature map of 1/16 of the image's side."""
    params: int
    macs: int
    shape: tuple[int, ...]
    """The feature's shape for one image of `image_size`, without the batch: `(channels, height, width)`."""
    image_size: int
    channel_axis: int
    """Which axis of `shape` holds the channels: 0 in a map, 2 where they come last (Swin), 1 in tokens."""
    image_channels: int
    is_finished: bool
    """Whether the norm (and activation) that the next block begins with was taken along: `finish="norm"`."""
    is_within_weights: bool
    """Whether none of the tensors up to here was missing from the weights that were loaded."""
    values: tuple[str, ...]
    """The values of the walked graph whose channel concatenation is the feature here."""


@dataclass(frozen=True)
class UNetPoint(TruncationPoint):
    """A place where a U-Net's encoder can be cut; the decoder stages of what is removed go with it.

    Params and MACs are of all that is left: the encoder up to the cut and the decoder stages that it still has, the
    segmentation head excluded.
    """

    encoder_params: int
    """Of `params`, those of the encoder."""
    encoder_macs: int
    """Of `macs`, those of the encoder."""
    enters: int | None
    """The decoder stage that the cut's feature enters, the first that is left; None in the whole network, which has
    all."""
    skips: tuple[str, ...]
    """The values of the walked graph that the skip connections left carry, lowest resolution first."""
    skip_channels: tuple[int, ...]
    """Of each of them."""
    entry: str
    """The path of the convolution of that stage that reads the feature."""
    entry_channels: int
    """Its input width here."""
    entry_is_new: bool
    """Whether that isn't its width in the whole network: then it starts with new weights, the only one that does."""

    @property
    def of_encoder(self) -> TruncationPoint:
        """The same place as a point of the encoder by itself."""
        values = {field.name: getattr(self, field.name) for field in fields(TruncationPoint)}
        return TruncationPoint(**values | {"params": self.encoder_params, "macs": self.encoder_macs})


def point_from_json(told: Mapping[str, Any]) -> TruncationPoint:
    """The point whose `asdict` was written as JSON; other keys are left alone."""
    kind: type[TruncationPoint] = UNetPoint if "enters" in told else TruncationPoint
    values: dict[str, Any] = {}
    for field in fields(kind):
        value = told[field.name]
        values[field.name] = tuple(value) if isinstance(value, list) else value
    return kind(**values)


class TruncationPoints(Sequence[TruncationPoint]):
    """A network's points, lowest first; a table when printed.

    Indexed by position (`points[0]`, `points[-1]`) or by name (`points["layer3.5"]`).
    """

    def __init__(self, points: Sequence[TruncationPoint], *, without_formula: dict[str, int]) -> None:
        self._points = tuple(points)
        self.without_formula = without_formula
        """Operations whose MACs aren't known and so aren't in the figures, and how often they ran."""

    def __len__(self) -> int:
        return len(self._points)

    def __iter__(self) -> Iterator[TruncationPoint]:
        return iter(self._points)

    @overload
    def __getitem__(self, key: int | str) -> TruncationPoint: ...
    @overload
    def __getitem__(self, key: slice) -> Sequence[TruncationPoint]: ...
    def __getitem__(self, key: int | str | slice) -> TruncationPoint | Sequence[TruncationPoint]:
        return self.find(key) if isinstance(key, str) else self._points[key]

    def find(self, cut: str) -> TruncationPoint:
        """The point that a user means: its name, its index (1 = lowest), or `full`, the whole network.

        Raises:
            PointError: there is no such point; the sentence names the nearest ones.
        """
        if cut == "full":
            return self._points[-1]
        if cut.isdecimal() and 1 <= int(cut) <= len(self):
            return self._points[int(cut) - 1]
        for point in self:
            if point.name == cut:
                return point
        near = difflib.get_close_matches(cut, [point.name for point in self], n=3, cutoff=0.5)
        meant = f"did you mean {' or '.join(near)}" if near else f"they run from {self[0].name} to {self[-1].name}"
        raise PointError(
            f"There is no truncation point {cut!r} among the {len(self)} of this network: {meant}? "
            "Give a name, an index from 1, or 'full'."
        )

    def to_json(self) -> list[dict[str, Any]]:
        """The points as plain data."""
        return [asdict(point) for point in self]

    def __repr__(self) -> str:
        width = max(len(point.name) for point in self)
        shares = " (of the encoder: params     MACs)" if any(isinstance(p, UNetPoint) for p in self) else ""
        rows = [f"{'#':>4} {'point':<{width}} stage  chan. stride   params     MACs{shares}"]
        for p in self:
            mark = "*" if p.is_stage_end else " "
            rows.append(
                f"{p.index:>4} {p.name:<{width}} {p.stage:>4}{mark} {p.channels:>6} {p.reduction:>6} "
                f"{p.params / 1e6:>7.3f}M {p.macs / 1e9:>7.3f}G{_share(p)}{'' if p.is_within_weights else ' ?'}"
            )
        of = "the encoder up to there and the decoder left to it" if shares else "everything up to the point"
        rows.append(f"* the last point of its stage; params and MACs are of {of}")
        if any(p.is_finished for p in self):
            rows.append("Behind a block, the norm and activation that the next one begins with are taken along.")
        if not all(p.is_within_weights for p in self):
            rows.append("? beyond the loaded weights: something up to there starts at random")
        if self.without_formula:
            rows.append(f"MACs unknown and left out: {_listed(self.without_formula)}")
        return "\n".join(rows)


def _share(point: TruncationPoint) -> str:
    """What of its figures the encoder has, in a U-Net."""
    if not isinstance(point, UNetPoint):
        return ""
    return f" {point.encoder_params / 1e6:>22.3f}M {point.encoder_macs / 1e9:>7.3f}G"


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} x {count}" for name, count in sorted(counts.items()))


FINISHES = ("block", "norm")


def truncation_points(
    model: nn.Module,
    *,
    image_size: int = 224,
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
        image_size: the side of the square image that MACs and reductions are given for, in pixels.
        channels: the image's channels.
        finish: `block` cuts right behind the block; `norm` takes along the norm, and the activation behind
            it, that the next block begins with (pre-activation networks; for others it changes nothing).
        missing: names of state-dict entries that the loaded weights had not (`WeightsReport.missing`).

    Raises:
        ModelError: the model can't be walked, or can be cut nowhere.
        UsageError: no such `finish`.
    """
    if finish not in FINISHES:
        raise UsageError(f"There is no finish {finish!r}: choose one of {', '.join(FINISHES)}")
    if is_unet(model):
        return _unet_points(model, image_size=image_size, channels=channels, finish=finish, missing=missing)
    graph = walk(model, image_size=image_size, channels=channels)
    cuts = _cuts(graph)
    if not cuts:
        raise ModelError(
            f"{type(model).__name__} can be cut nowhere: behind none of its blocks is there a single feature map"
        )
    if finish == "norm":
        cuts = [_finished(graph, cut) for cut in cuts]
    return TruncationPoints(_priced(graph, cuts, missing), without_formula=dict(graph.macs_without_formula))


def _unet_points(
    model: nn.Module, *, image_size: int, channels: int, finish: str, missing: Collection[str]
) -> TruncationPoints:
    """The encoder's points that a decoder stage can take up, and the whole network."""
    whole = walk(model, image_size=image_size, channels=channels)
    stages = decoder(whole)
    encoder = Encoder(model)
    alone = walk(encoder, image_size=image_size, channels=channels)
    found = truncation_points(encoder, image_size=image_size, channels=channels, finish=finish, missing=missing)
    points = [*found, *_pooled_on(alone, found[-1])]
    kept: list[UNetPoint] = []
    for point in points:
        is_whole = point is points[-1]
        enters = stages.stage_for(point.shape[1]) if len(point.shape) == 3 and point.channel_axis == 0 else None
        if is_whole or enters is not None:
            kept.append(_left(point, stages, None if is_whole else enters, index=len(kept) + 1))
    return TruncationPoints(kept, without_formula=dict(whole.macs_without_formula))


def _left(point: TruncationPoint, decoder: Decoder, enters: int | None, *, index: int) -> UNetPoint:
    """What is left of a U-Net that is cut at a point of its encoder, whose feature enters that decoder stage."""
    params, macs = decoder.entered(enters, point.channels) if enters is not None else (decoder.params, decoder.macs)
    stages = decoder.stages[enters or 0 :]
    more = 0 if enters is None else point.channels - stages[0].channels
    known = {field.name: getattr(point, field.name) for field in fields(TruncationPoint)}
    return UNetPoint(
        **known | {"index": index, "params": point.params + params, "macs": point.macs + macs},
        encoder_params=point.params,
        encoder_macs=point.macs,
        enters=enters,
        skips=tuple(stage.skip for stage in stages if stage.skip),
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
    params, macs = (costs[-1] for costs in _running_costs(graph))
    shape = _shape(graph, (op,))
    rest = replace(
        last,
        index=last.index + 1,
        name=op.modules[-1] if op.modules else output.name,
        kind="layer",
        stage=last.stage + 1,
        channels=shape[0],
        reduction=_reductions([last.shape, shape], [0, 0], graph.image_size)[-1],
        params=params,
        macs=macs,
        shape=shape,
        values=(output.name,),
    )
    return [rest]


@dataclass(frozen=True)
class _Cut:
    """A segment, the values that are the feature behind it, and the positions of what is taken along beyond it."""

    segment: Segment
    values: tuple[Op, ...]
    beyond: tuple[int, ...] = ()


def _cuts(graph: BlockGraph) -> list[_Cut]:
    at = graph.cuts()
    found = []
    pieces = segments(graph)
    for piece, above in zip(pieces, [*pieces[1:], None], strict=True):
        values = at[piece.last]
        if values is None and above is not None and (heir := graph.heir(piece.last)):
            reads = any(heir[0].node in op.node.all_input_nodes for op in graph.ops[above.first : above.last + 1])
            values = heir if reads else None
        if values is not None:
            found.append(_Cut(piece, values))
    return found


def _finished(graph: BlockGraph, cut: _Cut) -> _Cut:
    """The cut with the norm and the activation that the next block reads it through, if it does."""
    beyond: list[int] = []
    finished = False
    for position in range(cut.segment.last + 1, len(graph.ops)):
        op = graph.ops[position]
        before = {graph.ops[beyond[-1]].node} if beyond else {value.node for value in cut.values}
        if not before & set(op.node.all_input_nodes):
            continue
        joins = not beyond and len(cut.values) > 1
        if not (joins or graph.is_norm(op) or (finished and graph.is_activation(op))):
            break
        finished = finished or graph.is_norm(op)
        beyond.append(position)
    if not finished:
        return cut
    return replace(cut, values=(graph.ops[beyond[-1]],), beyond=tuple(beyond))


def _priced(graph: BlockGraph, cuts: list[_Cut], missing: Collection[str]) -> list[TruncationPoint]:
    params, macs = _running_costs(graph)
    axes = [graph.channel_axis(cut.values[0]) for cut in cuts]
    shapes = [_shape(graph, cut.values) for cut in cuts]
    reductions = _reductions(shapes, axes, graph.image_size)
    absent = _absent(graph, missing)
    points = []
    stage = 1
    for i, cut in enumerate(cuts):
        last = cut.segment.last
        taken_along = [graph.ops[position] for position in cut.beyond]
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
                image_size=graph.image_size,
                channel_axis=axes[i],
                image_channels=graph.image_channels,
                is_finished=bool(cut.beyond),
                is_within_weights=max((last, *cut.beyond)) < absent,
                values=tuple(op.node.name for op in cut.values),
            )
        )
        stage += ends
    return points


def _running_costs(graph: BlockGraph) -> tuple[list[int], list[int]]:
    """Params and MACs of everything up to and including each operation; a shared parameter counts once."""
    seen: set[int] = set()
    params, macs = [], []
    total_params = total_macs = 0
    for op in graph.ops:
        for parameter in op.parameters:
            if id(parameter) not in seen:
                seen.add(id(parameter))
                total_params += parameter.numel()
        total_macs += op.macs
        params.append(total_params)
        macs.append(total_macs)
    return params, macs


def _absent(graph: BlockGraph, missing: Collection[str]) -> int:
    """The position of the first operation that uses one of the tensors named in `missing`."""
    holders = {name.rsplit(".", i)[0] for name in missing for i in range(name.count(".") + 1)}
    uses = (i for i, op in enumerate(graph.ops) if op.node.op in ("call_module", "get_attr"))
    return next((i for i in uses if str(graph.ops[i].node.target) in holders), len(graph.ops))


def _shape(graph: BlockGraph, values: tuple[Op, ...]) -> tuple[int, ...]:
    """The shape of the concatenation of `values`, without the batch."""
    first = (values[0].shape or (1,))[1:]
    if len(values) == 1:
        return first
    return (sum(op.shape[1] for op in values if op.shape is not None), *first[1:])


def _reductions(shapes: list[tuple[int, ...]], axes: list[int], image_size: int) -> list[int]:
    """The stride of each feature against the image: of the sides, were the feature's positions a square.

    Unpadded convolutions, odd sizes and class tokens make the ratio of the sides no whole number: then the
    stride is the nominal one, a power of two times the one before. Behind global pooling it stays what it was.
    """
    reductions: list[int] = []
    for shape, axis in zip(shapes, axes, strict=True):
        positions = prod(shape[:axis] + shape[axis + 1 :])
        ratio = image_size / positions**0.5
        before = reductions[-1] if reductions else 1
        whole = abs(ratio - round(ratio)) <= 0.003 * ratio and round(ratio) % before == 0
        if positions == 1 and reductions and before * 2 < ratio:
            reductions.append(before)
        else:
            reductions.append(round(ratio) if whole else max(1, round(before * 2.0 ** round(log2(ratio / before)))))
    return reductions
