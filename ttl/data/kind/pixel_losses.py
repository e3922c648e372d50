"""What the pixels of a segmentation are trained towards: Dice, cross-entropy, or their sum."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from segmentation_models_pytorch.losses import DiceLoss, SoftBCEWithLogitsLoss
from torch.nn import functional as F

from ttl.data.task import IGNORE


@dataclass(frozen=True)
class PixelLoss:
    """The losses of segmentation_models_pytorch: `dice`, `ce` (of one output: binary) or their sum, `dice+ce`."""

    name: str
    weights: torch.Tensor | None = None
    """`(classes,)`: what a pixel of each class counts in the cross-entropy; None counts all alike."""

    def loss(self, logits: torch.Tensor, targets: torch.Tensor, batch_labels: torch.Tensor) -> torch.Tensor:
        """The part's mean loss times its share of the batch's images. Dice is of all its pixels together.

        Logits are `(n, outputs, h, w)`, or `(n, heads, outputs, h, w)`: the mean over the heads. Targets are
        `(n, h, w)` int64 classes, `IGNORE` where unlabelled; `batch_labels` are `(batch, classes)`.
        """
        heads = [logits] if logits.ndim == 4 else list(logits.unbind(1))
        total = sum((self._of_one(head, targets) for head in heads), torch.zeros((), device=logits.device))
        return total / len(heads) * (len(targets) / len(batch_labels))

    def _of_one(self, logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        several, total = logits.shape[1] > 1, torch.zeros((), device=logits.device)
        if "dice" in self.name:
            dice = DiceLoss("multiclass" if several else "binary", from_logits=True, ignore_index=IGNORE)
            total = total + dice(logits, targets)
        if "ce" in self.name.split("+") and several:
            total = total + F.cross_entropy(logits, targets, self.weights, ignore_index=IGNORE)
        elif "ce" in self.name.split("+"):
            ratio = None if self.weights is None else self.weights[1] / self.weights[0]
            binary = SoftBCEWithLogitsLoss(ignore_index=IGNORE, pos_weight=ratio)
            total = total + binary(logits, targets[:, None].to(logits.dtype))
        return total
