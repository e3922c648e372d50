"""The head that is put on a cut: pooling, dropout, linear; for pixels, linear."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F

from ttl.errors import UsageError

HEAD = "ttl_head"  # the head's module name in a truncated model; no pretrained network has one of this name

POOLS: dict[str, Callable[[torch.Tensor, list[int]], torch.Tensor]] = {
    "avg": lambda feature, positions: feature.mean(positions),
    "max": lambda feature, positions: feature.amax(positions),
    "avgmax": lambda feature, positions: 0.5 * (feature.mean(positions) + feature.amax(positions)),
    "token": lambda feature, _: feature[:, 0],
    "none": lambda feature, _: feature.flatten(1),
}
"""From a feature and the axes of its positions to what the linear layer reads."""


@dataclass(frozen=True)
class HeadSpec:
    """What is put on a cut; of a U-Net, whose decoder is its head, only the outputs: logits an image, or a pixel."""

    outputs: int
    pool: str = "avg"
    dropout: float = 0.0


class Head(nn.Module):
    """Pooling, then dropout, then a linear layer.

    Args:
        shape: of the feature without the batch: `(channels, height, width)`, `(height, width, channels)`,
            `(tokens, channels)` or `(channels,)`.
        channel_axis: which axis of `shape` holds the channels.
        pool: `avg`, `max`, `avgmax` (their mean) over all positions, `token`: the first of a sequence of tokens
            (a transformer's class token), or `none`: flatten.

    Raises:
        UsageError: no such pooling, or none that this feature can be given.
    """

    def __init__(
        self, shape: tuple[int, ...], channel_axis: int, num_classes: int, *, pool: str = "avg", dropout: float = 0.0
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
        logits: torch.Tensor = self.fc(self.dropout(POOLS[self.pool](feature, self.positions)))
        return logits

    def extra_repr(self) -> str:
        """What the printed model shows of it."""
        return f"pool={self.pool}"


class PixelHead(nn.Module):
    """A linear classifier of pixels, by all maps that a U-Net's decoder would be given, each enlarged to the image.

    `channels` are those of each map, `outputs` the logits a pixel.
    """

    def __init__(self, channels: Sequence[int], outputs: int) -> None:
        super().__init__()
        self.used = [number for number, width in enumerate(channels) if width]
        self.parts = nn.ModuleList(
            nn.Conv2d(channels[number], outputs, 1, bias=number == self.used[-1]) for number in self.used
        )

    def forward(self, maps: Sequence[torch.Tensor], image: torch.Tensor) -> torch.Tensor:
        """Logits `(n, outputs, h, w)` of maps `(n, channels, ...)` for images `(n, colours, h, w)`."""
        size = image.shape[2:]
        # What is enlarged is the logits of each map: both are linear, and these are fewer than its channels.
        logits = [
            F.interpolate(part(maps[number]), size=size, mode="bilinear")
            for number, part in zip(self.used, self.parts, strict=True)
        ]
        return torch.stack(logits).sum(0)

    @torch.no_grad()
    def load(self, weight: torch.Tensor, bias: torch.Tensor) -> None:
        """Take the weights `(outputs, all channels)` and bias `(outputs,)` of a linear classifier of the same maps."""
        parts = list(self.parts.children())
        widths = [part.get_parameter("weight").shape[1] for part in parts]
        for part, columns in zip(parts, torch.split(weight, widths, 1), strict=True):
            part.get_parameter("weight").copy_(columns[..., None, None])
        parts[-1].get_parameter("bias").copy_(bias)
