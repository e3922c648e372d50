"""BlockGraph -> segments: which runs of operations are blocks, by one rule for every network.

The module tree is opened from the root until blocks are met. Plain containers (`nn.Sequential`,
`nn.ModuleList`, `nn.ModuleDict`) are opened, and so is a *stage*: a module whose repeated parts are
places where the network can be cut, in every instance of its class. What isn't opened and has
parameters is a *block*. Layers that stand in no block (the stem, transitions, a final conv or norm) form
segments of their own: a weight layer begins one, and what follows it at the same resolution joins it.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from torch import fx, nn

from ttl.cut.graph import BlockGraph, Op, function_of

PLAIN_CONTAINERS = (nn.Sequential, nn.ModuleList, nn.ModuleDict)


@dataclass(frozen=True)
class Segment:
    """A run of operations that a truncation point may stand behind."""

    kind: str  # `stem`, `block` or `layer` (what stands in no block: transitions, a final conv or norm)
    name: str  # the path of the module whose output is the segment's
    first: int
    last: int  # both positions in `BlockGraph.ops`, included


@dataclass(frozen=True)
class _Extent:
    """Where a module runs: the positions of its first and last operation, and its weight layers."""

    first: int
    last: int
    weight_layers: int


class _Tree:
    """The traced modules, their extents, and the questions that the rule asks about them."""

    def __init__(self, graph: BlockGraph) -> None:
        self.graph = graph
        self.cuts = graph.cuts
        self.extents: dict[str, _Extent] = {}
        self.last_weight_layer = -1
        for i, op in enumerate(graph.ops):
            weighs = is_weight_layer(op)
            self.last_weight_layer = i if weighs else self.last_weight_layer
            for path in op.modules:
                old = self.extents.get(path, _Extent(i, i, 0))
                self.extents[path] = _Extent(old.first, i, old.weight_layers + weighs)
        self.children: dict[str, list[str]] = defaultdict(list)
        for path in self.extents:
            self.children[path.rpartition(".")[0]].append(path)
        self.stages = self._stage_kinds()

    def is_composite(self, path: str) -> bool:
        """Whether it has at least two weight layers in parts of its own."""
        # With one, it is a layer that brings its norm and activation along.
        return bool(self.children[path]) and self.extents[path].weight_layers > 1

    def is_opened(self, path: str) -> bool:
        """Whether the rule looks for blocks inside this module rather than taking it as one."""
        kind, extent = self.graph.kinds[path], self.extents[path]
        holds_classifier = extent.first <= self.last_weight_layer <= extent.last
        # What holds the classifier, and is alone of its class, is a wrapper around the network or a head: no block.
        if kind in self.stages or (holds_classifier and not self._has_namesakes(path)):
            return True
        if kind not in PLAIN_CONTAINERS:
            return False
        # nn.Sequential(conv, bn, relu) among its like in a container is a block without a class.
        only_layers = not any(self.children[child] for child in self.children[path])
        return not (only_layers and self._has_twins(path))

    def is_repeated(self, path: str) -> bool:
        """Whether it is a composite with others of its class, or stands in a plain container."""
        return self._in_container(path) or (self.is_composite(path) and self._has_namesakes(path))

    def _in_container(self, path: str) -> bool:
        parent = path.rpartition(".")[0]
        return bool(parent and self.children[path]) and issubclass(self.graph.kinds[parent], PLAIN_CONTAINERS)

    def _has_twins(self, path: str) -> bool:
        parent = path.rpartition(".")[0]
        return bool(parent) and sum(self.graph.kinds[p] is nn.Sequential for p in self.children[parent]) > 1

    def _has_namesakes(self, path: str) -> bool:
        return sum(kind is self.graph.kinds[path] for kind in self.graph.kinds.values()) > 1

    def _stage_kinds(self) -> set[type[nn.Module]]:
        instances: dict[type[nn.Module], list[str]] = defaultdict(list)
        for path in self.extents:
            kind = self.graph.kinds[path]
            if kind not in PLAIN_CONTAINERS and self.is_composite(path):
                instances[kind].append(path)
        return {kind for kind, paths in instances.items() if self._are_stages(kind, paths)}

    def _are_stages(self, kind: type[nn.Module], paths: list[str]) -> bool:
        """Of a class: whether the parts repeat in one instance, and in all of them are places to cut."""
        parts = [self._repeated_parts(path) for path in paths]
        # An nn.Sequential of somebody's own hands something else than one tensor from part to part: still a sequence.
        return any(len(group) > 1 for group in parts) and (
            issubclass(kind, nn.Sequential)
            or all(self.cuts[self.extents[part].last] is not None for group in parts for part in group)
        )

    def _repeated_parts(self, path: str) -> list[str]:
        """The composites of one class inside, numbered siblings or held by a container."""
        parts = [p for p in self._held(path) if self.is_composite(p)]
        numberless = [re.sub(r"\d+", "#", part) for part in parts]
        repeated = [part for part, name in zip(parts, numberless, strict=True) if numberless.count(name) > 1]
        return repeated or [p for p in parts if self._in_container(p)]

    def _held(self, path: str) -> list[str]:
        """Its parts, those in plain containers in place of the containers."""
        held: list[str] = []
        for child in self.children[path]:
            plain = self.graph.kinds[child] in PLAIN_CONTAINERS
            held += self._held(child) if plain and self.children[child] else [child]
        return held


def is_weight_layer(op: Op) -> bool:
    """A convolution or linear layer: it has a weight of two or more dimensions, and isn't an embedding's table."""
    # A parameter that the forward reads by itself: one that is added (a class token, positions) weighs nothing.
    if op.node.op == "get_attr" and not any(_multiplies(user) for user in op.node.users):
        return False
    return any(parameter.dim() > 1 for parameter in op.parameters)


def _multiplies(node: fx.Node) -> bool:
    return function_of(node).startswith(("conv", "linear", "matmul", "bmm", "einsum"))


def segments(graph: BlockGraph) -> list[Segment]:
    """The segments of the network in order, its classifier left out."""
    tree = _Tree(graph)
    ops = graph.ops[: _classifier_start(graph, tree)]
    owners = [_owner(op, tree) for op in ops]
    pieces: list[Segment] = []
    for owner, run in groupby(range(len(ops)), key=owners.__getitem__):
        positions = list(run)
        if owner is not None:
            if pieces and pieces[-1].name == owner:  # called again: one block as long as both
                positions = [pieces.pop().first, *positions]
            pieces.append(Segment("block", owner, positions[0], positions[-1]))
        else:
            pieces += _layers(graph, positions, after_block=bool(pieces))
    named = _with_stem(pieces, tree)
    ends = [piece.first for piece in named[1:]] + [len(ops)]
    closed = [_closed(piece, tree.cuts[:end]) for piece, end in zip(named, ends, strict=True)]
    return [*closed[:-1], _with_activation(closed[-1], graph, tree, len(ops))] if closed else []


def _with_activation(segment: Segment, graph: BlockGraph, tree: _Tree, end: int) -> Segment:
    """The whole network ends with the activation behind its last block (NASNet's): nothing above would do it."""
    last = segment.last
    while last + 1 < end and graph.is_activation(graph.ops[last + 1]) and tree.cuts[last + 1] is not None:
        last += 1
    return replace(segment, last=last)


def _closed(segment: Segment, cuts: Sequence[object]) -> Segment:
    """The segment with what it takes to join its branches: a sum or a concatenation outside of any block."""
    joined = (position for position in range(segment.last, len(cuts)) if cuts[position] is not None)
    return replace(segment, last=next(joined, segment.last))


def _owner(op: Op, tree: _Tree) -> str | None:
    """The block that `op` runs in: the outermost module that isn't opened and has parts."""
    for path in op.modules:
        if tree.children[path] and not tree.is_opened(path):
            return path if tree.extents[path].weight_layers else None
    return None


def _layers(graph: BlockGraph, positions: Iterable[int], *, after_block: bool) -> list[Segment]:
    """Segments of layers outside blocks: each begins with a weight layer, or a norm right after a block."""
    # Parameterless operations join what stands before them, but for those that change the shape (pooling, flattening):
    # a segment ends before the resolution drops.
    runs: list[list[int]] = []
    open_run = False
    for i in positions:
        op = graph.ops[i]
        is_layer = op.node.op == "call_module" and bool(op.parameters)
        if is_weight_layer(op) or (is_layer and after_block and not runs):
            runs.append([i])
            open_run = True
        # What has MACs and no parameters (pooling of the same size, a product of features) is no finish of a layer.
        elif open_run and (op.parameters or (_keeps_shape(graph, i) and op.macs == 0)):
            runs[-1].append(i)
        else:
            open_run = False
    return [Segment("layer", "", run[0], run[-1]) for run in runs]


def _keeps_shape(graph: BlockGraph, position: int) -> bool:
    shapes = {op.shape for op in graph.ops[position - 1 : position + 1]}
    return len(shapes) == 1 and None not in shapes


def _with_stem(pieces: list[Segment], tree: _Tree) -> list[Segment]:
    """One segment, the stem, for all that stands before the first repeated block; names filled in."""
    repeated = [i for i, piece in enumerate(pieces) if piece.kind == "block" and tree.is_repeated(piece.name)]
    # One alone repeats nothing: then each layer before it stays a segment of its own.
    first = repeated[0] if len(repeated) > 1 else 0
    stem = [Segment("stem", "", 0, _stem_end(tree, pieces[first]))] if first and pieces[first].first else []
    return [replace(piece, name=piece.name or _name(piece, tree)) for piece in [*stem, *pieces[first:]]]


def _stem_end(tree: _Tree, block: Segment) -> int:
    """The last position before the first block, without how that or its stage wants the axes permuted."""
    graph = tree.graph
    end = last = block.first - 1
    while end > 0 and tree.cuts[end - 1] is not None:
        op = graph.ops[end]
        around = op.modules[:-1] if op.node.op == "call_module" else op.modules
        idle = graph.moves_axes(op) or graph.kind(op) is nn.Identity
        if not idle or not all(block.name.startswith(f"{path}.") for path in around):
            break
        end -= 1
    # Where nothing was permuted, what was passed over belongs to the stem.
    return end if any(graph.moves_axes(op) for op in graph.ops[end + 1 : last + 1]) else last


def _name(segment: Segment, tree: _Tree) -> str:
    """The outermost module that ends with the segment and doesn't begin before it."""
    ops = tree.graph.ops
    for position in range(segment.last, segment.first - 1, -1):
        modules = ops[position].modules
        if modules and tree.graph.kinds[modules[-1]] is nn.Identity:  # something that is switched off names nothing
            continue
        for path in modules:
            extent = tree.extents[path]
            if extent.first >= segment.first and extent.last <= segment.last:
                return path
    return str(ops[segment.last].node.name)


def _classifier_start(graph: BlockGraph, tree: _Tree) -> int:
    """The position of the first operation of the classifier; the number of operations if there is none.

    The classifier is what stands behind the last place where the network can be cut before its last
    weight layer, if that layer is linear (or a 1 x 1 convolution), in no block, and the output is flat.
    """
    flat = any(op.shape is not None and len(op.shape) == 2 for op in graph.ops[-2:])
    parameterised = [i for i, op in enumerate(graph.ops) if op.parameters]
    if not flat or not parameterised:
        return len(graph.ops)
    start = parameterised[-1]
    op = graph.ops[start]
    weights = [parameter for parameter in op.parameters if parameter.dim() > 1]
    # One weight for each pair of input and output channel: linear, or a 1 x 1 convolution without groups.
    linear = len(weights) == 1 and weights[0][0].numel() == weights[0].shape[1]
    owner = _owner(op, tree)
    if not linear or (owner is not None and tree.extents[owner].weight_layers > 1):
        return len(graph.ops)
    while start > 0 and tree.cuts[start - 1] is None:
        start -= 1
    return start
