"""The whole network with a head at every point: one fine-tune of it says how good each point would be."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from torch import nn

from ttl.cut.head import HeadSpec
from ttl.cut.joint_network import with_heads
from ttl.cut.network import Network
from ttl.cut.points import TruncationPoint, UNetPoint
from ttl.data import Task
from ttl.data.kind import Rows
from ttl.search.candidates.joint_start import begin_as_probes
from ttl.stats import metrics
from ttl.study.candidate import Candidate, Costs, Definition, Figures, Images, Norms
from ttl.words.estimate import Estimate

SHARE = 0.5
"""Of the epochs that a fine-tune may have, for the joint network."""
VERSION = 2
"""Rises when what a joint fine-tune begins with, or its share of the epochs, changes: old ones aren't taken for new."""


@dataclass(frozen=True)
class Joint(Candidate):
    """The trunk with a head at each of `points` (lowest first). It is never chosen: it only looks."""

    points: tuple[TruncationPoint, ...]

    @property
    def name(self) -> str:
        """The same for all of them: a search has one."""
        return "joint network"

    @property
    def top(self) -> TruncationPoint:
        """The highest head's."""
        return self.points[-1]

    @property
    def costs(self) -> Costs:
        """Of the trunk; of a U-Net the encoder's, since there is no decoder: the heads read its maps."""
        top = self.top
        if isinstance(top, UNetPoint):
            return Costs(top.encoder_params, top.encoder_macs, top.encoder_params, top.encoder_macs)
        return Costs(top.params, top.macs)

    @property
    def can_be_chosen(self) -> bool:
        """It only looks."""
        return False

    def definition(self) -> Definition:
        """See `Candidate`."""
        return {"joint": [list(point.values) for point in self.points], "version": VERSION}

    def epochs(self, cap: int | None) -> int | None:
        """Its share."""
        return None if cap is None else max(1, round(SHARE * cap))

    def build_on(self, backbone: nn.Module, head: HeadSpec, seed: int = 0) -> nn.Module:
        """See `Candidate`; every head begins at random."""
        classes, pool, dropout = head.outputs, head.pool, head.dropout
        return with_heads(backbone, self.points, num_classes=classes, pool=pool, dropout=dropout, seed=seed)

    def begin(
        self, model: nn.Module, network: Network, head: HeadSpec, seed: int, images: Images, norms: Norms
    ) -> None:
        """See `Candidate`: its heads begin as linear probes."""
        begin_as_probes(model, self.points, network.seeded(seed), images(), norms, head.pool)

    def figures(self, task: Task, rows: Rows, *, seed: int) -> Figures:
        """The mean of the primary metric over the heads."""
        kind, labels = task.kind, task.val.labels
        metric = kind.primary
        scores = [metrics(kind, labels, head, (metric,))[metric] for head in kind.by_head(rows)]
        return Figures({metric: Estimate(float(np.mean(scores)))}, tuple(point.name for point in self.points))
