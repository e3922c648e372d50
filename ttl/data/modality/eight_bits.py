"""What a file stores as 8 bits, grey or colour on black: the same for training, `ttl predict` and every picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image, ImageOps

from ttl.data.modality.deep_tiff import Samples
from ttl.data.modality.rendering import Rendering
from ttl.data.modality.stretch import Limits, limits, shares
from ttl.errors import DataError

Array = npt.NDArray[Any]
GREY_MODES = frozenset({"1", "L", "LA", "La"})
LEAST_CONTRAST = 16
"""Of 255: an image that has less is nearly of one colour, and taken for one that has lost its content."""

VALUES_AT_ONCE = 2**20
"""That are made into float64 together: all of a large image would take eight times its memory, several times over."""


@dataclass(frozen=True, eq=False)
class EightBits:
    """An image of mode `L` or `RGB`, upright, and what became of its pixels: see `Facts`."""

    image: Image.Image
    is_deep: bool = False
    is_clipped: bool = False
    is_transparent: bool = False


def contrast(image: Image.Image) -> int:
    """From the darkest to the brightest pixel, of the channel where that is most: 0 (one colour) to 255.

    Of an image of mode `L` or `RGB`.
    """
    bands = image.split() if image.mode == "RGB" else (image,)
    ranges: Any = (band.getextrema() for band in bands)
    return max(int(high) - int(low) for low, high in ranges)


def remark(image: Image.Image) -> str:
    """What a person should know who sees only what was predicted of an image; empty where there is nothing."""
    return "nearly one colour: look at it" if contrast(image) < LEAST_CONTRAST else ""


def of_image(image: Image.Image, *, is_upright: bool) -> EightBits:
    """An image that Pillow gives 8 bits of, turned upright in place; transparent pixels lie on black."""
    image.load()
    if not is_upright:
        ImageOps.exif_transpose(image, in_place=True)
    mode = "L" if image.mode in GREY_MODES else "RGB"
    if image.has_transparency_data:
        # Of grey with its alpha multiplied in, Pillow makes nothing but grey with alpha.
        clear = (image.convert("LA") if image.mode == "La" else image).convert("RGBA")
        if clear.getchannel("A").getextrema() != (255, 255):
            on_black = Image.alpha_composite(Image.new("RGBA", clear.size, "black"), clear)
            return EightBits(on_black.convert(mode), is_transparent=True)
    return EightBits(image if image.mode == mode else image.convert(mode))


def of_samples(samples: Samples, rendering: Rendering) -> EightBits:
    """Samples of any type: by one scale for all channels from black to white, as `Rendering` says.

    Pixels that are wholly transparent don't set the scale. Unsigned samples of 8 bits are as they are.

    Raises:
        DataError: a pixel isn't a finite number; in a few words.
    """
    values, alpha = samples.values, samples.alpha
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise DataError("a pixel isn't a number" if np.isnan(values).any() else "a pixel is infinite")
    is_deep = values.dtype != np.uint8
    seen = values if alpha is None else values[alpha > 0]
    scale = scale_of(seen, rendering) if is_deep and seen.size else Limits(0, 255)
    pixels: npt.NDArray[np.uint8] = np.empty(values.shape, np.uint8)
    rows = max(1, VALUES_AT_ONCE // max(1, values[:1].size))
    for start in range(0, len(values), rows):
        part = slice(start, start + rows)
        grey = shares(values[part], scale)
        if samples.inverted:
            grey = 1 - grey
        if alpha is not None:
            grey *= ((alpha[part] > 0) if samples.premultiplied else alpha[part])[..., None]
        pixels[part] = np.rint(255 * grey)
    image = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
    image.getexif()[ExifTags.Base.Orientation] = samples.orientation
    ImageOps.exif_transpose(image, in_place=True)
    return EightBits(image, is_deep, scale.clipped, alpha is not None and bool((alpha < 1).any()))


def scale_of(values: Array, rendering: Rendering) -> Limits:
    """What becomes black and white of an image's values, at least one: as is asked for, else by the values."""
    if rendering.value_range is not None:
        return Limits(*rendering.value_range)
    if rendering.stretch == "minmax":
        return Limits(float(values.min()), float(values.max()))
    return limits(values)
