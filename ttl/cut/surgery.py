"""A traced graph, edited, as a network of its own: only what its output needs, with copies of the weights."""

from __future__ import annotations

import copy
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import fx, nn
from torch.utils._pytree import tree_leaves

from ttl.cut.trace import Traced, ancestors, same_branch

Taken = Callable[[torch.Tensor], torch.Tensor]  # what is kept of a value


def extract(traced: Traced, output: fx.Node, *, class_name: str, more: nn.Module | None = None) -> fx.GraphModule:
    """A new module that computes `output`, a node of the graph, and holds nothing that doesn't go into it.

    What is kept of the model is copied, under its state-dict names. `more` holds what an edited graph names beside the
    model's parts, under the same paths; it isn't copied.
    """
    below = _copied(traced.graph, ancestors([output]), output)
    parts: dict[str, Any] = {}
    added = {} if more is None else dict(more.named_modules())
    for node in below.nodes:
        if node.op in ("call_module", "get_attr") and node.target not in added:
            own = traced.constants.get(node.target)
            parts[node.target] = operator.attrgetter(node.target)(traced.model) if own is None else own
    # All at once: what is shared stays shared.
    small = fx.GraphModule(copy.deepcopy(parts) | added, below, class_name=class_name)
    _restore_buffers(small, traced.model)
    return small


def joined(graph: fx.Graph, values: Sequence[fx.Node]) -> fx.Node:
    """The channel concatenation of `values`, put into `graph` right behind the last of them; one alone is itself."""
    if len(values) == 1:
        return values[0]
    in_order = [node for node in graph.nodes if node in values]
    with graph.inserting_after(in_order[-1]):
        return graph.call_function(torch.cat, (in_order, 1))


def _copied(graph: fx.Graph, kept: set[fx.Node], output: fx.Node) -> fx.Graph:
    """A new graph of the kept nodes, which returns `output`."""
    for node in graph.nodes:
        # What a followed branch depended on is kept with it, unless that lies above the cut.
        if node.target is same_branch:
            asked = ancestors([node])
            if not any(other.op == "call_module" for other in asked - kept):
                kept |= asked
    below = fx.Graph()
    copies: dict[fx.Node, fx.Node] = {}
    for node in graph.nodes:
        # A statement like `x.relu_()` has no reader and works all the same.
        works_in_place = str(node.target).endswith("_") and node.op == "call_method"
        if node in kept or (works_in_place and node.args[0] in kept and not node.users):
            copies[node] = below.node_copy(node, copies.__getitem__)
    below.output(copies[output])
    return below


def _restore_buffers(small: fx.GraphModule, model: nn.Module) -> None:
    """GraphModule makes every tensor it is given a buffer of the state dict: undo that where it wasn't one."""
    saved = set(model.state_dict())
    for node in small.graph.nodes:
        if node.op == "get_attr" and node.target not in saved:
            path, _, name = node.target.rpartition(".")
            small.get_submodule(path)._non_persistent_buffers_set.add(name)


def same(a: object, b: object) -> bool:
    """Whether two outputs hold the same tensors, bit for bit."""
    pairs = zip(tree_leaves(a), tree_leaves(b), strict=True)
    return all(torch.equal(x, y) for x, y in pairs if isinstance(x, torch.Tensor) and isinstance(y, torch.Tensor))


class _Recorder(fx.Interpreter):
    def __init__(self, traced: Traced, wanted: Mapping[str, Taken]) -> None:
        super().__init__(traced.model, graph=traced.graph)
        self.constants, self.wanted = traced.constants, wanted
        self.taken: dict[str, torch.Tensor] = {}

    def get_attr(self, target: Any, args: Any, kwargs: Any) -> Any:
        return self.constants[target] if target in self.constants else super().get_attr(target, args, kwargs)

    def run_node(self, n: fx.Node) -> Any:
        value = super().run_node(n)
        if n.name in self.wanted:
            self.taken[n.name] = self.wanted[n.name](value)
        return value


@torch.no_grad()
def recorded(traced: Traced, images: torch.Tensor, wanted: Mapping[str, Taken]) -> tuple[Any, dict[str, torch.Tensor]]:
    """What a graph gives in eval mode, and what `wanted` makes of some of its values, by their names.

    A later in-place operation may change a value: what is to be kept of it must be a copy.
    """
    recorder = _Recorder(traced, wanted)
    with eval_mode(traced.model):
        return recorder.run(images), recorder.taken


@contextmanager
def eval_mode(model: nn.Module) -> Iterator[None]:
    """The model in eval mode meanwhile, each module in its own again afterwards."""
    flags = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, flag in flags:
            module.training = flag


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Random numbers on the CPU of that seed meanwhile; the caller's generator is left alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield
