"""A pretrained network with all that is known of it: its weights, its input, and where it can be cut."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from ttl.cut.points import TruncationPoints, truncation_points
from ttl.cut.unet import is_unet
from ttl.networks import load_backbone
from ttl.networks.pretrained import DEFAULT, NONE
from ttl.networks.spec import InputSpec
from ttl.networks.weights import WeightsReport
from ttl.words.sides import ImageSize


@dataclass(frozen=True, eq=False)
class Network:
    """A whole network, in eval mode, its classifier included."""

    name: str  # as `load_network` takes it
    model: nn.Module  # with the weights asked for; whoever trains copies it
    spec: InputSpec  # what it expects of its images
    weights: WeightsReport  # where its weights came from, and what of it they cover
    points: TruncationPoints  # where it can be cut, lowest first; the last one is the whole of it
    begun_anew: Callable[[int], nn.Module] | None = None
    """The same, what has no weights of its own begun at random with a seed; None where nothing of it has to be."""

    @property
    def draws_masks(self) -> bool:
        """Whether it gives each pixel a class, and not the image."""
        return is_unet(self.model)

    def seeded(self, seed: int) -> nn.Module:
        """What a fine-tune with that seed starts from: the same weights for all, but random ones a seed each.

        So do the decoders of U-Nets, which no classifier's weights cover.
        """
        return self.model if self.begun_anew is None else self.begun_anew(seed)


def load_network(
    name: str,
    *,
    weights: str | Path = DEFAULT,
    image_size: ImageSize | None = None,
    seed: int = 0,
    finish: str = "block",
) -> Network:
    """Make a network, load its weights (see `load_backbone`) and find its points (see `truncation_points`).

    Raises:
        ModelError: there is no such network, or it can't be cut.
        WeightsError: the weights can't be had, read, or fitted.
        UsageError: no such image size or `finish`.
    """
    backbone = load_backbone(name, weights=weights, image_size=image_size, seed=seed)
    missing = () if str(weights) == NONE else backbone.weights.missing
    points = truncation_points(backbone.model, image_size=backbone.spec.sides, finish=finish, missing=missing)

    def begun_anew(other: int) -> nn.Module:
        if other == seed:
            return backbone.model
        return load_backbone(name, weights=weights, image_size=backbone.spec.sides, seed=other).model

    partly_random = str(weights) == NONE or is_unet(backbone.model)
    return Network(name, backbone.model, backbone.spec, backbone.weights, points, begun_anew if partly_random else None)
