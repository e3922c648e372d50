"""Images of one class each: `binary` and `multiclass`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from torch import nn

from ttl.data.cache import decode
from ttl.data.decoded import Images, Split
from ttl.data.kind.balance import class_weights, draws_of_classes
from ttl.data.kind.class_losses import ClassLoss
from ttl.data.kind.kind import Device, Kind, Logits, Objective, Prior, Rows
from ttl.data.modality.normalise import Normalise
from ttl.data.modality.resizing import Resizing
from ttl.data.records import Records
from ttl.data.task import SPLITS, Labels, Samples, class_counts
from ttl.errors import DataError
from ttl.stats import Aim, DecisionRule, threshold
from ttl.stats.recalibration import Activation
from ttl.words.counts import counted, listed

BATCH = 64  # images predicted at a time


class Classes(Kind):
    """One class an image: a row is the probability of each class."""

    margin = 0.01
    one_class_each = True
    several_classes = True
    fewest_classes: ClassVar[int] = 2

    def outputs(self, classes: int) -> int:
        """One a class."""
        return classes

    def activation(self, outputs: int) -> Activation:
        """The classes share out the probability."""
        return "softmax"

    def check_counts(self, records: Records) -> None:
        """See `Kind`: every class can be in every split."""
        counts = class_counts(records.class_names, records.labels)
        if len(counts) < self.fewest_classes:
            raise DataError(f"{records.name} has {counted(len(counts), 'class')}: at least two are needed.")
        small = {label: count for label, count in counts.items() if count < len(SPLITS)}
        if small:
            what = listed(f"{label} ({counted(count, 'image')})" for label, count in small.items())
            raise DataError(
                f"{records.name} has classes with too few images, {what}: at least {len(SPLITS)} are needed, one "
                "for each of train, val and test; add images, or remove the class."
            )

    def check_splits(self, records: Records, splits: Sequence[str]) -> tuple[str, ...]:
        """See `Kind`: every class is in every split."""
        places = {(split, label) for split, label in zip(splits, records.labels.tolist(), strict=True)}
        for split in SPLITS:
            for label, name in enumerate(records.class_names):
                if (split, label) not in places:
                    others = listed(other for other in SPLITS if (other, label) in places)
                    raise DataError(
                        f"The class {name!r} of {records.name} is in {others} but not in {split}: every split "
                        "needs images of every class; move some, remove the class, or let the split be drawn."
                    )
        return ()

    def decode(self, samples: Samples, *, resizing: Resizing, cache_dir: Path | None, key: str) -> Images:
        """See `Kind`: resized to the network's input."""
        size, interpolation, fit = resizing.sides, resizing.interpolation, resizing.fit
        pixels = decode(samples, image_size=size, interpolation=interpolation, fit=fit, cache_dir=cache_dir, key=key)
        return Images(pixels, samples.labels)

    def objective(self, split: Split, *, loss: str | None, balance: str, outputs: int, device: Device) -> Objective:
        """See `Kind`."""
        if balance == "loss":
            weights = torch.from_numpy(class_weights(split.labels, outputs)).float().to(device)
            return Objective(ClassLoss(weights))
        return Objective(ClassLoss(), draws_of_classes(split.labels, outputs) if balance == "sampler" else None)

    def predict(
        self,
        model: nn.Module,
        split: Split,
        normalise: Normalise,
        *,
        divisor: int = 1,
        with_distance: bool = False,
        threshold: float | None = None,
    ) -> Rows:
        """See `Kind`: probabilities `(n, classes)`, or `(n, heads, classes)`."""
        return self.probabilities(_outputs(model, split, normalise)).numpy()

    def logits(self, model: nn.Module, split: Split, normalise: Normalise, *, divisor: int = 1) -> Logits:
        """See `Kind`: a row an image."""
        values = _outputs(model, split, normalise).double().numpy()
        return Logits(values, split.labels, np.arange(len(values)))

    def prior_shift(self, split: Split, *, loss: str | None, balance: str, outputs: int) -> Prior:
        """See `Kind`."""
        weights = class_weights(split.labels, outputs) if balance != "none" else np.ones(outputs)
        return np.asarray(-np.log(weights))

    def probabilities(self, logits: torch.Tensor) -> torch.Tensor:
        """Of each class, float64, in the logits' shape."""
        return logits.double().softmax(-1)

    def log_loss(self, labels: Labels, rows: Rows) -> float:
        """See `Kind`."""
        return mean_surprise(rows[np.arange(len(labels)), labels])

    def rule(
        self,
        class_names: Sequence[str],
        finding: tuple[str, ...],
        labels: Labels,
        rows: Rows,
        aim: Aim,
        groups: Sequence[str] | None,
    ) -> DecisionRule:
        """See `Kind`: the threshold of the finding; without one the most probable class."""
        if not finding:
            return DecisionRule()
        bare = DecisionRule(finding=finding, aim=aim)
        found = threshold(self.truth(labels, bare, class_names), bare.finding_scores(rows, class_names), aim, groups)
        return replace(bare, thresholds=(found.value,), set_on=(found,))

    def truth(self, labels: Labels, rule: DecisionRule, class_names: Sequence[str]) -> Labels:
        """See `Kind`: whether the class is one of the finding's, if there is one."""
        if not rule.finding:
            return labels
        return np.isin(labels, [class_names.index(name) for name in rule.finding]).astype(np.int64)


def _outputs(model: nn.Module, split: Split, normalise: Normalise) -> torch.Tensor:
    """Logits `(n, ...)` on the CPU."""
    model.to(normalise.device).eval()
    with torch.inference_mode():
        batches = (normalise(batch.to(normalise.device)) for batch in torch.split(split.crops(), BATCH))
        return torch.cat([model(batch).cpu() for batch in batches])


class TwoClasses(Classes):
    """A finding, class 1, and its absence."""

    has_positive = True
    several_classes = False


def mean_surprise(given_to_truth: Rows) -> float:
    """The mean of minus the logarithm of the probabilities that the truth was given; nan of none."""
    if not given_to_truth.size:
        return float("nan")
    return float(-np.log(np.maximum(given_to_truth, np.finfo(np.float64).tiny)).mean())
