"""The walker: a model's operations in execution order, each with the module it belongs to.

`walk` traces a model symbolically and measures every operation (output shapes, MACs, parameters) in one
pass without computing anything. The result is the `BlockGraph`; where it can be cut is read off its
*live sets*: the feature maps computed so far that a later operation still needs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from torch import fx, nn
from torch.utils._pytree import tree_leaves

from ttl.cut.macs import MacCounter
from ttl.cut.trace import MetaInterpreter, Traced, ancestors, first_line, output_of, trace
from ttl.errors import ModelError
from ttl.words.sides import ImageSize, Sides, across, sides_of

NORMS = (nn.modules.batchnorm._NormBase, nn.GroupNorm, nn.LayerNorm, nn.RMSNorm)
ACTIVATIONS = frozenset({"relu", "relu6", "silu", "gelu", "hardswish", "leaky_relu", "elu", "mish", "sigmoid", "tanh"})
MOVES_AXES = frozenset({"permute", "transpose", "movedim", "view", "reshape", "flatten", "unflatten"})


@dataclass(frozen=True)
class Op:
    """One operation of the walked model."""

    node: fx.Node  # its node in `BlockGraph.graph`
    modules: tuple[str, ...]  # the paths of the modules that it ran in, outermost first, the root left out
    shape: tuple[int, ...] | None  # the shape of the tensor it returned, batch first; None for anything but one tensor
    is_feature: bool  # whether it returned tensors computed from the image
    macs: int  # multiply-adds for one image
    parameters: tuple[nn.Parameter, ...]  # the parameters it uses


def costs(ops: Iterable[Op]) -> tuple[int, int]:
    """Params and MACs of some operations; a shared parameter counts once."""
    ops = tuple(ops)
    return sum({id(p): p.numel() for op in ops for p in op.parameters}.values()), sum(op.macs for op in ops)


@dataclass(frozen=True)
class BlockGraph:
    """A model's operations in execution order, only those that its output needs."""

    graph: fx.Graph
    ops: tuple[Op, ...]
    kinds: dict[str, type[nn.Module]]  # module path -> class, of every module that was traced
    sides: Sides  # of the image that it was measured for, in pixels
    image_channels: int
    macs_without_formula: Counter[str] = field(default_factory=Counter)
    """Operations that cost something unknown, and how often each ran."""

    @cached_property
    def live_sets(self) -> list[tuple[Op, ...]]:
        """For each position (after operation i): the features that a later operation still needs."""
        order = {op.node: i for i, op in enumerate(self.ops)} | {output_of(self.graph): len(self.ops)}
        last_use = [max((order.get(user, -1) for user in op.node.users), default=-1) for op in self.ops]
        live: list[int] = []
        sets = []
        for i, op in enumerate(self.ops):
            live = [j for j in live if last_use[j] > i]
            if op.is_feature and last_use[i] > i:
                live.append(i)
            sets.append(tuple(self.ops[j] for j in live))
        return sets

    @cached_property
    def cuts(self) -> list[tuple[Op, ...] | None]:
        """For each position (after operation i): the values that make the one feature map there.

        None where the network can't be cut: several feature maps are live, and the next operation
        doesn't concatenate exactly those. Several vectors are one where linear classifiers alone read them.
        """
        return [
            live if _is_one_map(live) or self._concatenated_next(i, live) or self._classified(live) else None
            for i, live in enumerate(self.live_sets)
        ]

    def sole_survivor(self, position: int) -> tuple[Op, ...] | None:
        """The live map (after operation `position`) that all other live ones went into, if there is such a one.

        Nothing is lost when the network is cut at it alone, though what comes next reads the others again:
        the cells of NASNet read the last two, ViTs with a query for all blocks of a stage read that query.
        """
        live = self.live_sets[position]
        if not _is_one_map(live[-1:]):
            return None
        return live[-1:] if {op.node for op in live} <= ancestors([live[-1].node]) else None

    def below(self, names: Collection[str]) -> list[Op]:
        """The operations that the values of these names are computed from, and those that give them, in order."""
        needed = ancestors(node for node in self.graph.nodes if node.name in names)
        return [op for op in self.ops if op.node in needed]

    def is_norm(self, op: Op) -> bool:
        """Whether it is a normalisation, of torch or of a library's own."""
        kind = self.kind(op)
        return kind is not None and (issubclass(kind, NORMS) or "Norm" in kind.__name__)

    def is_activation(self, op: Op) -> bool:
        """Whether it works on each number by itself, without parameters."""
        kind = self.kind(op)
        if kind is not None:
            return kind.__module__.startswith("torch.nn.modules.activation") or kind is nn.Identity
        return function_of(op.node).rstrip("_") in ACTIVATIONS

    def kind(self, op: Op) -> type[nn.Module] | None:
        """The class of the module that it is a call of; None for functions."""
        return self.kinds[str(op.node.target)] if op.node.op == "call_module" else None

    def moves_axes(self, op: Op) -> bool:
        """Whether it changes which axis means what, or may: a permutation, a reshaping."""
        kind = self.kind(op)
        return (kind.__name__.lower() if kind else function_of(op.node)) in MOVES_AXES

    def op_of(self, node: fx.Node) -> Op | None:
        """The operation of a node; None where the output doesn't need it."""
        return self._by_node.get(node)

    @cached_property
    def _by_node(self) -> dict[fx.Node, Op]:
        return {op.node: op for op in self.ops}

    def _classified(self, live: tuple[Op, ...]) -> bool:
        if len(live) < 2 or any(len(op.shape or ()) != 2 for op in live):
            return False
        readers = (self.op_of(user) for op in live for user in op.node.users)
        kinds = (None if op is None else self.kind(op) for op in readers)
        return all(kind is not None and issubclass(kind, nn.Linear) for kind in kinds)

    def _concatenated_next(self, position: int, live: tuple[Op, ...]) -> bool:
        following = next((op for op in self.ops[position + 1 :] if op.is_feature), None)
        if following is None or following.node.target not in (torch.cat, torch.concat) or len(live) < 2:
            return False
        node = following.node
        axis = node.args[1] if len(node.args) > 1 else node.kwargs.get("dim", 0)
        tensors = node.args[0] if node.args else node.kwargs.get("tensors")
        # On the channels of maps: tokens that are joined along their sequence are another thing.
        same_size = len({op.shape[2:] for op in live if op.shape is not None and len(op.shape) == 4}) == 1
        return bool(axis == 1 and same_size and tensors == [op.node for op in live])


def function_of(node: fx.Node) -> str:
    """The name of the function or method that it calls."""
    return str(getattr(node.target, "__name__", node.target))


def _is_one_map(live: Sequence[Op]) -> bool:
    # The image itself is no cut, and what has a batch axis alone is no map.
    return len(live) == 1 and live[0].node.op != "placeholder" and len(live[0].shape or ()) >= 2


def walk(model: nn.Module, *, image_size: ImageSize = 224, channels: int = 3) -> BlockGraph:
    """Trace `model` and measure each of its operations for one image `(1, channels, *sides)`.

    The model is left as it is, training flags and all.

    Raises:
        ModelError: the model can't be traced or run at this size; the sentence names what stopped it.
    """
    sides = sides_of(image_size)
    traced = trace(model, image_size=sides, channels=channels)
    meter = _measured(traced, (1, channels, *sides))
    needed = ancestors([output_of(traced.graph)])
    features = _features(traced.graph, meter.values)
    modules = dict(model.named_modules(remove_duplicate=False))
    parameters = dict(model.named_parameters(remove_duplicate=False))
    kinds: dict[str, type[nn.Module]] = {}
    ops = []
    for node in traced.graph.nodes:
        if node not in needed or node.op == "output":
            continue
        stack = node.meta.get("nn_module_stack") or {}
        paths = _with_parents(path for path, _ in stack.values())
        kinds.update({path: type(modules[path]) for path in paths})
        used: tuple[nn.Parameter, ...] = ()
        if node.op == "call_module":
            used = tuple(modules[node.target].parameters())
        elif node.op == "get_attr" and node.target in parameters:
            used = (parameters[node.target],)
        value = meter.values.get(node)
        shape = tuple(value.shape) if isinstance(value, torch.Tensor) else None
        ops.append(Op(node, paths, shape, node in features, meter.macs.get(node, 0), used))
    return BlockGraph(traced.graph, tuple(ops), kinds, sides, channels, meter.counter.without_formula)


def _measured(traced: Traced, shape: tuple[int, ...]) -> _Meter:
    """Outputs (meta tensors) and MACs of each node, from one pass that computes nothing."""
    meter = _Meter(traced)
    try:
        with torch.no_grad(), meter.counter:
            meter.run(torch.empty(shape, device="meta"))
    except Exception as error:
        where = meter.current
        raise ModelError(
            f"{type(traced.model).__name__} can't be run on an image of {across(shape[2:])} pixels: "
            f"{where.target if where is not None else 'its input'} stopped it with "
            f"{type(error).__name__}: {first_line(error)}; try another --image-size"
        ) from error
    return meter


class _Meter(MetaInterpreter):
    """Keeps what each node returned, and its MACs."""

    def __init__(self, traced: Traced) -> None:
        super().__init__(traced)
        self.counter = MacCounter()
        self.values: dict[fx.Node, Any] = {}
        self.macs: dict[fx.Node, int] = {}
        self.current: fx.Node | None = None

    def run_node(self, n: fx.Node) -> Any:
        self.current = n
        self.values[n] = super().run_node(n)
        self.macs[n] = self.counter.take()
        return self.values[n]


def _with_parents(called: Iterable[str]) -> tuple[str, ...]:
    """The paths with all that hold them: an `nn.ModuleList` is never called, but it is a place."""
    paths: dict[str, None] = {}
    for path in called:
        parts = path.split(".") if path else []
        paths.update(dict.fromkeys(".".join(parts[: i + 1]) for i in range(len(parts))))
    return tuple(paths)


def _features(graph: fx.Graph, values: dict[fx.Node, Any]) -> set[fx.Node]:
    """The nodes whose tensors are computed from the image (sizes, positions and parameters are not)."""
    features: set[fx.Node] = set()
    for node in graph.nodes:
        from_image = node.op == "placeholder" or not features.isdisjoint(node.all_input_nodes)
        if from_image and any(isinstance(leaf, torch.Tensor) for leaf in tree_leaves(values.get(node))):
            features.add(node)
    return features
