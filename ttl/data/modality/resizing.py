"""How an image of any size becomes the network's input: squashed, its middle, or whole with black beside it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from PIL import Image

from ttl.data.modality.image import Pixels, channels_first
from ttl.errors import UsageError
from ttl.words.sides import Sides

INTERPOLATIONS = ("nearest", "bilinear", "bicubic", "lanczos")
Fit = Literal["squash", "crop", "pad"]
"""What is done where an image has other proportions than the input: it is squashed, its middle is taken, or it is
shown whole with black beside it."""


@dataclass(frozen=True)
class Resizing:
    """`sides` are height and width in pixels, the interpolation is antialiased.

    Raises:
        UsageError: no such interpolation or fit.
    """

    sides: Sides
    interpolation: str = "bilinear"
    fit: Fit = "squash"

    def __post_init__(self) -> None:
        for what, value, there in (
            ("interpolation", self.interpolation, INTERPOLATIONS),
            ("fit", self.fit, get_args(Fit)),
        ):
            if value not in there:
                raise UsageError(f"There is no {what} {value!r}: choose one of {', '.join(there)}.")

    def pixels(self, image: Image.Image, channels: int) -> Pixels:
        """An image (`L` or `RGB`) as `(channels, height, width)` uint8, of 1 or 3 channels."""
        converted = image.convert("L" if channels == 1 else "RGB")
        width, height = converted.size
        if self.fit == "crop":
            middle_height, middle_width = middle_of((height, width), self.sides)
            top, left = (height - middle_height) // 2, (width - middle_width) // 2
            converted = converted.crop((left, top, left + middle_width, top + middle_height))
        inner = inside((height, width), self.sides) if self.fit == "pad" else self.sides
        # In two steps, since releases of Pillow differ in which side they begin with, and round in between.
        resampling = Image.Resampling[self.interpolation.upper()]
        narrowed = converted.resize((inner[1], converted.height), resampling)
        pixels = channels_first(narrowed.resize((inner[1], inner[0]), resampling), channels)
        if self.fit != "pad":
            return pixels
        spare = [side - own for side, own in zip(self.sides, inner, strict=True)]
        return np.pad(pixels, [(0, 0), *((both // 2, both - both // 2) for both in spare)])


def middle_of(image: Sides, sides: Sides) -> Sides:
    """Height and width, at least a pixel each, of the largest part of an image that has the proportions of `sides`.

    Only whole numbers are computed with, and a half is rounded up: every runtime finds the same part.
    """
    (height, width), (new_height, new_width) = image, sides
    return min(height, _rounded(width * new_height, new_width)), min(width, _rounded(height * new_width, new_height))


def inside(image: Sides, sides: Sides) -> Sides:
    """Height and width, at least a pixel each, of a whole image made as large as fits into `sides`; as `middle_of`."""
    (height, width), (new_height, new_width) = image, sides
    return min(new_height, _rounded(height * new_width, width)), min(new_width, _rounded(width * new_height, height))


def _rounded(number: int, divisor: int) -> int:
    return max(1, (2 * number + divisor) // (2 * divisor))
