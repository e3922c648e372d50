"""From stored pixels to the network's input, and to probabilities."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from ttl.finetune.objective import Objective


class Normalise:
    """Makes the network's input of stored pixels, on one device.

    Args:
        mean: per channel, for pixels in 0..1.
        std: likewise.
        device: where the pixels lie.
    """

    def __init__(self, mean: Sequence[float], std: Sequence[float], device: torch.device | str) -> None:
        self.device = torch.device(device)
        self.shift = torch.tensor(mean, device=self.device).view(1, -1, 1, 1)
        self.scale = torch.tensor(std, device=self.device).view(1, -1, 1, 1)

    def __call__(self, pixels: torch.Tensor) -> torch.Tensor:
        """See `normalised`."""
        shares = pixels.float() / 255
        shape = (len(pixels), len(self.shift[0]), *pixels.shape[2:])
        shares_less_mean = torch.empty(shape, device=self.device, memory_format=torch.channels_last)
        return torch.sub(shares, self.shift, out=shares_less_mean).div_(self.scale)


def normalised(pixels: torch.Tensor, mean: Sequence[float], std: Sequence[float]) -> torch.Tensor:
    """The network's input for stored pixels.

    Args:
        pixels: `(n, c, h, w)` of 0..255 in any type, c = 1 (grey, repeated) or as many as `mean` has.
        mean: per channel, for pixels in 0..1.
        std: likewise.

    Returns:
        `(n, channels, h, w)` float32 on the pixels' device, channels last in memory: convolutions are faster so.
    """
    return Normalise(mean, std, pixels.device)(pixels)


def by_head(kind: str, predicted: npt.NDArray[np.float64]) -> list[npt.NDArray[np.float64]]:
    """What each head predicted, one where there are no several: `(n, heads, ...)` taken apart.

    Args:
        kind: of the task.
        predicted: of `n` images, of one head or of several, as `ttl.stats.metrics` takes it.
    """
    of_one = 3 if kind == "segmentation" else 2
    return [predicted] if predicted.ndim == of_one else list(predicted.swapaxes(0, 1))


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
        model: images to logits `(n, classes)`, or `(n, heads, classes)`.
        pixels: `(n, 1 or 3, h, w)` uint8.
        kind: `binary`, `multiclass` or `multilabel`.
        mean: of the input's channels.
        std: likewise.
        batch_size: images at a time.
        device: where to compute.

    Returns:
        float64, in the logits' shape.
    """
    objective, normalise = Objective(kind), Normalise(mean, std, device)
    model.to(device).eval()
    with torch.inference_mode():
        parts = [
            objective.probabilities(model(normalise(batch.to(device)))).cpu()
            for batch in torch.split(pixels, batch_size)
        ]
    return torch.cat(parts).numpy()
