"""A traced graph, edited, as a network of its own: only what its output needs, with copies of the weights."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import fx, nn

from ttl.cut.trace import same_branch

Constants = dict[str, torch.Tensor]


def extract(
    model: nn.Module,
    graph: fx.Graph,
    constants: Constants,
    output: fx.Node,
    *,
    class_name: str,
    more: nn.Module | None = None,
) -> fx.GraphModule:
    """A new module that computes `output`, and holds nothing that doesn't go into it.

    Args:
        model: what `graph` was traced from; what is kept of it is copied, under its state-dict names.
        graph: of `trace`, edited or not.
        constants: of `trace`.
        output: one of the graph's nodes.
        class_name: of the new module.
        more: what the graph names beside the model's parts, under the same paths; not copied.
    """
    kept = _copied(graph, ancestors([output]), output)
    small = fx.GraphModule(_parts(model, kept, constants, more), kept, class_name=class_name)
    _restore_buffers(small, model, kept)
    return small


def joined(graph: fx.Graph, values: list[fx.Node]) -> fx.Node:
    """The channel concatenation of `values`, put into `graph` right behind the last of them; one alone is itself."""
    if len(values) == 1:
        return values[0]
    order = {node: position for position, node in enumerate(graph.nodes)}
    in_order = sorted(values, key=order.__getitem__)
    with graph.inserting_after(in_order[-1]):
        return graph.call_function(torch.cat, (in_order, 1))


def ancestors(values: list[fx.Node]) -> set[fx.Node]:
    """The nodes that `values` are computed from, themselves included."""
    kept: set[fx.Node] = set()
    stack = list(values)
    while stack:
        node = stack.pop()
        if node not in kept:
            kept.add(node)
            stack += node.all_input_nodes
    return kept


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


def _parts(model: nn.Module, graph: fx.Graph, constants: Constants, more: nn.Module | None) -> dict[str, Any]:
    """Copies of the modules, parameters and buffers that `graph` names, shared ones still shared."""
    parts: dict[str, Any] = {}
    added = {} if more is None else dict(more.named_modules())
    for node in graph.nodes:
        if node.op == "call_module" and node.target not in added:
            parts[node.target] = model.get_submodule(node.target)
        elif node.op == "get_attr":
            known = node.target in constants
            parts[node.target] = constants[node.target] if known else _get(model, node.target)
    return copy.deepcopy(parts) | added


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


def same(a: Any, b: Any) -> bool:
    """Whether two outputs are equal, bit for bit."""
    if isinstance(a, (tuple, list)):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, dict):
        return same(list(a.values()), list(b.values()))
    return torch.equal(a, b) if isinstance(a, torch.Tensor) else True


class ValueRecorder(fx.Interpreter):
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
        """A tensor of the model's, or one that its forward made."""
        return self.constants[target] if target in self.constants else super().get_attr(target, args, kwargs)

    def run_node(self, n: fx.Node) -> Any:
        """What the node gives, kept if it is wanted."""
        value = super().run_node(n)
        if n.name in self.wanted:
            self.taken[n.name] = self.wanted[n.name](value)
        return value


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
