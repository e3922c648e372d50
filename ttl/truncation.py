"""Where a network can be cut, and cutting it: `truncation_points` and `truncate`."""

from __future__ import annotations

import copy
import difflib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from math import log2
from typing import Any, overload

import torch
from torch import fx, nn

from ttl.blocks import Segment, segments
from ttl.errors import ModelError, PointError
from ttl.graph import BlockGraph, Op, trace, walk
from ttl.head import HEAD, Head


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
    values: tuple[str, ...]
    """The values of the walked graph whose channel concatenation is the feature here."""


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
        rows = [f"{'#':>4} {'point':<{width}} stage  chan. stride   params     MACs"]
        for p in self:
            mark = "*" if p.is_stage_end else " "
            rows.append(
                f"{p.index:>4} {p.name:<{width}} {p.stage:>4}{mark} {p.channels:>6} {p.reduction:>6} "
                f"{p.params / 1e6:>7.3f}M {p.macs / 1e9:>7.3f}G"
            )
        rows.append("* the last point of its stage; params and MACs are of everything up to the point")
        if self.without_formula:
            rows.append(f"MACs unknown and left out: {_listed(self.without_formula)}")
        return "\n".join(rows)


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} x {count}" for name, count in sorted(counts.items()))


def truncation_points(model: nn.Module, *, image_size: int = 224, channels: int = 3) -> TruncationPoints:
    """All the places where `model` can be cut, with the cost of what lies below each.

    Example:
        >>> import timm, ttl
        >>> points = ttl.truncation_points(timm.create_model("resnet10t"), image_size=64)
        >>> [point.name for point in points]
        ['maxpool', 'layer1.0', 'layer2.0', 'layer3.0', 'layer4.0']

    Args:
        model: any network that takes images `(n, channels, height, width)`; it is left as it is.
        image_size: the side of the square image that MACs and reductions are given for, in pixels.
        channels: the image's channels.

    Raises:
        ModelError: the model can't be walked, or can be cut nowhere.
    """
    graph = walk(model, image_size=image_size, channels=channels)
    cuts = graph.cuts()
    found = [
        (segment, values)
        for segment in segments(graph)
        if (values := cuts[segment.last]) is not None and _channels(values)
    ]
    if not found:
        raise ModelError(
            f"{type(model).__name__} can be cut nowhere: behind none of its blocks is there a single feature map"
        )
    return TruncationPoints(_priced(graph, found), without_formula=dict(graph.macs_without_formula))


def _priced(graph: BlockGraph, found: list[tuple[Segment, tuple[Op, ...]]]) -> list[TruncationPoint]:
    params, macs = _running_costs(graph)
    reductions = _reductions([values[0].shape or () for _, values in found], graph.image_size)
    points = []
    stage = 1
    for i, (segment, values) in enumerate(found):
        is_last = i + 1 == len(found)
        ends = is_last or reductions[i + 1] > reductions[i]
        shape = values[0].shape or ()
        channels = _channels(values)
        if len(values) > 1:
            shape = (1, channels, *shape[2:])
        points.append(
            TruncationPoint(
                index=i + 1,
                name=segment.name,
                kind=segment.kind,
                stage=stage,
                is_stage_end=ends,
                channels=channels,
                reduction=reductions[i],
                params=params[segment.last],
                macs=macs[segment.last],
                shape=tuple(shape[1:]),
                image_size=graph.image_size,
                values=tuple(op.node.name for op in values),
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


def _channels(values: tuple[Op, ...]) -> int:
    return sum(channel_count(op.shape[1:]) for op in values if op.shape is not None)


def channel_count(shape: tuple[int, ...]) -> int:
    """Channels of a feature of `shape` (without the batch): a map, a sequence of tokens, or a vector."""
    return shape[channel_axis(shape)] if shape else 0


def channel_axis(shape: tuple[int, ...]) -> int:
    """Which axis of `shape` (without the batch) holds the channels.

    Maps are `(channels, height, width)` unless height and width are the first two alone that agree
    (`(height, width, channels)`, as in Swin); tokens are `(tokens, channels)`.
    """
    if len(shape) == 3:
        return 2 if shape[0] == shape[1] != shape[2] else 0
    return len(shape) - 1


def _reductions(shapes: list[tuple[int, ...]], image_size: int) -> list[int]:
    """The stride of each feature `(1, …)` against the image.

    Unpadded convolutions and class tokens make the ratio of sides no whole number: then it is the nominal
    stride, a power of two (or the whole number next to it). Behind global pooling it stays what it was.
    """
    reductions: list[int] = []
    for shape in shapes:
        side = shape[2] if len(shape) == 4 else shape[1] ** 0.5 if len(shape) == 3 else 1
        ratio = image_size / side
        pooled = len(shape) == 2 or (side == 1 and reductions and reductions[-1] * 2 < ratio)
        if pooled and reductions:
            reductions.append(reductions[-1])
        elif abs(ratio - round(ratio)) <= 0.003 * ratio:
            reductions.append(round(ratio))
        else:
            reductions.append(2 ** round(log2(ratio)))
    return reductions


def truncate(
    model: nn.Module,
    point: TruncationPoint,
    *,
    num_classes: int | None,
    pool: str = "avg",
    dropout: float = 0.0,
    seed: int = 0,
) -> fx.GraphModule:
    """A new model: `model` up to `point`, then a head (pooling, dropout, linear) for `num_classes`.

    What is kept keeps its state-dict names, weights and train/eval behaviour, as copies: `model` is left as
    it is. The head is the submodule `ttl_head`. In eval mode the feature at the cut is, bit for bit, what
    `model` computes there; that is checked on a random image before the result is returned.

    Example:
        >>> import timm, torch, ttl
        >>> model = timm.create_model("resnet10t")
        >>> points = ttl.truncation_points(model, image_size=64)
        >>> small = ttl.truncate(model, points["layer2.0"], num_classes=2)
        >>> small(torch.zeros(1, 3, 64, 64)).shape
        torch.Size([1, 2])

    Args:
        model: the network that `point` came from.
        point: one of `truncation_points(model)`.
        num_classes: outputs of the head; None gives no head but the feature itself.
        pool: `avg`, `max`, `avgmax` (their mean), or `none` (flatten; fixes the image size).
        dropout: probability of dropout before the linear layer.
        seed: of the head's random weights; the caller's generator is left alone.

    Raises:
        PointError: the point isn't one of this model's.
        ModelError: the cut model doesn't compute what the model computes.
    """
    graph, constants = trace(model)
    nodes = {node.name: node for node in graph.nodes}
    missing = [name for name in point.values if name not in nodes]
    if missing:
        raise _foreign(point, model, f"it has no value {missing[0]}")
    kept = _ancestors([nodes[name] for name in point.values])
    features = _below(graph, kept, point)
    parts = _parts(model, features, constants)
    small = fx.GraphModule(parts, features, class_name="TruncatedModel")
    _restore_buffers(small, model, features)
    params = sum(parameter.numel() for parameter in small.parameters())
    if params != point.params:
        raise _foreign(point, model, f"there are {params} parameters up to there, not {point.params}")
    _check(model, graph, constants, point, small)
    if num_classes is not None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            head = Head(point.shape, channel_axis(point.shape), num_classes, pool=pool, dropout=dropout)
        _attach(small, head.to(next(model.parameters()).device))
    return small.train(model.training)


def _foreign(point: TruncationPoint, model: nn.Module, reason: str) -> PointError:
    return PointError(
        f"Point {point.name} isn't one of this {type(model).__name__}'s ({reason}): "
        "take the points from ttl.truncation_points of the same model"
    )


def _ancestors(values: list[fx.Node]) -> set[fx.Node]:
    kept: set[fx.Node] = set()
    stack = list(values)
    while stack:
        node = stack.pop()
        if node not in kept:
            kept.add(node)
            stack += node.all_input_nodes
    return kept


def _below(graph: fx.Graph, kept: set[fx.Node], point: TruncationPoint) -> fx.Graph:
    """A new graph of the kept nodes, whose output is the feature at `point`."""
    below = fx.Graph()
    copies: dict[fx.Node, fx.Node] = {}
    for node in graph.nodes:
        # A statement like `x.relu_()` has no reader and works all the same.
        works_in_place = str(node.target).endswith("_") and node.op == "call_method"
        if node in kept or (works_in_place and node.args[0] in kept and not node.users):
            copies[node] = below.node_copy(node, copies.__getitem__)
    values = [copies[node] for node in graph.nodes if node.name in point.values]
    feature = values[0] if len(values) == 1 else below.call_function(torch.cat, (values, 1))
    below.output(feature)
    return below


def _parts(model: nn.Module, graph: fx.Graph, constants: dict[str, torch.Tensor]) -> dict[str, Any]:
    """Copies of the modules, parameters and buffers that `graph` names, shared ones still shared."""
    parts: dict[str, Any] = {}
    for node in graph.nodes:
        if node.op == "call_module":
            parts[node.target] = model.get_submodule(node.target)
        elif node.op == "get_attr":
            known = node.target in constants
            parts[node.target] = constants[node.target] if known else _get(model, node.target)
    return copy.deepcopy(parts)


def _get(model: nn.Module, target: str) -> Any:
    path, _, name = target.rpartition(".")
    return getattr(model.get_submodule(path), name)


def _restore_buffers(small: fx.GraphModule, model: nn.Module, graph: fx.Graph) -> None:
    """GraphModule makes every tensor it is given a buffer of the state dict: undo that where it wasn't one."""
    saved = set(model.state_dict())
    for node in graph.nodes:
        if node.op == "get_attr" and node.target not in saved:
            path, _, name = node.target.rpartition(".")
            small.get_submodule(path)._non_persistent_buffers_set.add(name)


def _attach(small: fx.GraphModule, head: Head) -> None:
    small.add_module(HEAD, head)
    output = next(node for node in reversed(small.graph.nodes) if node.op == "output")
    with small.graph.inserting_before(output):
        logits = small.graph.call_module(HEAD, (output.args[0],))
    output.args = (logits,)
    small.recompile()


def _check(
    model: nn.Module,
    graph: fx.Graph,
    constants: dict[str, torch.Tensor],
    point: TruncationPoint,
    small: fx.GraphModule,
) -> None:
    """The walked graph computes what the model computes, and `small` what the graph has at `point`."""
    unknown = set(small.state_dict()) - set(model.state_dict())
    if unknown:
        raise ModelError(f"The model cut at {point.name} has a state that the whole has not: {min(unknown)}")
    like = next(model.parameters())
    generator = torch.Generator().manual_seed(0)
    side = point.image_size
    image = torch.randn(1, _image_channels(graph, model), side, side, generator=generator).to(like)
    small.eval()
    tap = _Tap(model, graph, constants, point.values)
    with _eval_mode(model), torch.no_grad():
        traced = tap.run(image.clone())
        agrees = _same(traced, model(image.clone()))
        feature = tap.taken[0] if len(tap.taken) == 1 else torch.cat(tap.taken, 1)
        same = torch.equal(small(image.clone()), feature)
    if not (agrees and same):
        raise ModelError(
            f"{type(model).__name__} cut at {point.name} doesn't compute what the whole network computes there; "
            "its forward can't be followed by tracing"
        )


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, (tuple, list)):
        return len(a) == len(b) and all(_same(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, dict):
        return _same(list(a.values()), list(b.values()))
    return torch.equal(a, b) if isinstance(a, torch.Tensor) else True


class _Tap(fx.Interpreter):
    """Runs a graph on a model and keeps copies of some values: a later in-place operation may change them."""

    def __init__(
        self, model: nn.Module, graph: fx.Graph, constants: dict[str, torch.Tensor], values: tuple[str, ...]
    ) -> None:
        super().__init__(model, graph=graph)
        self.constants = constants
        self.values = values
        self.taken: list[torch.Tensor] = []

    def get_attr(self, target: Any, args: Any, kwargs: Any) -> Any:
        return self.constants[target] if target in self.constants else super().get_attr(target, args, kwargs)

    def run_node(self, n: fx.Node) -> Any:
        value = super().run_node(n)
        if n.name in self.values:
            self.taken.append(value.clone())
        return value


def _image_channels(graph: fx.Graph, model: nn.Module) -> int:
    """The channels of the images that the model takes: the input width of its first convolution."""
    for node in graph.nodes:
        if node.op == "call_module":
            for parameter in model.get_submodule(node.target).parameters():
                if parameter.dim() == 4:
                    return int(parameter.shape[1])
    return 3


@contextmanager
def _eval_mode(model: nn.Module) -> Iterator[None]:
    flags = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, flag in flags:
            module.training = flag
