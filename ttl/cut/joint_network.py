"""The whole network with a head at every truncation point: `with_heads`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import torch
from torch import fx, nn

from ttl.cut.head import HEAD, PixelHead
from ttl.cut.points import TruncationPoint, UNetPoint
from ttl.cut.surgery import extract, joined, seeded
from ttl.cut.trace import output_of
from ttl.cut.truncation import new_head, traced_for, truncate


def with_heads(
    model: nn.Module,
    points: Sequence[TruncationPoint],
    *,
    num_classes: int,
    pool: str = "avg",
    dropout: float = 0.0,
    seed: int = 0,
) -> fx.GraphModule:
    """A new model: `model` up to the highest of `points`, with a head at each of them.

    In a U-Net the heads are linear classifiers of pixels, each of the maps that the decoder of the U-Net cut at its
    point would be given; the decoder itself is left out.

    In eval mode every head is given what the model truncated at its point has there, bit for bit, and each starts with
    the weights that `truncate` gives it. The heads are the submodules `ttl_head.0`, `ttl_head.1`, ... in the order of
    the points; the trunk keeps its state-dict names.

    Args:
        model: the network that the points (lowest first) came from; it is left as it is.
        num_classes: outputs of each head; `pool`, `dropout` and `seed` are as in `truncate`.

    Returns:
        a module from images to logits `(n, points, num_classes)`; `(n, points, num_classes, h, w)` of a U-Net.

    Raises:
        PointError: the highest point isn't one of this model's.
        ModelError: the cut model doesn't compute what the model computes.
    """
    if isinstance(points[-1], UNetPoint):
        return _with_pixel_heads(model, [p for p in points if isinstance(p, UNetPoint)], num_classes, seed)
    joint = truncate(model, points[-1], num_classes=None)
    made = (new_head(model, point, num_classes, pool=pool, dropout=dropout, seed=seed) for point in points)
    joint.add_module(HEAD, nn.ModuleList(made))
    nodes = {node.name: node for node in joint.graph.nodes}
    logits = [
        _head(joint.graph, [nodes[name] for name in point.values], number, copied=pool != "avg")
        for number, point in enumerate(points)
    ]
    output = output_of(joint.graph)
    with joint.graph.inserting_before(output):
        output.args = (joint.graph.call_function(torch.stack, (logits, 1)),)
    joint.recompile()
    return joint.train(model.training)


def _head(graph: fx.Graph, values: list[fx.Node], number: int, *, copied: bool) -> fx.Node:
    """Puts a head right behind the last of the values: a later in-place operation may change them."""
    feature = joined(graph, values)
    if copied and len(values) == 1:
        # Its gradient needs what the in-place operation overwrites; that of a mean doesn't.
        feature = _copied(graph, feature)
    with graph.inserting_after(feature):
        return graph.call_module(f"{HEAD}.{number}", (feature,))


def _copied(graph: fx.Graph, value: fx.Node) -> fx.Node:
    with graph.inserting_after(value):
        return graph.call_method("clone", (value,))


def _with_pixel_heads(model: nn.Module, points: Sequence[UNetPoint], outputs: int, seed: int) -> fx.GraphModule:
    traced = traced_for(model, *points)
    graph, nodes = traced.graph, traced.nodes

    @cache
    def copied(*names: str) -> fx.Node:
        """The concatenation of these values, out of reach of later in-place operations."""
        return _copied(graph, joined(graph, [nodes[name] for name in names]))

    sources = [[copied(*point.values), *map(copied, point.skips)] for point in points]
    image = next(node for node in graph.nodes if node.op == "placeholder")
    with graph.inserting_before(output_of(graph)):
        logits = [graph.call_module(f"{HEAD}.{number}", (maps, image)) for number, maps in enumerate(sources)]
        stacked = graph.call_function(torch.stack, (logits, 1))
    with seeded(seed):
        heads = nn.ModuleList(PixelHead((point.channels, *point.skip_channels), outputs) for point in points)
    named = nn.ModuleDict({HEAD: heads.to(next(model.parameters()).device)})
    return extract(traced, stacked, class_name="JointUNet", more=named).train(model.training)
