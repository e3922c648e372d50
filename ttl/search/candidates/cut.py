"""The network truncated at a point."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn

from ttl.cut.head import HEAD, HeadSpec
from ttl.cut.points import TruncationPoint, UNetPoint
from ttl.cut.truncation import truncate
from ttl.data import Task
from ttl.data.kind import Rows
from ttl.search.candidates.joint import Joint
from ttl.stats import intervals
from ttl.study.candidate import Candidate, Costs, Definition, Figures


@dataclass(frozen=True)
class Cut(Candidate):
    """The network up to `point`, and a head."""

    point: TruncationPoint

    @property
    def name(self) -> str:
        """The point's."""
        return self.point.name

    @property
    def top(self) -> TruncationPoint:
        """The point."""
        return self.point

    @property
    def costs(self) -> Costs:
        """The point's."""
        point = self.point
        encoder = (point.encoder_params, point.encoder_macs) if isinstance(point, UNetPoint) else ()
        return Costs(point.params, point.macs, *encoder)

    @property
    def notes(self) -> tuple[str, ...]:
        """Which convolution began with new weights."""
        point = self.point
        if isinstance(point, UNetPoint) and point.entry_is_new:
            return (f"{point.entry} began with new weights: it reads {point.entry_channels} channels here",)
        return ()

    def definition(self) -> Definition:
        """See `Candidate`."""
        return {"cut": self.point.name, "values": list(self.point.values)}

    def build_on(self, backbone: nn.Module, head: HeadSpec, seed: int = 0) -> nn.Module:
        """See `Candidate`."""
        return truncate(backbone, self.point, num_classes=head.outputs, pool=head.pool, dropout=head.dropout, seed=seed)

    def take_over(self, model: nn.Module, state: Mapping[str, Any], start: Candidate) -> None:
        """See `Candidate`: of a joint network what it learned up to the point, and the head it learned there."""
        if not isinstance(start, Joint):
            raise TypeError(f"a cut goes on from a joint network, not from {type(start).__name__}")
        number = [point.name for point in start.points].index(self.point.name)
        own = {name: name.replace(f"{HEAD}.", f"{HEAD}.{number}.", 1) for name in model.state_dict()}
        model.load_state_dict({name: state[source] for name, source in own.items()})

    def figures(self, task: Task, rows: Rows, *, seed: int) -> Figures:
        """Every metric with its interval."""
        val = task.val
        return Figures(intervals(task.kind, val.labels, rows, names=task.metrics, groups=val.groups, seed=seed))
