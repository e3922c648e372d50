"""From stored pixels to the network's input, and to probabilities."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from ttl.finetune.objective import Objective


def normalised(pixels: torch.Tensor, mean: Sequence[float], std: Sequence[float]) -> torch.Tensor:
    """The network's input for stored pixels.

    Args:
        pixels: `(n, c, h, w)` of 0..255 in any type, c = 1 (grey, repeated) or as many as `mean` has.
        mean: per channel, for pixels in 0..1.
        std: likewise.

    Returns:
        `(n, channels, h, w)` float32 on the pixels' device, channels last in memory: convolutions are faster so.
    """
    shift = torch.tensor(mean, device=pixels.device).view(1, -1, 1, 1)
    scale = torch.tensor(std, device=pixels.device).view(1, -1, 1, 1)
    return ((pixels.float() / 255 - shift) / scale).contiguous(memory_format=torch.channels_last)


def predict(
    model: nn.Module,
    pixels: torch.Tensor,
    *,
    kind: str,
    mean: Sequence[float],
    std: Sequence[float],
    batch_size: int = 64,
    device: str = "cpu",
) -> npt.NDArray[np.float64]:
    """The probability of each class for each image, in eval mode.

    Args:
        model: images to logits `(n, classes)`.
        pixels: `(n, 1 or 3, h, w)` uint8.
        kind: `binary`, `multiclass` or `multilabel`.
        mean: of the input's channels.
        std: likewise.
        batch_size: images at a time.
        device: where to compute.

    Returns:
        `(n, classes)` float64.
    """
    objective = Objective(kind)
    model.to(device).eval()
    with torch.inference_mode():
        parts = [
            objective.probabilities(model(normalised(batch.to(device), mean, std))).cpu()
            for batch in torch.split(pixels, batch_size)
        ]
    return torch.cat(parts).numpy()
