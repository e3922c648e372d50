"""The head that is put on a cut: pooling, dropout, linear."""

from __future__ import annotations

import torch
from torch import nn

from ttl.errors import UsageError

HEAD = "ttl_head"
"""The head's module name in a truncated model; no pretrained network has one of this name."""

POOLS = ("avg", "max", "avgmax", "token", "none")


class Head(nn.Module):
    """Pooling, then dropout, then a linear layer.

    Args:
        shape: of the feature without the batch: `(channels, height, width)`, `(height, width, channels)`,
            `(tokens, channels)` or `(channels,)`.
        channel_axis: which axis of `shape` holds the channels.
        num_classes: outputs.
        pool: `avg`, `max`, `avgmax` (their mean) over all positions, `token`: the first of a sequence of tokens
            (a transformer's class token), or `none`: flatten.
        dropout: probability.

    Raises:
        UsageError: no such pooling, or none that this feature can be given.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        channel_axis: int,
        num_classes: int,
        *,
        pool: str = "avg",
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if pool not in POOLS:
            raise UsageError(f"There is no pooling {pool!r}: choose one of {', '.join(POOLS)}")
        if pool == "token" and len(shape) != 2:
            raise UsageError("--pool token is for tokens, and this cut gives a feature map: use --pool avg")
        self.pool = pool if len(shape) > 1 else "none"
        self.positions = [axis + 1 for axis in range(len(shape)) if axis != channel_axis]
        width = torch.Size(shape).numel() if self.pool == "none" else shape[channel_axis]
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(width, num_classes)

    def forward(self, feature: torch.Tensor) -> torch.Tensor:
        """Logits `(n, num_classes)` of the feature `(n, *shape)`."""
        logits: torch.Tensor = self.fc(self.dropout(self._pooled(feature)))
        return logits

    def _pooled(self, feature: torch.Tensor) -> torch.Tensor:
        if self.pool == "none":
            return feature.flatten(1)
        if self.pool == "token":
            return feature[:, 0]
        if self.pool == "avg":
            return feature.mean(self.positions)
        if self.pool == "max":
            return feature.amax(self.positions)
        return 0.5 * (feature.mean(self.positions) + feature.amax(self.positions))

    def extra_repr(self) -> str:
        """What the printed model shows of it."""
        return f"pool={self.pool}"
