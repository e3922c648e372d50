"""The walker: a model's operations in execution order, each with the module it belongs to.

`walk` traces a model symbolically and measures every operation (output shapes, MACs, parameters) in one
pass without computing anything. The result is the `BlockGraph`; where it can be cut is read off its
*live sets*: the feature maps computed so far that a later operation still needs.
"""

from __future__ import annotations

import copy
import inspect
import operator
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import fx, nn

from ttl.cost.macs import MacCounter
from ttl.errors import ModelError

CONTAINERS = (nn.Module, nn.Sequential, nn.ModuleList, nn.ModuleDict)


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
    image_size: int
    macs_without_formula: Counter[str] = field(default_factory=Counter)
    """Operations that cost something unknown, and how often each ran."""

    def live_sets(self) -> list[tuple[Op, ...]]:
        """For each position (after operation i): the features that a later operation still needs."""
        order = {op.node: i for i, op in enumerate(self.ops)}
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
        doesn't concatenate exactly those.
        """
        sets = self.live_sets()
        return [live if _is_one_map(live) or self._concatenated_next(i, live) else None for i, live in enumerate(sets)]

    def _concatenated_next(self, position: int, live: tuple[Op, ...]) -> bool:
        following = next((op for op in self.ops[position + 1 :] if op.is_feature), None)
        if following is None or following.node.target not in (torch.cat, torch.concat) or len(live) < 2:
            return False
        node = following.node
        axis = node.args[1] if len(node.args) > 1 else node.kwargs.get("dim", 0)
        tensors = node.args[0] if node.args else node.kwargs.get("tensors")
        same_size = len({op.shape[2:] for op in live if op.shape is not None and len(op.shape) == 4}) == 1
        return bool(axis == 1 and same_size and tensors == [op.node for op in live])


def _is_one_map(live: Sequence[Op]) -> bool:
    if len(live) != 1 or live[0].node.op == "placeholder":
        return False
    shape = live[0].shape
    return shape is not None and len(shape) >= 2


def walk(model: nn.Module, *, image_size: int = 224, channels: int = 3) -> BlockGraph:
    """Trace `model` and measure each of its operations for one image `(1, channels, image_size, image_size)`.

    The model is left as it is, training flags and all.

    Raises:
        ModelError: the model can't be traced or run at this size; the sentence names what stopped it.
    """
    graph, constants = trace(model)
    shapes, macs, without_formula = _measure(model, graph, constants, (1, channels, image_size, image_size))
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
    return BlockGraph(graph, tuple(ops), kinds, constants, image_size, without_formula)


def trace(model: nn.Module) -> tuple[fx.Graph, dict[str, torch.Tensor]]:
    """The model's graph as it runs in eval mode, and the constant tensors that its forward makes.

    Modules stay whole (one operation) where they have no parts, are of a class of torch.nn (norms and
    dropout with their subclasses: train and eval mode still work in them), read their own training
    flag, or can't be traced through.

    Raises:
        ModelError: the model's own forward can't be traced.
    """
    whole: set[type[nn.Module]] = set()
    while True:
        tracer = _Tracer(whole)
        try:
            graph, constants = tracer.run(model)
        except _UntraceableError as stop:
            if stop.module is model or type(stop.module) in whole:
                cause = stop.__cause__
                raise ModelError(
                    f"{type(model).__name__} can't be walked: {type(stop.module).__name__}"
                    f" {stop.path or '(the model itself)'} stopped it with {type(cause).__name__}: "
                    f"{_first_line(cause)}; give a network whose forward has no data-dependent control flow"
                ) from cause
            whole.add(type(stop.module))
            continue
        readers = {type(m) for m in tracer.read_training if m is not model} - whole
        if not readers:
            return graph, constants
        whole |= readers


class _UntraceableError(Exception):
    def __init__(self, path: str, module: nn.Module) -> None:
        super().__init__(path)
        self.path = path
        self.module = module


class _Tracer(fx.Tracer):
    def __init__(self, whole: set[type[nn.Module]]) -> None:
        super().__init__()
        self.whole = whole
        self.read_training: list[nn.Module] = []

    def run(self, model: nn.Module) -> tuple[fx.Graph, dict[str, torch.Tensor]]:
        before = set(vars(model))
        try:
            with _eval_flags(self.read_training):
                graph = self.trace(model, _optional(model))
        except _UntraceableError:
            raise
        except Exception as error:
            raise _UntraceableError("", model) from error
        finally:
            # The tracer hangs constant tensors on the model it traces: take them off again.
            constants = {name: vars(model).pop(name) for name in set(vars(model)) - before}
        return graph, constants

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        if type(m) in self.whole or next(m.children(), None) is None:
            return True
        return any(c.__module__.startswith("torch.nn") and c not in CONTAINERS for c in type(m).__mro__)

    def call_module(self, m: nn.Module, forward: Any, args: Any, kwargs: Any) -> Any:
        try:
            return super().call_module(m, forward, args, kwargs)
        except _UntraceableError:
            raise
        except Exception as error:
            raise _UntraceableError(self.path_of_module(m), m) from error


def _optional(model: nn.Module) -> dict[str, Any]:
    """The forward's optional arguments at their defaults: a mask that is None must not be traced as a tensor."""
    parameters = inspect.signature(model.forward).parameters.values()
    return {p.name: p.default for p in parameters if p.default is not p.empty}


@contextmanager
def _eval_flags(read_by: list[nn.Module]) -> Iterator[None]:
    """Every module reads `training` as False meanwhile; those that ask are noted.

    A data descriptor on the class goes before the attribute of the instance, so no module is changed.
    """

    def get(module: nn.Module) -> bool:
        read_by.append(module)
        return False

    def put(module: nn.Module, value: bool) -> None:
        vars(module)["training"] = value

    nn.Module.training = property(get, put)  # type: ignore[assignment]
    try:
        yield
    finally:
        del nn.Module.training


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
            f"{type(model).__name__} can't be run on an image of {shape[2]} x {shape[3]} pixels: "
            f"{where.target if where is not None else 'its input'} stopped it with "
            f"{type(error).__name__}: {_first_line(error)}; try another --image-size"
        ) from error
    return meter.values, meter.macs, counter.without_formula


class _Meter(fx.Interpreter):
    """Runs a graph on meta tensors, with stand-ins of the modules that hold nothing but shapes."""

    def __init__(
        self, model: nn.Module, graph: fx.Graph, constants: dict[str, torch.Tensor], counter: MacCounter
    ) -> None:
        super().__init__(model, graph=graph)
        self.extra_traceback = False
        self.constants = constants
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

    def fetch_attr(self, target: str) -> Any:
        if target in self.constants:
            return _meta(self.constants[target])
        return _shadow(super().fetch_attr(target))


def _shadow(value: Any) -> Any:
    """A tensor's or module's stand-in on the meta device, in eval mode; the original is left as it is."""
    if isinstance(value, torch.Tensor):
        return _meta(value)
    if not isinstance(value, nn.Module):
        return value
    if next(value.children(), None) is not None:
        memo = {id(tensor): _meta(tensor) for tensor in (*value.parameters(), *value.buffers())}
        shadow = copy.deepcopy(value, memo)
        shadow.eval()  # some override train() and return nothing
        return shadow
    # Copying a module without parts by hand takes a tenth of the time of a deep copy.
    shadow = copy.copy(value)
    for store in ("_parameters", "_buffers"):
        tensors = vars(value)[store]
        vars(shadow)[store] = {name: t if t is None else _meta(t) for name, t in tensors.items()}
    shadow.training = False
    return shadow


def _with_parents(called: Iterable[str]) -> tuple[str, ...]:
    """The paths with all that hold them: an `nn.ModuleList` is never called, but it is a place."""
    paths: dict[str, None] = {}
    for path in called:
        parts = path.split(".") if path else []
        paths.update(dict.fromkeys(".".join(parts[: i + 1]) for i in range(len(parts))))
    return tuple(paths)


def _meta(tensor: torch.Tensor) -> torch.Tensor:
    empty = torch.empty_like(tensor, device="meta")
    return nn.Parameter(empty, requires_grad=False) if isinstance(tensor, nn.Parameter) else empty


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


def _first_line(error: BaseException | None) -> str:
    return str(error).strip().split("\n", 1)[0]
