"""A model as a graph of operations: symbolic tracing that doesn't give up at the first branch.

Three things stop a plain symbolic trace, and each has one general answer, never a list of architectures:

- A module reads its own training flag: it stays whole, so that train and eval mode both work in it.
- A module branches on sizes: it stays whole, too, so that every size takes its own branch.
- It branches on sizes and *holds blocks* (the model itself, an encoder): staying whole would hide the places
  to cut. Then the branch that an image of the traced size takes is followed, and the graph says so where
  an image of another size would have taken the other.
"""

from __future__ import annotations

import copy
import inspect
import operator
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import fx, nn
from torch.utils._pytree import tree_map_only

from ttl.errors import ModelError
from ttl.words.sides import ImageSize, sides_of

BATCHES = (1, 3)  # of one image, and of several: a followed branch must be the same for both


@dataclass(frozen=True, eq=False)
class Traced:
    """A model's graph as it runs in eval mode, and the constant tensors that its forward makes, by name."""

    model: nn.Module
    graph: fx.Graph
    constants: dict[str, torch.Tensor]

    @property
    def nodes(self) -> dict[str, fx.Node]:
        """By name, in execution order."""
        return {node.name: node for node in self.graph.nodes}


def output_of(graph: fx.Graph) -> fx.Node:
    """The node that returns what a graph computes."""
    output: fx.Node = next(node for node in reversed(graph.nodes) if node.op == "output")
    return output


def ancestors(values: Iterable[fx.Node]) -> set[fx.Node]:
    """The nodes that `values` are computed from, themselves included."""
    kept: set[fx.Node] = set()
    stack = list(values)
    while stack:
        node = stack.pop()
        if node not in kept:
            kept.add(node)
            stack += node.all_input_nodes
    return kept


def trace(model: nn.Module, *, image_size: ImageSize = 224, channels: int = 3) -> Traced:
    """Trace a model that takes images `(n, channels, *sides)`, for the size whose branches are followed.

    It is left as it is. Modules stay whole (one operation) where they have no parts, are of a class of torch.nn (norms
    and dropout with their subclasses: train and eval mode still work in them), read their own training flag, or can't
    be traced through and hold no blocks.

    Raises:
        ModelError: the model can't be traced: its control flow depends on more than the image's size.
    """
    whole: set[type[nn.Module]] = set()
    steered: set[type[nn.Module]] = set()
    while True:
        tracer = _Tracer(whole, steered, (channels, *sides_of(image_size)))
        try:
            traced = tracer.run(model)
        except _UntraceableError as stop:
            path, module = stop.args
            kind = type(module)
            if kind not in steered and (module is model or _holds_blocks(module)):
                steered.add(kind)
            elif kind not in whole and module is not model:
                whole.add(kind)
            else:
                cause = stop.__cause__
                raise ModelError(
                    f"{type(model).__name__} can't be walked: {kind.__name__} "
                    f"{path or '(the model itself)'} stopped it with {type(cause).__name__}: "
                    f"{first_line(cause)}; give a network whose control flow depends on nothing but sizes"
                ) from cause
            continue
        readers = {type(m) for m in tracer.read_training if m is not model} - whole
        if not readers:
            return traced
        whole |= readers


def same_branch(value: Any, taken: Any, where: str) -> None:
    """A followed branch, as an operation of the graph: `value` decided it, and was `taken` when it was traced.

    Raises:
        ModelError: it isn't: the graph doesn't hold for this image.
    """
    if value != taken:
        raise ModelError(
            f"The forward of {where} takes another branch for an image of this size than for the one that the "
            "network was cut for: cut it for this size"
        )


class _UntraceableError(Exception):
    """Its arguments: the path of the module that can't be traced through, and the module."""


class _Tracer(fx.Tracer):
    def __init__(
        self, whole: set[type[nn.Module]], steered: set[type[nn.Module]], image_shape: tuple[int, ...]
    ) -> None:
        super().__init__()
        self.whole, self.steered = whole, steered
        self.image_shape = image_shape
        self.read_training: list[nn.Module] = []
        self.inside: list[nn.Module] = []
        self.sizes: list[_Sizes] = []
        self.plain = (nn.Module.__call__, nn.Module.__getattr__)

    def run(self, model: nn.Module) -> Traced:
        before = {module: dict(vars(module)) for module in model.modules()}
        self.inside = [model]
        try:
            with _eval_flags(self.read_training):
                graph = self.trace(model, _optional(model))
        except _UntraceableError:
            raise
        except Exception as error:
            raise _UntraceableError("", model) from error
        finally:
            # The tracer hangs constant tensors on the model it traces: they are taken off again.
            constants = {name: value for name, value in vars(model).items() if name not in before[model]}
            for module, attributes in before.items():
                _put_back(module, attributes)
        return Traced(model, graph, constants)

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return type(m) in self.whole or next(m.children(), None) is None or _of_torch(m)

    def call_module(self, m: nn.Module, forward: Any, args: Any, kwargs: Any) -> Any:
        self.inside.append(m)
        try:
            return super().call_module(m, forward, args, kwargs)
        except _UntraceableError:
            raise
        except Exception as error:
            raise _UntraceableError(self.path_of_module(m), m) from error
        finally:
            self.inside.pop()

    def proxy(self, node: fx.Node) -> fx.Proxy:
        return _Answers(node, self) if self.steered else super().proxy(node)

    def to_bool(self, obj: fx.Proxy) -> bool:
        return bool(self.decided(obj, bool)) if self.is_steered else super().to_bool(obj)

    def iter(self, obj: fx.Proxy) -> Iterator[Any]:
        if not self.is_steered:
            return super().iter(obj)
        return iter([operator.getitem(obj, i) for i in range(self.decided(obj, len))])

    @property
    def is_steered(self) -> bool:
        return type(self.inside[-1]) in self.steered

    def decided(self, obj: fx.Proxy, question: Callable[[Any], Any]) -> Any:
        """What the forward asks of a value, at the traced size; a TypeError where more than sizes decides."""
        if not self.sizes:
            self.sizes = [_Sizes(self, torch.empty((n, *self.image_shape), device="meta")) for n in BATCHES]
        try:
            with self.not_tracing():
                values = [sizes.of(obj.node) for sizes in self.sizes]
                answers = [question(value) for value in values]
        except Exception as error:
            raise TypeError(
                f"control flow depends on more than sizes, at {obj.node.name} ({first_line(error)})"
            ) from error
        if len(set(answers)) > 1:
            raise TypeError(f"control flow depends on the batch size ({obj.node.name})")
        if not isinstance(values[0], (tuple, list)):  # how many sizes a tensor has is the same for every image
            self.create_proxy("call_function", same_branch, (obj, values[0], type(self.inside[-1]).__name__), {})
        return answers[0]

    @contextmanager
    def not_tracing(self) -> Iterator[None]:
        """Modules run as outside of a trace, which replaces two methods on torch's class: not for several threads."""
        traced = (nn.Module.__call__, nn.Module.__getattr__)
        already_read = len(self.read_training)
        nn.Module.__call__, nn.Module.__getattr__ = self.plain  # type: ignore[method-assign]
        try:
            yield
        finally:
            nn.Module.__call__, nn.Module.__getattr__ = traced  # type: ignore[method-assign]
            del self.read_training[already_read:]


def _put_back(module: nn.Module, attributes: dict[str, Any]) -> None:
    """Undo what a traced forward wrote into a module: LeViT's attention keeps what it computed in a dict."""
    vars(module).clear()
    vars(module).update(attributes)
    for store in (value for value in attributes.values() if isinstance(value, dict)):
        for key, value in list(store.items()):
            if isinstance(key, fx.Proxy) or isinstance(value, fx.Proxy):
                del store[key]


class _Answers(fx.Proxy):
    """A traced value that says what it is where the forward's course depends on it."""

    tracer: _Tracer

    def __getattr__(self, name: str) -> _Attribute:
        return _Attribute(self, name)

    def __index__(self) -> int:
        return int(self._answer(operator.index))

    def __int__(self) -> int:
        return int(self._answer(int))

    def __len__(self) -> int:
        return int(self._answer(len))

    def _answer(self, question: Callable[[Any], Any]) -> Any:
        if not self.tracer.is_steered:
            raise TypeError(f"symbolically traced variable {self.node.name} can't be used as a number")
        return self.tracer.decided(self, question)


class _Attribute(_Answers, fx.proxy.Attribute):
    """`x.shape`, `x.ndim` and the like."""


class MetaInterpreter(fx.Interpreter):
    """Runs a graph on meta tensors, with stand-ins of the modules that hold nothing but shapes."""

    def __init__(self, traced: Traced) -> None:
        super().__init__(traced.model, garbage_collect_values=False, graph=traced.graph)
        self.extra_traceback = False
        self.constants = traced.constants

    def fetch_attr(self, target: str) -> Any:
        """A module, parameter or buffer, or the tensor that the trace found in the forward: its stand-in."""
        return _shadow(self.constants[target] if target in self.constants else super().fetch_attr(target))

    def call_function(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The function on meta tensors, also where the forward made its tensors on the model's own device."""
        args, kwargs = tree_map_only(torch.device, lambda _: torch.device("meta"), (args, kwargs))
        return super().call_function(target, args, kwargs)


class _Sizes(MetaInterpreter):
    """The values of a graph that is still being traced, for one image shape."""

    def __init__(self, tracer: _Tracer, image: torch.Tensor) -> None:
        super().__init__(Traced(tracer.root, tracer.graph, {}))
        self.args_iter = iter([image])

    def of(self, node: fx.Node) -> Any:
        for earlier in self.graph.nodes:
            if earlier not in self.env:
                with torch.no_grad():
                    self.env[earlier] = None if earlier.target is same_branch else self.run_node(earlier)
            if earlier is node:
                break
        return self.env[node]


def _of_torch(module: nn.Module) -> bool:
    """Whether it is a layer of torch's, or derived from one: a norm with its activation, for instance."""
    containers = (nn.Module, nn.Sequential, nn.ModuleList, nn.ModuleDict)
    return any(c.__module__.startswith("torch.nn") and c not in containers for c in type(module).__mro__)


def _holds_blocks(module: nn.Module) -> bool:
    """Whether several parts of one class with two or more weight layers each are inside."""
    blocks = Counter(
        type(part)
        for part in module.modules()
        if part is not module
        and not type(part).__module__.startswith("torch.nn")
        and sum(parameter.dim() > 1 for parameter in part.parameters()) > 1
    )
    return max(blocks.values(), default=0) > 1


def _optional(model: nn.Module) -> dict[str, Any]:
    """The forward's optional arguments at their defaults: a mask that is None must not be traced as a tensor."""
    parameters = inspect.signature(model.forward).parameters.values()
    return {p.name: p.default for p in parameters if p.default is not p.empty}


@contextmanager
def _eval_flags(read_by: list[nn.Module]) -> Iterator[None]:
    """Every module reads `training` as False meanwhile, by a descriptor on the class; those that ask are noted."""

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


def _shadow(value: Any) -> Any:
    """A tensor's or module's stand-in on the meta device, in eval mode; the original is left as it is."""
    if isinstance(value, torch.Tensor):
        empty = torch.empty_like(value, device="meta")
        return nn.Parameter(empty, requires_grad=False) if isinstance(value, nn.Parameter) else empty
    if not isinstance(value, nn.Module):
        return value
    if next(value.children(), None) is not None and not _of_torch(value):
        memo = {id(tensor): _shadow(tensor) for tensor in (*value.parameters(), *value.buffers())}
        shadow = copy.deepcopy(value, memo)
        shadow.eval()  # some override train() and return nothing
        return shadow
    # Copying a module by hand takes a tenth of the time of a deep copy.
    shadow = copy.copy(value)
    for store in ("_parameters", "_buffers", "_modules"):
        vars(shadow)[store] = {name: _shadow(part) for name, part in vars(value)[store].items()}
    shadow.training = False
    return shadow


def first_line(error: BaseException | None) -> str:
    """The first line of an error's message."""
    return str(error).strip().split("\n", 1)[0]
