"""What a network expects of its images, and what a zoo hands out."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from ttl.words.sides import Sides, short


@dataclass(frozen=True)
class InputSpec:
    """The images that a network takes: sides in pixels, and per-channel statistics for pixels in 0..1."""

    sides: Sides
    mean: tuple[float, ...]
    std: tuple[float, ...]
    interpolation: str  # `bilinear` or `bicubic`

    @property
    def image_size(self) -> int | Sides:
        """The short form of a square; all sides where they differ."""
        return short(self.sides)


@dataclass(frozen=True)
class Built:
    """A network as a zoo builds it."""

    model: nn.Module
    spec: InputSpec
    classifier: tuple[str, ...]  # paths of the modules that map features to classes
    fresh: tuple[str, ...] = ()
    """Names of the tensors that the zoo has no pretrained weights for: the decoder of a U-Net."""


def last_child(model: nn.Module) -> tuple[str, ...]:
    """The path of the top-level module that holds the last parameter: the classifier, in a classifier."""
    names = [name for name, _ in model.named_parameters()]
    return (names[-1].partition(".")[0],)
