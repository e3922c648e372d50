"""Images that may have several labels, each of them possibly unknown: `multilabel`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from ttl.data.decoded import Split
from ttl.data.kind.balance import draws_of_labels, log_odds_of_labels, positive_weights
from ttl.data.kind.class_losses import LabelLoss
from ttl.data.kind.classes import Classes, mean_surprise
from ttl.data.kind.kind import Device, Objective, Prior, Rows
from ttl.data.records import Records
from ttl.data.task import MISSING, Labels
from ttl.errors import DataError
from ttl.stats import THRESHOLD, Aim, DecisionRule, threshold
from ttl.stats.recalibration import Activation


class SeveralLabels(Classes):
    """Each label by itself: a row is the probability of each."""

    one_class_each = False
    several_classes = False
    fewest_classes = 1

    def activation(self, outputs: int) -> Activation:
        """Each label has a probability of its own."""
        return "sigmoid"

    def check_splits(self, records: Records, splits: Sequence[str]) -> tuple[str, ...]:
        """See `Kind`: a label that a split lacks is left out of that split's means."""
        return ()

    def objective(self, split: Split, *, loss: str | None, balance: str, outputs: int, device: Device) -> Objective:
        """See `Kind`."""
        if balance == "loss":
            return Objective(LabelLoss(torch.from_numpy(positive_weights(split.labels)).float().to(device)))
        return Objective(LabelLoss(), draws_of_labels(split.labels) if balance == "sampler" else None)

    def probabilities(self, logits: torch.Tensor) -> torch.Tensor:
        """Of each label, float64, in the logits' shape."""
        return logits.double().sigmoid()

    def prior_shift(self, split: Split, *, loss: str | None, balance: str, outputs: int) -> Prior:
        """See `Kind`."""
        if balance == "sampler":
            return log_odds_of_labels(split.labels) - log_odds_of_labels(split.labels, draws_of_labels(split.labels))
        return np.asarray(-np.log(positive_weights(split.labels))) if balance == "loss" else np.zeros(outputs)

    def log_loss(self, labels: Labels, rows: Rows) -> float:
        """See `Kind`: over the labels that aren't missing."""
        return mean_surprise(np.where(labels == 1, rows, 1 - rows)[labels != MISSING])

    def rule(
        self,
        class_names: Sequence[str],
        finding: tuple[str, ...],
        labels: Labels,
        rows: Rows,
        aim: Aim,
        groups: Sequence[str] | None,
    ) -> DecisionRule:
        """See `Kind`: a threshold a label; 0.5 where nothing can be learned of a label."""
        found = []
        for name, truth, given in zip(class_names, labels.T, rows.T, strict=True):
            known = np.flatnonzero(truth != MISSING)
            own = None if groups is None else [groups[i] for i in known.tolist()]
            of = aim if len(np.unique(truth[known])) > 1 else Aim("threshold", THRESHOLD)
            try:
                found.append(threshold(truth[known], given[known], of, own))
            except DataError as error:
                raise DataError(f"Of {name}: {error}") from error
        return DecisionRule(thresholds=tuple(one.value for one in found), aim=aim, set_on=tuple(found))

    def default_rule(self, class_names: Sequence[str]) -> DecisionRule:
        """See `Kind`."""
        return DecisionRule(thresholds=(THRESHOLD,) * len(class_names), aim=Aim("threshold", THRESHOLD))

    def places_of_threshold(self, rule: DecisionRule, class_names: Sequence[str]) -> tuple[int, tuple[str, ...]]:
        """See `Kind`: one a label."""
        return len(class_names), ()
