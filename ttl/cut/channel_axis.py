"""Which axis of a feature holds the channels: the parameters around it say so."""

from __future__ import annotations

from typing import Any

from torch import fx, nn

from ttl.cut.graph import BlockGraph, Op, function_of

CHANNELS_FIRST = (nn.modules.conv._ConvNd, nn.modules.batchnorm._NormBase, nn.GroupNorm)
CHANNELS_LAST = (nn.Linear, nn.LayerNorm, nn.RMSNorm)


class ChannelAxes:
    """The channel axes in a walked model."""

    def __init__(self, graph: BlockGraph) -> None:
        self.graph = graph
        # All points of a dense block begin with the same map.
        self.looked_for: dict[fx.Node, int | None] = {}

    def of(self, op: Op) -> int:
        """Which axis of its shape, the batch left out, holds the channels.

        The last of tokens and vectors; of a map the axis as wide as the parameters that it comes from, or
        else that it goes into.
        """
        shape = (op.shape or ())[1:]
        if len(shape) != 3:
            return max(0, len(shape) - 1)
        if op.node not in self.looked_for:
            before = self._nearest(op, forward=False)
            self.looked_for[op.node] = self._nearest(op, forward=True) if before is None else before
        axis = self.looked_for[op.node]
        if axis is not None:
            return axis
        # No parameters are near: the two equal sides are height and width.
        return 2 if shape[0] == shape[1] != shape[2] else 0

    def _nearest(self, start: Op, *, forward: bool) -> int | None:
        """The axis by the nearest parameters, through operations that leave the axes in place."""
        rank = len(start.shape or ())
        stack, seen = [start], {start.node}
        while stack:
            op = stack.pop()
            moves = self.graph.moves_axes(op)
            if forward and moves and op is not start:
                continue
            if (axis := self._as_wide_as_parameters(op, of_input=forward)) is not None:
                return axis
            if moves and not forward:
                if (axis := self._permuted(op)) is not None:
                    return axis
                continue
            around = op.node.users if forward else op.node.all_input_nodes
            near = [o for o in map(self.graph.op_of, around) if o is not None and o.is_feature]
            fresh = [o for o in near if o.node not in seen and len(o.shape or ()) == rank]
            seen.update(o.node for o in fresh)
            stack += reversed(fresh)
        return None

    def _permuted(self, op: Op) -> int | None:
        """The axis behind `x.permute(...)`, from the one before."""
        before = self.graph.op_of(op.node.all_input_nodes[0])
        args: tuple[Any, ...] = op.node.args[1:]
        dims = args[0] if len(args) == 1 and isinstance(args[0], (tuple, list)) else args
        if function_of(op.node) != "permute" or before is None or not all(isinstance(dim, int) for dim in dims):
            return None
        axis = self._nearest(before, forward=False)
        return None if axis is None or axis + 1 not in dims else list(dims).index(axis + 1) - 1

    def _as_wide_as_parameters(self, op: Op, *, of_input: bool) -> int | None:
        """The axis of a module's output (or input) that is as wide as its parameters."""
        kind, given = self.graph.kind(op), op
        if kind is None or not op.parameters:
            return None
        if issubclass(kind, CHANNELS_FIRST):
            return 0
        if of_input and (source := self.graph.op_of(op.node.all_input_nodes[0])):
            given = source
        widths = {p.shape[1 if of_input and p.dim() == 2 else 0] for p in op.parameters if p.dim()}
        axes = [axis for axis, side in enumerate((given.shape or ())[1:]) if side in widths]
        if len(axes) > 1 and issubclass(kind, CHANNELS_LAST):
            return axes[-1]
        return axes[0] if len(axes) == 1 else None
