"""Pixels as samples: what the decoder of each truncated U-Net would be given at some pixels of the training images."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.nn import functional as F

from ttl.cut.points import UNetPoint
from ttl.cut.surgery import Tap, eval_mode
from ttl.cut.trace import trace
from ttl.data.task import IGNORE
from ttl.finetune.inference import Normalise
from ttl.run.prepared import Prepared

PIXELS = 4096
"""In all images together."""
BATCH = 16
Floats = npt.NDArray[np.float32]
Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class SampledPixels:
    """Some labelled pixels of the training images.

    Attributes:
        labels: `(n,)` their classes.
        images: `(n,)` the image that each is of.
        values: `(n, channels)` float32 of each map of the encoder, by its name in the walked graph, enlarged to the
            image.
    """

    labels: Numbers
    images: Numbers
    values: dict[str, Floats]

    def at(self, point: UNetPoint) -> Floats:
        """`(n, channels)`: of all maps that the decoder is given that is left at `point`, in a `PixelHead`'s order."""
        return np.concatenate([self.values[name] for name in (*point.values, *point.skips)], axis=1)


def sampled_pixels(prepared: Prepared, network: nn.Module) -> SampledPixels:
    """As many pixels of each training image's middle, drawn with the run's seed, through `network` in eval mode."""
    split = prepared.masked["train"]
    pixels, masks = split.crops(), split.crops_of_masks()
    each = max(1, PIXELS // len(pixels))
    places = _places(masks, each, torch.Generator().manual_seed(prepared.config.seed))
    points = [point for point in prepared.candidates if isinstance(point, UNetPoint)]
    names = {name: None for point in points for name in (*point.values, *point.skips)}
    graph, constants = trace(network, image_size=points[-1].image_size, channels=points[-1].image_channels)
    normalise = Normalise(prepared.backbone.spec.mean, prepared.backbone.spec.std, prepared.device)
    network.to(prepared.device)
    parts = []
    for chosen in torch.split(torch.arange(len(pixels)), BATCH):
        look = partial(_at, grid=_grid(places[chosen], split.side).to(prepared.device))
        tap = Tap(network, graph, constants, dict.fromkeys(names, look))
        with torch.no_grad(), eval_mode(network):
            tap.run(normalise(pixels[chosen].to(prepared.device)))
        parts.append({name: value.cpu().numpy() for name, value in tap.taken.items()})
    network.to("cpu")
    labels = masks.flatten(1).gather(1, places).flatten().numpy().astype(np.int64)
    known = labels != IGNORE
    images = np.repeat(np.arange(len(pixels)), each)
    values = {name: np.concatenate([part[name] for part in parts])[known] for name in parts[0]}
    return SampledPixels(labels[known], images[known], values)


def _places(masks: torch.Tensor, each: int, generator: torch.Generator) -> torch.Tensor:
    """`(n, each)` positions in masks `(n, h, w)`; unlabelled ones only where there are too few others."""
    chance = torch.rand(masks.flatten(1).shape, generator=generator) - (masks.flatten(1) == IGNORE).float()
    return chance.topk(each, dim=1).indices


def _grid(places: torch.Tensor, side: int) -> torch.Tensor:
    """`(n, 1, each, 2)` x and y of the centres of pixels, in an image that goes from -1 to 1."""
    return torch.stack([places % side, places // side], -1).float().add(0.5).mul(2 / side).sub(1)[:, None]


def _at(value: torch.Tensor, grid: torch.Tensor) -> torch.Tensor:
    """`(n * each, channels)`: a map, enlarged bilinearly, at some pixels."""
    found = F.grid_sample(value.float(), grid, padding_mode="border", align_corners=False)
    return found[:, :, 0].transpose(1, 2).flatten(0, 1)
