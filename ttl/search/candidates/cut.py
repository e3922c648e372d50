"""The network truncated at a point."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn

from ttl.cut.head import HEAD, HeadSpec
from ttl.cut.network import Network
from ttl.cut.points import TruncationPoint, UNetPoint
from ttl.cut.truncation import truncate
from ttl.data import Kind, Task
from ttl.data.kind import Rows
from ttl.data.training_images import TrainingImages
from ttl.search.candidates.joint import Joint
from ttl.stats import intervals
from ttl.study.candidate import Candidate, Costs, Definition, Figures, Norms


@dataclass(frozen=True)
class Cut:
    """See `ttl.study.candidate.Candidate`.

    Attributes:
        network: name of the pretrained one.
        point: where it ends.
    """

    network: str
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
        """See `Candidate`."""
        point = self.point
        if isinstance(point, UNetPoint):
            return Costs(point.params, point.macs, point.encoder_params, point.encoder_macs)
        return Costs(point.params, point.macs)

    @property
    def notes(self) -> tuple[str, ...]:
        """See `Candidate`."""
        point = self.point
        if isinstance(point, UNetPoint) and point.entry_is_new:
            return (f"{point.entry} began with new weights: it reads {point.entry_channels} channels here",)
        return ()

    @property
    def can_be_chosen(self) -> bool:
        """Cuts are what is delivered."""
        return True

    @property
    def splits(self) -> tuple[str, ...]:
        """It is chosen by the one and tested on the other."""
        return ("val", "test")

    def definition(self) -> Definition:
        """See `Candidate`."""
        return {"cut": self.point.name, "values": list(self.point.values)}

    def epochs(self, cap: int | None) -> int | None:
        """All of them."""
        return cap

    def build(self, network: Network, head: HeadSpec, seed: int) -> nn.Module:
        """See `Candidate`."""
        return truncate(
            network.seeded(seed),
            self.point,
            num_classes=head.outputs,
            pool=head.pool,
            dropout=head.dropout,
            seed=seed,
        )

    def begin(
        self,
        model: nn.Module,
        network: Network,
        head: HeadSpec,
        seed: int,
        images: Callable[[], TrainingImages],
        norms: Norms,
    ) -> None:
        """See `Candidate`: it is ready."""

    def take_over(self, model: nn.Module, state: Mapping[str, Any], start: Candidate) -> None:
        """See `Candidate`: of a joint network what it learned up to the point, and the head it learned there."""
        if not isinstance(start, Joint):
            raise TypeError(f"a cut goes on from a joint network, not from {type(start).__name__}")
        number = [point.name for point in start.points].index(self.point.name)
        own = {name: name.replace(f"{HEAD}.", f"{HEAD}.{number}.", 1) for name in model.state_dict()}
        model.load_state_dict({name: state[source] for name, source in own.items()})

    def figures(self, kind: Kind, task: Task, rows: Mapping[str, Rows], *, seed: int) -> Figures:
        """Every metric with its interval, on validation and test images."""
        estimates = {
            split: intervals(
                kind,
                task.splits[split].labels,
                predicted,
                names=kind.metrics,
                groups=task.splits[split].groups,
                seed=seed,
            )
            for split, predicted in rows.items()
        }
        return Figures(estimates["val"], estimates["test"])
