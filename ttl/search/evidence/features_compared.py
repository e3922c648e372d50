"""Canonical correlations of every candidate's features in two networks: before and after a fine-tune."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import ceil, prod

import torch
from torch import nn

from ttl.cut.features import Features, in_batches
from ttl.cut.points import TruncationPoint
from ttl.data.decoded import TrainingImages
from ttl.errors import UsageError
from ttl.search.evidence.overlap import Similarities, Similarity
from ttl.stats.similarity import SAMPLES_PER_DIMENSION, draws, svcca

DRAWS = 20
MOST_CHANNELS = 64
MOST_IMAGES = 1024
BATCH = 64
PLACES_PER_PATCH = 4  # places that are kept of each point's maps, for one that a draw takes
Pair = Callable[[], tuple[nn.Module, nn.Module]]  # a network before and after its fine-tune


@dataclass(frozen=True)
class Size:
    """What every point is compared at (Raghu et al. 2019, appendix C)."""

    images: int
    patches: int
    channels: int


def common_size(points: Sequence[TruncationPoint], images: int) -> Size:
    """The largest that every point's features have, of so many images, with ten patches a channel.

    Raises:
        UsageError: there are too few images.
    """
    images = min(MOST_IMAGES, images)
    places = min(images * prod(point.shape) // point.shape[point.channel_axis] for point in points)
    channels = min(MOST_CHANNELS, places // SAMPLES_PER_DIMENSION, *(point.channels for point in points))
    if channels < 2:
        raise UsageError(
            f"--strategy svcca needs at least {2 * SAMPLES_PER_DIMENSION} training images, and there are {images}: use "
            "another strategy"
        )
    return Size(images, SAMPLES_PER_DIMENSION * channels, channels)


def similarities(points: Sequence[TruncationPoint], pairs: Iterable[Pair], data: TrainingImages) -> Similarities:
    """SVCCA at points (lowest first) between networks before and after their fine-tunes, and between random features.

    Pairs are one a seed, loaded one after another.

    Raises:
        UsageError: there are too few training images.
    """
    size = common_size(points, len(data.task.train))
    generator = torch.Generator().manual_seed(data.seed)
    independent = torch.randn(2, DRAWS, size.patches, size.channels, generator=generator, dtype=torch.float64)
    chance = _rounded(_coefficients(independent[0], independent[1]))
    pooled: dict[str, list[float]] = {point.name: [] for point in points}
    for pair in pairs:
        before, after = (_features(network, points, data, size) for network in pair())
        for name in pooled:
            drawn = {"patches": size.patches, "channels": size.channels, "n_draws": DRAWS}
            pooled[name] += _coefficients(*draws(before[name], after[name], **drawn, generator=generator))
    return Similarities(tuple(Similarity(name, _rounded(values)) for name, values in pooled.items()), chance)


def _rounded(values: Iterable[float]) -> tuple[float, ...]:
    """To four digits, as they are kept: a search that is taken up again reads what this one saw."""
    return tuple(round(value, 4) for value in values)


def _coefficients(x: torch.Tensor, y: torch.Tensor) -> Iterator[float]:
    """Of all draws one after another, over the directions that both sets have."""
    correlations = svcca(x, y)
    for row, rank in zip(correlations.coefficients.tolist(), correlations.rank.tolist(), strict=True):
        yield from row[:rank]


def _features(
    network: nn.Module, points: Sequence[TruncationPoint], data: TrainingImages, size: Size
) -> dict[str, torch.Tensor]:
    """Point name -> `(images, channels, places, 1)`: places drawn from each training image's map, unaugmented."""
    pixels = data.images.crops()
    order = torch.randperm(len(pixels), generator=torch.Generator().manual_seed(data.seed))[: size.images]
    places = _Places(ceil(PLACES_PER_PATCH * size.patches / size.images))
    features = Features(network, points, places)

    def look(number: int, images: torch.Tensor) -> dict[str, torch.Tensor]:
        places.seed = data.seed + number
        return {name: value[..., None] for name, value in features(images).items()}

    batches = (pixels[chosen] for chosen in torch.split(order, BATCH))
    return in_batches(network, batches, data.normalise, look)


class _Places:
    """Takes at most `each` of the positions, other ones for each image, but the same in all features of one size."""

    def __init__(self, each: int) -> None:
        self.each = each
        self.seed = 0

    def __call__(self, feature: torch.Tensor) -> torch.Tensor:
        n, channels, positions = feature.shape
        if positions <= self.each:
            return feature
        generator = torch.Generator().manual_seed(self.seed)
        chosen = torch.rand(n, positions, generator=generator).argsort(1)[:, : self.each].to(feature.device)
        return feature.gather(2, chosen[:, None].expand(n, channels, self.each))
