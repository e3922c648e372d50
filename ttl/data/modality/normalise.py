"""From stored pixels to the network's input."""

from __future__ import annotations

from collections.abc import Sequence

import torch


class Normalise:
    """Makes the network's input of stored pixels, on one device; mean and std are per channel, for pixels in 0..1."""

    def __init__(self, mean: Sequence[float], std: Sequence[float], device: torch.device | str) -> None:
        self.mean, self.std = tuple(mean), tuple(std)
        self.device = torch.device(device)
        self.shift = torch.tensor(mean, device=self.device).view(1, -1, 1, 1)
        self.scale = torch.tensor(std, device=self.device).view(1, -1, 1, 1)

    def __call__(self, pixels: torch.Tensor) -> torch.Tensor:
        """`(n, channels, h, w)` float32, channels last in memory: convolutions are faster so.

        Of pixels `(n, c, h, w)`, 0..255 in any type, c = 1 (grey, repeated) or as many as `mean` has.
        """
        shares = pixels.float() / 255
        shape = (len(pixels), len(self.shift[0]), *pixels.shape[2:])
        shares_less_mean = torch.empty(shape, device=self.device, memory_format=torch.channels_last)
        return torch.sub(shares, self.shift, out=shares_less_mean).div_(self.scale)


def normalised(pixels: torch.Tensor, mean: Sequence[float], std: Sequence[float]) -> torch.Tensor:
    """What `Normalise` makes of pixels, on their device."""
    return Normalise(mean, std, pixels.device)(pixels)
