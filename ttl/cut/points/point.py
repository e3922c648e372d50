"""The noun: a truncation point, of any network or of a U-Net."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ttl.typed import from_json
from ttl.words.sides import AXES, Sides


@dataclass(frozen=True)
class TruncationPoint:
    """A place where a network can be cut. Params and MACs are of everything up to it, head excluded."""

    index: int
    """1 is the lowest point."""
    name: str
    """The path of the module that ends here, e.g. `layer3.5`."""
    kind: str
    """`stem`, `block` or `layer` (a transition, a final conv or norm)."""
    stage: int
    """The resolution stage it lies in, 1 the first."""
    is_stage_end: bool
    """Whether it is the last point before the resolution drops, or the network's last."""
    channels: int
    reduction: int
    """The stride against the input: 16 means a feature map of 1/16 of the image's side."""
    params: int
    macs: int
    shape: tuple[int, ...]
    """The feature's shape for one image of `sides`, without the batch: `(channels, height, width)`."""
    sides: Sides
    """Of the image that shape and MACs are of, in pixels."""
    channel_axis: int
    """Which axis of `shape` holds the channels: 0 in a map, 2 where they come last (Swin), 1 in tokens."""
    image_channels: int
    is_finished: bool
    """Whether the norm (and activation) that the next block begins with was taken along: `finish="norm"`."""
    is_within_weights: bool
    """Whether none of the tensors up to here was missing from the weights that were loaded."""
    values: tuple[str, ...]
    """The values of the walked graph whose channel concatenation is the feature here."""


@dataclass(frozen=True)
class UNetPoint(TruncationPoint):
    """A place where a U-Net's encoder can be cut; the decoder stages of what is removed go with it.

    Params and MACs are of all that is left: the encoder up to the cut and the decoder stages that it still has, the
    segmentation head excluded.
    """

    encoder_params: int
    """Of `params`, those of the encoder."""
    encoder_macs: int
    """Of `macs`, those of the encoder."""
    enters: int | None
    """The decoder stage that the cut's feature enters, the first that is left; None in the whole network, which has
    all."""
    skips: tuple[str, ...]
    """The values of the walked graph that the skip connections left carry, lowest resolution first."""
    skip_channels: tuple[int, ...]
    """Of each of them."""
    entry: str
    """The path of the convolution of that stage that reads the feature."""
    entry_channels: int
    """Its input width here."""
    entry_is_new: bool
    """Whether that isn't its width in the whole network: then it starts with new weights, the only one that does."""


def point_from_json(content: object, *, where: str) -> TruncationPoint:
    """The point whose `asdict` was written as JSON, by version 0.1 too, which knew squares alone.

    Args:
        content: JSON values; keys that aren't a point's are left alone.
        where: the file that they come from, for the message.

    Raises:
        RunFolderError: it is no point; the sentence names file and field.
    """
    values = dict(content) if isinstance(content, Mapping) else content
    if isinstance(values, dict) and "sides" not in values and isinstance(values.get("image_size"), int):
        values["sides"] = [values["image_size"]] * AXES
    kind = UNetPoint if isinstance(values, dict) and "enters" in values else TruncationPoint
    return from_json(kind, values, where=where)
