"""Cutting a network at one of its truncation points: `truncate`."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import fx, nn

from ttl.errors import ModelError, PointError
from ttl.head import HEAD, Head
from ttl.points import TruncationPoint
from ttl.trace import same_branch, trace


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
        pool: `avg`, `max`, `avgmax` (their mean), `token` (a transformer's class token), or `none` (flatten;
            fixes the image size).
        dropout: probability of dropout before the linear layer.
        seed: of the head's random weights; the caller's generator is left alone.

    Raises:
        PointError: the point isn't one of this model's.
        ModelError: the cut model doesn't compute what the model computes.
    """
    graph, constants = trace(model, image_size=point.image_size, channels=point.image_channels)
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
        head = new_head(point, num_classes, pool=pool, dropout=dropout, seed=seed)
        _attach(small, head.to(next(model.parameters()).device))
    return small.train(model.training)


def new_head(point: TruncationPoint, num_classes: int, *, pool: str, dropout: float, seed: int) -> Head:
    """A head for `point`, on the CPU; the arguments are those of `truncate`."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Head(point.shape, point.channel_axis, num_classes, pool=pool, dropout=dropout)


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
    for node in graph.nodes:
        # What a followed branch depended on is kept with it, unless that lies above the cut.
        if node.target is same_branch:
            asked = _ancestors([node])
            if not any(other.op == "call_module" for other in asked - kept):
                kept |= asked
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
    image = torch.randn(1, point.image_channels, side, side, generator=generator).to(like)
    small.eval()
    # Copies: a later in-place operation may change a value.
    tap = _Tap(model, graph, constants, dict.fromkeys(point.values, torch.clone))
    with _eval_mode(model), torch.no_grad():
        traced = tap.run(image.clone())
        agrees = _same(traced, model(image.clone()))
        values = [tap.taken[node.name] for node in graph.nodes if node.name in tap.taken]
        feature = values[0] if len(values) == 1 else torch.cat(values, 1)
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
    """Runs a graph on a model and keeps of some values, by their names, what `wanted` makes of them."""

    def __init__(
        self,
        model: nn.Module,
        graph: fx.Graph,
        constants: dict[str, torch.Tensor],
        wanted: Mapping[str, Callable[[torch.Tensor], torch.Tensor]],
    ) -> None:
        super().__init__(model, graph=graph)
        self.constants = constants
        self.wanted = wanted
        self.taken: dict[str, torch.Tensor] = {}

    def get_attr(self, target: Any, args: Any, kwargs: Any) -> Any:
        return self.constants[target] if target in self.constants else super().get_attr(target, args, kwargs)

    def run_node(self, n: fx.Node) -> Any:
        value = super().run_node(n)
        if n.name in self.wanted:
            self.taken[n.name] = self.wanted[n.name](value)
        return value


class Features:
    """The features at many points from one pass of the whole network.

    Args:
        model: the network that the points came from; it is left as it is.
        points: of `truncation_points(model)`.
        reduce: makes of each feature `(n, channels, positions)` what is kept of it, `(n, channels, ...)`; the mean
            over its positions by default.

    Raises:
        PointError: a point isn't one of this model's.
    """

    def __init__(
        self,
        model: nn.Module,
        points: Sequence[TruncationPoint],
        reduce: Callable[[torch.Tensor], torch.Tensor] | None = None,
    ) -> None:
        first = points[0]
        graph, constants = trace(model, image_size=first.image_size, channels=first.image_channels)
        names = [node.name for node in graph.nodes]
        wanted: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {}
        for point in points:
            absent = [name for name in point.values if name not in names]
            if absent:
                raise _foreign(point, model, f"it has no value {absent[0]}")
            kept = partial(_kept, axis=point.channel_axis + 1, reduce=reduce or _mean)
            wanted |= dict.fromkeys(point.values, kept)
        self.model, self.points = model, tuple(points)
        self._tap = _Tap(model, graph, constants, wanted)

    @torch.no_grad()
    def __call__(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        """In eval mode: the name of each point -> what is kept, of images `(n, channels, h, w)`."""
        with _eval_mode(self.model):
            self._tap.run(images)
        taken = self._tap.taken
        return {point.name: torch.cat([taken[name] for name in point.values], 1) for point in self.points}


def _mean(feature: torch.Tensor) -> torch.Tensor:
    return feature.mean(2)


def _kept(feature: torch.Tensor, axis: int, reduce: Callable[[torch.Tensor], torch.Tensor]) -> torch.Tensor:
    """Copied: a later in-place operation may change the feature."""
    channels_first = feature.movedim(axis, 1)
    return reduce(channels_first.reshape(*channels_first.shape[:2], -1)).clone()


@contextmanager
def _eval_mode(model: nn.Module) -> Iterator[None]:
    flags = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, flag in flags:
            module.training = flag
