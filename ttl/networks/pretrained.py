"""The front door: a network by its name, with the weights asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from ttl.networks.names import TORCHVISION, UNET
from ttl.networks.spec import Built, InputSpec
from ttl.networks.timm_zoo import build_timm
from ttl.networks.torchvision_zoo import build_torchvision
from ttl.networks.weights import WeightsReport, load_checkpoint, trainable_or_statistic
from ttl.words.sides import ImageSize, sides_of

DEFAULT = "default"
NONE = "none"


@dataclass(frozen=True)
class Backbone:
    """A network in eval mode, its classifier included, and what it expects."""

    name: str
    model: nn.Module
    spec: InputSpec
    weights: WeightsReport


def load_backbone(
    name: str, *, weights: str | Path = DEFAULT, image_size: ImageSize | None = None, seed: int = 0
) -> Backbone:
    """Make a network and load its weights.

    Example:
        >>> import ttl
        >>> ttl.load_backbone("resnet18", weights="none").spec.image_size
        224

    Args:
        name: a timm name, with or without a tag (`densenet121.tv_in1k`), `tv:NAME` for torchvision, or `unet:ENCODER`
            for a U-Net of segmentation_models_pytorch, on one of its encoders or on a network of timm's.
        weights: `default` (the zoo's pretrained), `none` (random), or the path of a checkpoint.
        image_size: side of the square input in pixels, or height and width; the network's own by default (of a U-Net,
            256).
        seed: of what stays random; the caller's generator is left alone.

    Raises:
        UsageError: the image size isn't positive, or of another number of sides.
        ModelError: there is no such network; near names are given.
        WeightsError: the weights can't be had, read, or fitted.
    """
    sides = None if image_size is None else sides_of(image_size)
    build: Callable[..., Built] = build_torchvision if name.startswith(TORCHVISION) else build_timm
    load: Callable[..., WeightsReport] = load_checkpoint
    if name.startswith(UNET):
        # segmentation_models_pytorch takes a second to import, which no classifier needs.
        from ttl.networks.unet_zoo import build_unet, load_unet_checkpoint

        build, load = build_unet, load_unet_checkpoint
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        built = build(name, pretrained=weights == DEFAULT, sides=sides)
    state = built.model.state_dict()
    if weights == DEFAULT:
        report = WeightsReport("pretrained", len(state) - len(built.fresh), missing=built.fresh)
    elif weights == NONE:
        report = WeightsReport("none", 0, missing=trainable_or_statistic(state))
    else:
        report = load(built.model, Path(weights), network=name, classifier=built.classifier)
    return Backbone(name, built.model.eval(), built.spec, report)
