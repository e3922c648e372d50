"""What a classifier's logits are trained towards."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional as F

from ttl.data.task import MISSING


def _per_head(logits: Tensor, labels: Tensor, batch_labels: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
    """Of several heads `(n, heads, classes)`, each head's logits as samples of their own."""
    whole = labels if batch_labels is None else batch_labels
    if logits.ndim == 2:
        return logits, labels, whole
    heads = logits.shape[1]
    return logits.flatten(0, 1), labels.repeat_interleave(heads, 0), whole.repeat_interleave(heads, 0)


@dataclass(frozen=True)
class ClassLoss:
    """Cross-entropy of one class a sample."""

    weights: Tensor | None = None  # `(classes,)`: what a sample of each class counts in the loss; None counts all alike

    def loss(self, logits: Tensor, labels: Tensor, batch_labels: Tensor | None = None) -> Tensor:
        """The mean loss; of a part of a batch, whose labels are `batch_labels`, its share of the batch's mean.

        Logits are `(n, classes)`, or `(n, heads, classes)`: the mean over the heads. Labels are `(n,)` int64 classes.
        """
        logits, labels, whole = _per_head(logits, labels, batch_labels)
        total = F.cross_entropy(logits, labels, weight=self.weights, reduction="sum")
        return total / (len(whole) if self.weights is None else self.weights[whole].sum())


@dataclass(frozen=True)
class LabelLoss:
    """Binary cross-entropy of each label by itself, over those that aren't missing."""

    weights: Tensor | None = None
    """`(classes,)`: what a positive of each class counts in the loss; None counts all alike."""

    def loss(self, logits: Tensor, labels: Tensor, batch_labels: Tensor | None = None) -> Tensor:
        """See `ClassLoss`; labels are `(n, classes)` of 0, 1 and `MISSING`."""
        logits, labels, whole = _per_head(logits, labels, batch_labels)
        targets = labels.clamp(min=0).to(logits.dtype)
        each = F.binary_cross_entropy_with_logits(logits, targets, pos_weight=self.weights, reduction="none")
        return (each * (labels != MISSING)).sum() / (whole != MISSING).sum().clamp(min=1)
