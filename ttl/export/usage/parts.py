"""From an image file to a decision, as one value that a program without ttl can follow.

It is made from the contract. The file's metadata (`ttl.usage`), the JSON beside it and its model card have it, in
numbers and in words.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ttl.data.modality.rendering import Frame, Range, Stretch, Window
from ttl.data.modality.resizing import Fit
from ttl.data.modality.stretch import FEWEST, OUTLIERS
from ttl.data.modality.windows import FLOOR, OVERLAP, SIGMAS

Probabilities = Literal["softmax", "sigmoid", "sigmoid of the second class", "none"]
By = Literal["most probable", "finding", "labels"]
GREY_WEIGHTS, GREY_HALF, GREY_SHIFT = (19595, 38470, 7471), 32768, 16
"""Pillow's grey, in whole numbers."""


@dataclass(frozen=True)
class Tensor:
    """An input or output of the graph; a number in the shape is fixed, a name is free."""

    name: str
    type: str
    shape: tuple[str | int, ...]


@dataclass(frozen=True)
class Grey:
    """(weights · (R, G, B) + half) >> shift, in whole numbers."""

    weights: tuple[int, int, int] = GREY_WEIGHTS
    half: int = GREY_HALF
    shift: int = GREY_SHIFT


@dataclass(frozen=True)
class Deep:
    """How samples of more than 8 bits, or signed ones, become 8 bits; see `ttl.data.modality.stretch.limits`.

    `value_range` has the values that become black and white; None where each image sets its own by the `rule`.
    """

    rule: Stretch
    value_range: Range | None
    outlier_share: float = OUTLIERS
    fewest_between: int = FEWEST


@dataclass(frozen=True)
class DecodingRules:
    """From an image file to 8 bits a channel, grey or RGB."""

    frame: Frame
    window: Window | None  # of DICOM; None where the file's own is taken
    deep: Deep
    orientation: Literal["exif"] = "exif"
    transparency: Literal["on black"] = "on black"
    cmyk: Literal["n - round(n * c / 255), n = 255 - k"] = "n - round(n * c / 255), n = 255 - k"
    colour_profile: Literal["ignored"] = "ignored"


@dataclass(frozen=True)
class Windows:
    """In what parts a segmentation does images with a side beyond `sides`: evenly spread, overlapping by `overlap` of
    a side at least; logits are averaged, weighted by a Gaussian of `sigma` of a side, at least `least_weight`.
    """

    sides: tuple[int, ...]
    overlap: float = OVERLAP
    sigma: float = 1 / SIGMAS
    least_weight: float = FLOOR


@dataclass(frozen=True)
class Pixels:
    """From 8 bits to the pixels of the network; height comes before width.

    A classifier's images are resized to `sides`; a segmentation's keep their size, and are padded to `multiples_of`.
    """

    channels: int
    grey: Grey
    sides: tuple[int, ...] | None
    interpolation: str | None
    fit: Fit | None
    multiples_of: tuple[int, ...] | None
    windows: Windows | None


@dataclass(frozen=True)
class Normalisation:
    """(pixel / divide_by - mean) / std, for each of three channels; a grey image is all three."""

    mean: tuple[float, ...]
    std: tuple[float, ...]
    divide_by: int = 255


@dataclass(frozen=True)
class Decision:
    """From probabilities to a decision.

    `most probable`: that class. `finding`: it is there where the probabilities of its classes, summed, reach the
    threshold. `labels`: each is there whose probability reaches its own.
    """

    by: By
    finding: tuple[str, ...]
    thresholds: tuple[float, ...]
    per: Literal["image", "patient", "pixel"]
    combine: Literal["mean", "max"]


@dataclass(frozen=True)
class Usage:
    """The whole way; `pixels` and `normalisation` are None where the file does that itself."""

    input: Tensor
    output: Tensor
    class_names: tuple[str, ...]
    decoding: DecodingRules
    pixels: Pixels | None
    normalisation: Normalisation | None
    probabilities: Probabilities
    decision: Decision
    steps: tuple[str, ...]  # the same in words
