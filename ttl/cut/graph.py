"""The walker: a model's operations in execution order, each with the module it belongs to.

`walk` traces a model symbolically and measures every operation (output shapes, MACs, parameters) in one
pass without computing anything. The result is the `BlockGraph`; where it can be cut is read off its
*live sets*: the feature maps computed so far that a later operation still needs.
"""

from __future__ import annotations

import operator
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from torch import fx, nn

from ttl.cut.macs import MacCounter
from ttl.cut.trace import MetaInterpreter, first_line, trace
from ttl.errors import ModelError
from ttl.words.sides import ImageSize, Sides, across, sides_of

NORMS = (
    nn.modules.batchnorm._NormBase,
    nn.GroupNorm,
    nn.LayerNorm,
    nn.RMSNorm,
)
CHANNELS_FIRST = (nn.modules.conv._ConvNd, nn.modules.batchnorm._NormBase, nn.GroupNorm)
CHANNELS_LAST = (nn.Linear, nn.LayerNorm, nn.RMSNorm)
ACTIVATIONS = frozenset({"relu", "relu6", "silu", "gelu", "hardswish", "leaky_relu", "elu", "mish", "sigmoid", "tanh"})
MOVES_AXES = frozenset({"permute", "transpose", "movedim", "view", "reshape", "flatten", "unflatten"})


@dataclass(frozen=True)
class Op:
    """One operation of the walked model."""

    node: fx.Node
    """Its node in `BlockGraph.graph`."""
    modules: tuple[str, ...]
    """The paths of the modules that it ran in, outermost first, the root left out."""
    shape: tuple[int, ...] | None
    """The shape of the tensor it returned, batch first; None for anything but one tensor."""
    is_feature: bool
    """Whether it returned tensors computed from the image."""
    macs: int
    """Multiply-adds for one image."""
    parameters: tuple[nn.Parameter, ...]
    """The parameters it uses."""


@dataclass(frozen=True)
class BlockGraph:
    """A model's operations in execution order, only those that its output needs."""

    graph: fx.Graph
    ops: tuple[Op, ...]
    kinds: dict[str, type[nn.Module]]
    """Module path -> class, of every module that was traced."""
    constants: dict[str, torch.Tensor]
    """Tensors that the model makes in its forward, by the name they have in `graph`."""
    sides: Sides
    """Of the image that it was measured for, in pixels."""
    image_channels: int
    macs_without_formula: Counter[str] = field(default_factory=Counter)
    """Operations that cost something unknown, and how often each ran."""

    @cached_property
    def live_sets(self) -> list[tuple[Op, ...]]:
        """For each position (after operation i): the features that a later operation still needs."""
        order = dict(self._order)
        order.update({node: len(self.ops) for node in self.graph.nodes if node.op == "output"})
        last_use = [max((order.get(user, -1) for user in op.node.users), default=-1) for op in self.ops]
        live: list[int] = []
        sets = []
        for i, op in enumerate(self.ops):
            live = [j for j in live if last_use[j] > i]
            if op.is_feature and last_use[i] > i:
                live.append(i)
            sets.append(tuple(self.ops[j] for j in live))
        return sets

    def cuts(self) -> list[tuple[Op, ...] | None]:
        """For each position (after operation i): the values that make the one feature map there.

        None where the network can't be cut: several feature maps are live, and the next operation
        doesn't concatenate exactly those. Several vectors are one where linear classifiers alone read them.
        """
        sets = self.live_sets
        return [
            live if _is_one_map(live) or self._concatenated_next(i, live) or self._classified(live) else None
            for i, live in enumerate(sets)
        ]

    def sole_survivor(self, position: int) -> tuple[Op, ...] | None:
        """The live map (after operation `position`) that all other live ones went into, if there is such a one.

        Nothing is lost when the network is cut at it alone, though what comes next reads the others again:
        the cells of NASNet read the last two, ViTs with a query for all blocks of a stage read that query.
        """
        live = self.live_sets[position]
        if not _is_one_map(live[-1:]):
            return None
        others = {self._order[op.node] for op in live[:-1]}
        return live[-1:] if others <= self._sources[self._order[live[-1].node]] else None

    def below(self, names: Collection[str]) -> list[Op]:
        """The operations that the values of these names are computed from, and those that give them, in order."""
        last = {i for i, op in enumerate(self.ops) if op.node.name in names}
        return [self.ops[i] for i in sorted(last.union(*(self._sources[i] for i in last)))]

    def is_norm(self, op: Op) -> bool:
        """Whether it is a normalisation, of torch or of a library's own."""
        kind = self.kind(op)
        return kind is not None and (issubclass(kind, NORMS) or "Norm" in kind.__name__)

    def is_activation(self, op: Op) -> bool:
        """Whether it works on each number by itself, without parameters."""
        kind = self.kind(op)
        if kind is not None:
            return kind.__module__.startswith("torch.nn.modules.activation") or kind is nn.Identity
        return _function(op.node).rstrip("_") in ACTIVATIONS

    def kind(self, op: Op) -> type[nn.Module] | None:
        """The class of the module that it is a call of; None for functions."""
        return self.kinds[str(op.node.target)] if op.node.op == "call_module" else None

    def moves_axes(self, op: Op) -> bool:
        """Whether it changes which axis means what, or may: a permutation, a reshaping."""
        kind = self.kind(op)
        return (kind.__name__.lower() if kind else _function(op.node)) in MOVES_AXES

    def channel_axis(self, op: Op) -> int:
        """Which axis of its shape, the batch left out, holds the channels.

        The last of tokens and vectors; of a map the axis as wide as the parameters that it comes from, or
        else that it goes into.
        """
        shape = (op.shape or ())[1:]
        if len(shape) != 3:
            return max(0, len(shape) - 1)
        if op.node not in self._axes:
            told = self._axis(op, forward=False)
            self._axes[op.node] = self._axis(op, forward=True) if told is None else told
        axis = self._axes[op.node]
        if axis is not None:
            return axis
        return 2 if shape[0] == shape[1] != shape[2] else 0

    def _axis(self, start: Op, *, forward: bool) -> int | None:
        """The axis that parameters in the neighbourhood tell, through operations that leave the axes in place."""
        rank = len(start.shape or ())
        stack, seen = [start], {start.node}
        while stack:
            op = stack.pop()
            moves = self.moves_axes(op)
            if forward and moves and op is not start:
                continue
            if (axis := self._told_by(op, widths_in=forward)) is not None:
                return axis
            if moves and not forward:
                if (axis := self._permuted(op)) is not None:
                    return axis
                continue
            around = op.node.users if forward else op.node.all_input_nodes
            near = [o for o in map(self._by_node.get, around) if o is not None and o.is_feature]
            fresh = [o for o in near if o.node not in seen and len(o.shape or ()) == rank]
            seen.update(o.node for o in fresh)
            stack += reversed(fresh)
        return None

    def _permuted(self, op: Op) -> int | None:
        """The axis behind `x.permute(...)`, from the one before."""
        before = self._by_node.get(op.node.all_input_nodes[0])
        args: tuple[Any, ...] = op.node.args[1:]
        dims = args[0] if len(args) == 1 and isinstance(args[0], (tuple, list)) else args
        if _function(op.node) != "permute" or before is None or not all(isinstance(dim, int) for dim in dims):
            return None
        axis = self._axis(before, forward=False)
        return None if axis is None or axis + 1 not in dims else list(dims).index(axis + 1) - 1

    def _told_by(self, op: Op, *, widths_in: bool) -> int | None:
        """The axis of a module's output (or input) that is as wide as its parameters."""
        kind, shape = self.kind(op), (op.shape or ())[1:]
        if kind is None or not op.parameters:
            return None
        if issubclass(kind, CHANNELS_FIRST):
            return 0
        if widths_in:
            shape = (self._by_node[op.node.all_input_nodes[0]].shape or ())[1:]
        widths = {p.shape[1 if widths_in and p.dim() == 2 else 0] for p in op.parameters if p.dim()}
        axes = [axis for axis, side in enumerate(shape) if side in widths]
        if len(axes) > 1 and issubclass(kind, CHANNELS_LAST):
            return axes[-1]
        return axes[0] if len(axes) == 1 else None

    @cached_property
    def _axes(self) -> dict[fx.Node, int | None]:
        """What was found out about channel axes so far: all points of a dense block begin with the same map."""
        return {}

    @cached_property
    def _order(self) -> dict[fx.Node, int]:
        return {op.node: i for i, op in enumerate(self.ops)}

    @cached_property
    def _by_node(self) -> dict[fx.Node, Op]:
        return {op.node: op for op in self.ops}

    @cached_property
    def _sources(self) -> list[set[int]]:
        """For each operation: the positions of those that it is computed from."""
        sources: list[set[int]] = []
        for op in self.ops:
            inputs = [self._order[node] for node in op.node.all_input_nodes if node in self._order]
            sources.append(set(inputs).union(*(sources[j] for j in inputs)))
        return sources

    def _classified(self, live: tuple[Op, ...]) -> bool:
        if len(live) < 2 or any(len(op.shape or ()) != 2 for op in live):
            return False
        readers = (self._by_node.get(user) for op in live for user in op.node.users)
        kinds = (None if op is None else self.kind(op) for op in readers)
        return all(kind is not None and issubclass(kind, nn.Linear) for kind in kinds)

    def _concatenated_next(self, position: int, live: tuple[Op, ...]) -> bool:
        following = next((op for op in self.ops[position + 1 :] if op.is_feature), None)
        if following is None or following.node.target not in (torch.cat, torch.concat) or len(live) < 2:
            return False
        node = following.node
        axis = node.args[1] if len(node.args) > 1 else node.kwargs.get("dim", 0)
        tensors = node.args[0] if node.args else node.kwargs.get("tensors")
        same_size = len({op.shape[2:] for op in live if op.shape is not None and len(op.shape) == 4}) == 1
        return bool(axis == 1 and same_size and tensors == [op.node for op in live])


def _function(node: fx.Node) -> str:
    """The name of the function or method that it calls."""
    return str(getattr(node.target, "__name__", node.target))


def _is_one_map(live: Sequence[Op]) -> bool:
    if len(live) != 1 or live[0].node.op == "placeholder":
        return False
    shape = live[0].shape
    return shape is not None and len(shape) >= 2


def walk(model: nn.Module, *, image_size: ImageSize = 224, channels: int = 3) -> BlockGraph:
    """Trace `model` and measure each of its operations for one image `(1, channels, *sides)`.

    The model is left as it is, training flags and all.

    Raises:
        ModelError: the model can't be traced or run at this size; the sentence names what stopped it.
    """
    sides = sides_of(image_size)
    graph, constants = trace(model, image_size=sides, channels=channels)
    shapes, macs, without_formula = _measure(model, graph, constants, (1, channels, *sides))
    needed = _needed(graph)
    features = _features(graph, shapes)
    modules = dict(model.named_modules(remove_duplicate=False))
    kinds: dict[str, type[nn.Module]] = {}
    ops = []
    for node in graph.nodes:
        if node not in needed:
            continue
        stack = node.meta.get("nn_module_stack") or {}
        paths = _with_parents(path for path, _ in stack.values())
        kinds.update({path: type(modules[path]) for path in paths})
        if node.op == "call_module":
            used = tuple(modules[str(node.target)].parameters())
        elif node.op == "get_attr" and isinstance(value := _attribute(model, node.target), nn.Parameter):
            used = (value,)
        else:
            used = ()
        ops.append(Op(node, paths, _shape(shapes.get(node)), node in features, macs.get(node, 0), used))
    return BlockGraph(graph, tuple(ops), kinds, constants, sides, channels, without_formula)


def _measure(
    model: nn.Module, graph: fx.Graph, constants: dict[str, torch.Tensor], shape: tuple[int, ...]
) -> tuple[dict[fx.Node, Any], dict[fx.Node, int], Counter[str]]:
    """Outputs (meta tensors) and MACs of each node, from one pass that computes nothing."""
    counter = MacCounter()
    meter = _Meter(model, graph, constants, counter)
    try:
        with torch.no_grad(), counter:
            meter.run(torch.empty(shape, device="meta"))
    except Exception as error:
        where = meter.current
        raise ModelError(
            f"{type(model).__name__} can't be run on an image of {across(shape[2:])} pixels: "
            f"{where.target if where is not None else 'its input'} stopped it with "
            f"{type(error).__name__}: {first_line(error)}; try another --image-size"
        ) from error
    return meter.values, meter.macs, counter.without_formula


class _Meter(MetaInterpreter):
    """Keeps what each node returned, and its MACs."""

    def __init__(
        self, model: nn.Module, graph: fx.Graph, constants: dict[str, torch.Tensor], counter: MacCounter
    ) -> None:
        super().__init__(model, graph, constants)
        self.counter = counter
        self.values: dict[fx.Node, Any] = {}
        self.macs: dict[fx.Node, int] = {}
        self.current: fx.Node | None = None

    def run_node(self, n: fx.Node) -> Any:
        self.current = n
        value = super().run_node(n)
        self.values[n] = value
        self.macs[n] = self.counter.take()
        return value


def _with_parents(called: Iterable[str]) -> tuple[str, ...]:
    """The paths with all that hold them: an `nn.ModuleList` is never called, but it is a place."""
    paths: dict[str, None] = {}
    for path in called:
        parts = path.split(".") if path else []
        paths.update(dict.fromkeys(".".join(parts[: i + 1]) for i in range(len(parts))))
    return tuple(paths)


def _needed(graph: fx.Graph) -> set[fx.Node]:
    needed: set[fx.Node] = set()
    for node in reversed(graph.nodes):
        if node.op == "output" or node in needed:
            needed.update(node.all_input_nodes)
    return needed


def _features(graph: fx.Graph, values: dict[fx.Node, Any]) -> set[fx.Node]:
    """The nodes whose tensors are computed from the image (sizes, positions and parameters are not)."""
    features: set[fx.Node] = set()
    for node in graph.nodes:
        from_image = node.op == "placeholder" or any(arg in features for arg in node.all_input_nodes)
        if from_image and _holds_tensor(values.get(node)):
            features.add(node)
    return features


def _holds_tensor(value: Any) -> bool:
    if isinstance(value, (tuple, list)):
        return any(_holds_tensor(item) for item in value)
    return isinstance(value, torch.Tensor)


def _shape(value: Any) -> tuple[int, ...] | None:
    return tuple(value.shape) if isinstance(value, torch.Tensor) else None


def _attribute(model: nn.Module, target: Any) -> Any:
    try:
        return operator.attrgetter(str(target))(model)
    except AttributeError:
        return None
