"""The features at many points from one pass of the whole network."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial

import torch
from torch import nn

from ttl.cut.points import TruncationPoint
from ttl.cut.surgery import recorded
from ttl.cut.truncation import traced_for
from ttl.data.modality.normalise import Normalise

Look = Callable[[int, torch.Tensor], Mapping[str, torch.Tensor]]
"""Takes the number of a batch and its images, normalised, on the device; gives what is kept of them, by name."""


def in_batches(
    network: nn.Module, batches: Iterable[torch.Tensor], normalise: Normalise, look: Look
) -> dict[str, torch.Tensor]:
    """What `look`, which calls the network, keeps of all batches (pixels `(n, c, h, w)` uint8), on the CPU.

    The network is on the device of `normalise` meanwhile, and on the CPU afterwards.
    """
    network.to(normalise.device)
    try:
        parts = [
            {name: value.cpu() for name, value in look(number, normalise(pixels.to(normalise.device))).items()}
            for number, pixels in enumerate(batches)
        ]
    finally:
        network.to("cpu")
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}


class Features:
    """The features at many points from one pass of the whole network.

    Args:
        model: the network that the points came from; it is left as it is.
        reduce: makes of each feature `(n, channels, positions)` what is kept of it, `(n, channels, ...)`; the mean
            over its positions by default.

    Raises:
        PointError: a point isn't one of this model's.
    """

    def __init__(
        self,
        model: nn.Module,
        points: Sequence[TruncationPoint],
        reduce: Callable[[torch.Tensor], torch.Tensor] = lambda feature: feature.mean(2),
    ) -> None:
        self.traced, self.points = traced_for(model, *points), tuple(points)
        self.wanted = {
            name: partial(_kept, axis=point.channel_axis + 1, reduce=reduce)
            for point in points
            for name in point.values
        }

    def __call__(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        """In eval mode: the name of each point -> what is kept, of images `(n, channels, h, w)`."""
        _, taken = recorded(self.traced, images, self.wanted)
        return {point.name: torch.cat([taken[name] for name in point.values], 1) for point in self.points}


def _kept(feature: torch.Tensor, axis: int, reduce: Callable[[torch.Tensor], torch.Tensor]) -> torch.Tensor:
    channels_first = feature.movedim(axis, 1)
    return reduce(channels_first.reshape(*channels_first.shape[:2], -1)).clone()
