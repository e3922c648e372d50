"""What a network's outputs are trained towards and read as, by the kind of task."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional as F

from ttl.data.task import MISSING
from ttl.stats import segmentation_log_loss


@dataclass(frozen=True)
class Objective:
    """Loss and probabilities of a kind of task.

    Attributes:
        kind: `binary` or `multiclass` (one class of several: softmax), or `multilabel` (each class by itself: sigmoid).
        class_weights: `(classes,)`: what a sample of each class (in `multilabel`: a positive of it) counts in the
            loss; None counts all alike.
    """

    kind: str
    class_weights: torch.Tensor | None = None

    def loss(
        self, logits: torch.Tensor, labels: torch.Tensor, batch_labels: torch.Tensor | None = None
    ) -> torch.Tensor:
        """The mean loss over what is known; of a part of a batch, its share of the batch's mean.

        Args:
            logits: `(n, classes)`; or `(n, heads, classes)`: the mean over the heads.
            labels: `(n,)` int64 classes; `(n, classes)` of 0, 1 and `MISSING` in multi-label tasks.
            batch_labels: of the whole batch that `labels` are a part of: the parts' losses sum to the batch's.
        """
        whole = labels if batch_labels is None else batch_labels
        if logits.ndim == 3:
            labels, whole = (each.repeat_interleave(logits.shape[1], 0) for each in (labels, whole))
            logits = logits.flatten(0, 1)
        if self.kind != "multilabel":
            total = F.cross_entropy(logits, labels, weight=self.class_weights, reduction="sum")
            return total / (len(whole) if self.class_weights is None else self.class_weights[whole].sum())
        known = labels != MISSING
        targets = labels.clamp(min=0).to(logits.dtype)
        each = F.binary_cross_entropy_with_logits(logits, targets, pos_weight=self.class_weights, reduction="none")
        return (each * known).sum() / (whole != MISSING).sum().clamp(min=1)

    def probabilities(self, logits: torch.Tensor) -> torch.Tensor:
        """Of each class, float64, in the logits' shape; rows sum to one but in multi-label tasks."""
        return logits.double().sigmoid() if self.kind == "multilabel" else logits.double().softmax(-1)


def log_loss(kind: str, labels: npt.NDArray[np.int64], predicted: npt.NDArray[np.float64]) -> float:
    """The mean of minus the logarithm of what was given to the truth; nan where nothing is known.

    Args:
        kind: of the task.
        labels: as `Objective.loss` takes them.
        predicted: `(n, classes)` probabilities; for `segmentation` `(n, classes, 5)`, of `ttl.stats.overlap`.
    """
    if kind == "segmentation":
        return segmentation_log_loss(predicted)
    if kind == "multilabel":
        truth = np.where(labels == 1, predicted, 1 - predicted)[labels != MISSING]
    else:
        truth = predicted[np.arange(len(labels)), labels]
    return float(-np.log(np.maximum(truth, np.finfo(np.float64).tiny)).mean()) if truth.size else float("nan")


def balanced_weights(kind: str, labels: npt.NDArray[np.int64], classes: int) -> npt.NDArray[np.float64]:
    """Weights that make every class count alike: inverse to its frequency, 1 on average over samples.

    In multi-label tasks: negatives over positives of each class, so that both count alike.

    Args:
        kind: of the task.
        labels: of the training samples, as `Objective.loss` takes them.
        classes: how many there are.

    Returns:
        `(classes,)`; 1 for a class that isn't there.
    """
    if kind == "multilabel":
        positives, negatives = (labels == 1).sum(0), (labels == 0).sum(0)
        return np.where((positives > 0) & (negatives > 0), negatives / np.maximum(positives, 1), 1.0)
    return inverse_frequency(np.bincount(labels, minlength=classes))


def inverse_frequency(counts: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Weights that make every class count alike: inverse to its count, 1 on average; 1 for a class that isn't there.

    Args:
        counts: `(classes,)`.
    """
    present = np.count_nonzero(counts)
    return np.where(counts > 0, counts.sum() / (present * np.maximum(counts, 1)), 1.0)


def sample_weights(kind: str, labels: npt.NDArray[np.int64], classes: int) -> npt.NDArray[np.float64]:
    """`(n,)`: how often to draw each sample so that every class is seen alike; sums to 1.

    In multi-label tasks a sample is drawn for the rarest of its positive classes, or as a negative.

    Args:
        kind: of the task.
        labels: of the training samples.
        classes: how many there are.
    """
    if kind != "multilabel":
        weights = balanced_weights(kind, labels, classes)[labels]
    else:
        rarity = 1 / np.maximum((labels == 1).sum(0), 1)
        bare = 1 / max(1, int((~(labels == 1).any(1)).sum()))
        weights = np.where((labels == 1).any(1), np.where(labels == 1, rarity, 0).max(1), bare)
    shares: npt.NDArray[np.float64] = weights / weights.sum()
    return shares
