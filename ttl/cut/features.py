"""The features at many points from one pass of the whole network."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial

import torch
from torch import nn

from ttl.cut.points import TruncationPoint
from ttl.cut.surgery import ValueRecorder, eval_mode
from ttl.cut.trace import trace
from ttl.cut.truncation import foreign_point

Pixels = torch.Tensor
Look = Callable[[int, torch.Tensor], Mapping[str, torch.Tensor]]
"""Takes the number of a batch and its images, normalised, on the device; gives what is kept of them, by name."""


def in_batches(
    network: nn.Module,
    batches: Iterable[Pixels],
    normalise: Callable[[torch.Tensor], torch.Tensor],
    look: Look,
    *,
    device: str | torch.device,
) -> dict[str, torch.Tensor]:
    """What `look` keeps of all batches, one after another, on the CPU; the network is there again afterwards.

    Args:
        network: moved to the device meanwhile.
        batches: pixels `(n, c, h, w)` uint8.
        normalise: makes the network's input of pixels on the device.
        look: calls the network.
        device: where to compute.
    """
    network.to(device)
    try:
        parts = [
            {name: value.cpu() for name, value in look(number, normalise(pixels.to(device))).items()}
            for number, pixels in enumerate(batches)
        ]
    finally:
        network.to("cpu")
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}


class Features:
    """The features at many points from one pass of the whole network.

    Args:
        model: the network that the points came from; it is left as it is.
        points: of `truncation_points(model)`.
        reduce: makes of each feature `(n, channels, positions)` what is kept of it, `(n, channels, ...)`; the mean
            over its positions by default.

    Raises:
        PointError: a point isn't one of this model's.
    """

    def __init__(
        self,
        model: nn.Module,
        points: Sequence[TruncationPoint],
        reduce: Callable[[torch.Tensor], torch.Tensor] | None = None,
    ) -> None:
        first = points[0]
        graph, constants = trace(model, image_size=first.sides, channels=first.image_channels)
        names = [node.name for node in graph.nodes]
        wanted: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {}
        for point in points:
            absent = [name for name in point.values if name not in names]
            if absent:
                raise foreign_point(point, model, f"it has no value {absent[0]}")
            kept = partial(_kept, axis=point.channel_axis + 1, reduce=reduce or _mean)
            wanted |= dict.fromkeys(point.values, kept)
        self.model, self.points = model, tuple(points)
        self._recorder = ValueRecorder(model, graph, constants, wanted)

    @torch.no_grad()
    def __call__(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        """In eval mode: the name of each point -> what is kept, of images `(n, channels, h, w)`."""
        with eval_mode(self.model):
            self._recorder.run(images)
        taken = self._recorder.taken
        return {point.name: torch.cat([taken[name] for name in point.values], 1) for point in self.points}


def _mean(feature: torch.Tensor) -> torch.Tensor:
    return feature.mean(2)


def _kept(feature: torch.Tensor, axis: int, reduce: Callable[[torch.Tensor], torch.Tensor]) -> torch.Tensor:
    """Copied: a later in-place operation may change the feature."""
    channels_first = feature.movedim(axis, 1)
    return reduce(channels_first.reshape(*channels_first.shape[:2], -1)).clone()
