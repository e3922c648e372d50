"""Labelled samples with their features at every candidate: images, or some pixels where each pixel has a class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from ttl.cut.features import Features, in_batches
from ttl.cut.points import TruncationPoint, UNetPoint
from ttl.cut.surgery import recorded
from ttl.cut.truncation import traced_for
from ttl.data.decoded import TrainingImages
from ttl.data.masked_images import MaskedImages
from ttl.data.task import IGNORE
from ttl.search.linear_probe import Floats, Numbers

PIXELS = 4096  # in all images together
PIXEL_BATCH, IMAGE_BATCH = 16, 64


@dataclass(frozen=True, eq=False)
class FeatureSamples:
    """What a linear classifier can be fitted to at each candidate."""

    labels: Numbers  # `(n,)` or `(n, classes)`
    # What must not be torn apart by folds: the patient of each image, the image of each pixel; None where unknown.
    groups: tuple[str, ...] | None
    values: dict[str, Floats]  # name of a map -> `(n, channels)` float32
    # Candidate's name -> the maps whose channels, one after another, are its features; lowest first.
    maps: dict[str, tuple[str, ...]]

    def at(self, name: str) -> Floats:
        """`(n, width)`: the features at a candidate, in the order in which its head reads them."""
        maps = self.maps[name]
        return self.values[maps[0]] if len(maps) == 1 else np.concatenate([self.values[m] for m in maps], axis=1)


def feature_samples(network: nn.Module, points: Sequence[TruncationPoint], data: TrainingImages) -> FeatureSamples:
    """The features of the training images, or of some of their pixels, from one pass of a network in eval mode."""
    if data.task.kind.per_pixel:
        return _pixels(network, [point for point in points if isinstance(point, UNetPoint)], data)
    pooled = Features(network, points)
    batches, train = torch.split(data.images.crops(), IMAGE_BATCH), data.task.train
    values = in_batches(network, batches, data.normalise, lambda _, images: pooled(images))
    arrays = {name: value.float().numpy() for name, value in values.items()}
    return FeatureSamples(np.asarray(train.labels), train.groups, arrays, {name: (name,) for name in arrays})


def _pixels(network: nn.Module, points: Sequence[UNetPoint], data: TrainingImages) -> FeatureSamples:
    """As many pixels of each training image's middle, with what each truncated U-Net's decoder would be given there."""
    split = data.images
    if not isinstance(split, MaskedImages):
        raise TypeError("pixels are sampled of images with masks")
    pixels, masks = split.crops(), split.crops_of_masks()
    each = max(1, PIXELS // len(pixels))
    places = _places(masks, each, torch.Generator().manual_seed(data.seed))
    maps = {point.name: (*point.values, *point.skips) for point in points}
    traced = traced_for(network, *points)
    order = torch.split(torch.arange(len(pixels)), PIXEL_BATCH)

    def look(number: int, images: torch.Tensor) -> dict[str, torch.Tensor]:
        at = partial(_at, grid=_grid(places[order[number]], split.sides).to(images.device))
        return recorded(traced, images, {name: at for names in maps.values() for name in names})[1]

    batches = (pixels[chosen] for chosen in order)
    values = in_batches(network, batches, data.normalise, look)
    labels = masks.flatten(1).gather(1, places).flatten().numpy().astype(np.int64)
    known = labels != IGNORE
    images = np.repeat(np.arange(len(pixels)), each)[known]
    arrays = {name: value.numpy()[known] for name, value in values.items()}
    return FeatureSamples(labels[known], tuple(map(str, images)), arrays, maps)


def _places(masks: torch.Tensor, each: int, generator: torch.Generator) -> torch.Tensor:
    """`(n, each)` positions in masks `(n, h, w)`; unlabelled ones only where there are too few others."""
    chance = torch.rand(masks.flatten(1).shape, generator=generator) - (masks.flatten(1) == IGNORE).float()
    return chance.topk(each, dim=1).indices


def _grid(places: torch.Tensor, sides: tuple[int, ...]) -> torch.Tensor:
    """`(n, 1, each, 2)` x and y of the centres of pixels, in an image that goes from -1 to 1."""
    height, width = sides
    extent = torch.tensor([width, height])
    return torch.stack([places % width, places // width], -1).float().add(0.5).mul(2 / extent).sub(1)[:, None]


def _at(value: torch.Tensor, grid: torch.Tensor) -> torch.Tensor:
    """`(n * each, channels)`: a map, enlarged bilinearly, at some pixels."""
    sampled = F.grid_sample(value.float(), grid, padding_mode="border", align_corners=False)
    return sampled[:, :, 0].transpose(1, 2).flatten(0, 1)
