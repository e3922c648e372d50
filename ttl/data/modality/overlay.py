"""Masks and maps of shares drawn over images, as small PNG files.

A mask is a translucent fill inside an opaque outline; a map is clear where it is 0, and one hue thickens towards 1: how
much there is of it any colour vision can see, on dark and on bright images. Colours are those of Okabe & Ito (2008),
which people with any colour vision can tell apart.
"""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image

from ttl.data.modality.image import Pixels
from ttl.data.task import IGNORE

LONGEST = 320  # of a picture's longer side, in pixels: larger images are scaled down
SHORTEST = 160  # smaller images are enlarged by a whole number until their longer side has as many
FILL = 0.35  # how much of a colour is in the fill
OKABE_ITO = ("#E69F00", "#56B4E9", "#009E73", "#F0E442", "#D55E00", "#CC79A7", "#0072B2")
"""Without black, which doesn't show on dark images."""
HATCH, BETWEEN = 210, 110
STEP = 8  # from one line of the hatching to the next, in pixels
PALETTE = 160  # colours that a coloured picture is reduced to, besides those of its outlines: half the bytes
HUE = "#D55E00"
OPAQUE = 0.75  # of the hue where the share is 1: the image stays visible beneath
STEPS = (0.25, 0.5, 0.75, 1.0)  # shares that a legend shows
GREY = 150.0  # beneath the colours of a legend


def class_colours(n: int) -> list[str]:
    """The colours of the classes 1 to `n`, as `#RRGGBB`; from the eighth on they come again, lighter."""
    rounds = (divmod(i, len(OKABE_ITO)) for i in range(n))
    return [blend(rgb(OKABE_ITO[place]), (255, 255, 255), 1 - 0.5**again) for again, place in rounds]


def blend(colour: Sequence[float], other: Sequence[float], share: float) -> str:
    """A colour with a share of another, as `#RRGGBB`."""
    return "#" + "".join(f"{round(a + share * (b - a)):02X}" for a, b in zip(colour, other, strict=True))


def rgb(colour: str) -> tuple[int, ...]:
    """Red, green and blue of `#RRGGBB`, 0..255."""
    return tuple(bytes.fromhex(colour.removeprefix("#")))


def picture(pixels: Pixels) -> bytes:
    """An image `(c, h, w)`, grey or of three channels, as a PNG file, scaled as `overlay` scales it.

    Raises:
        ValueError: another shape.
    """
    image = scaled(pixels)
    grey = bool((image == image[..., :1]).all())
    return png(Image.fromarray(image[..., 0]) if grey else reduced(image))


def overlay(pixels: Pixels, mask: npt.NDArray[np.integer], *, classes: int) -> bytes:
    """An image with a mask over it as a PNG file.

    Images whose longer side exceeds `LONGEST` are scaled down (the mask by its nearest pixel), those where it falls
    short of `SHORTEST` are enlarged by a whole number. The outline lies within the class, and not along the image's
    edge.

    Args:
        mask: `(h, w)`, class of each pixel: 0 is background and not drawn, 255 is unlabelled and hatched.
        classes: how many there are, the background not among them: `class_colours(classes)` has their colours.

    Raises:
        ValueError: another shape, or a class outside `classes`.
    """
    if mask.shape != pixels.shape[1:]:
        raise ValueError(f"the mask is {mask.shape}, and the image is {pixels.shape[1:]}")
    if strange := set(np.unique(mask).tolist()) - {*range(classes + 1), IGNORE}:
        raise ValueError(f"the mask holds class {max(strange)} of {classes}")
    image = scaled(pixels)
    mask = _resized(Image.fromarray(mask.astype(np.uint8)), Image.Resampling.NEAREST)
    colours = np.array([(0, 0, 0), *map(rgb, class_colours(classes))], np.uint8)
    drawn = (mask > 0) & (mask != IGNORE)
    image[drawn] = np.round((1 - FILL) * image[drawn] + FILL * colours[mask[drawn]])
    unlabelled, (down, right) = mask == IGNORE, np.indices(mask.shape)
    image[unlabelled] = (image[unlabelled] // 2 + BETWEEN // 2).astype(np.uint8)  # shows on dark and on bright images
    image[unlabelled & ((down + right) % STEP < 2)] = HATCH
    outlined = np.where(drawn, mask, 0) * _edges(mask, 2 if max(mask.shape) > SHORTEST else 1)
    return png(reduced(image, outlined, colours))


def heat_colour(share: float) -> str:
    """How a share looks over mid-grey, as `#RRGGBB`."""
    return blend((GREY,) * 3, rgb(HUE), OPAQUE * share)


def heat(pixels: Pixels, shares: npt.NDArray[np.float32]) -> bytes:
    """An image `(c, h, w)` with a map `(rows, columns)` of any size, in 0..1, over it, enlarged bilinearly.

    Raises:
        ValueError: another shape.
    """
    if shares.ndim != 2:
        raise ValueError(f"a map is (rows, columns), and this one is {shares.shape}")
    image = scaled(pixels)
    size = (image.shape[1], image.shape[0])
    grown = np.asarray(Image.fromarray(shares.astype(np.float32)).resize(size, Image.Resampling.BILINEAR))
    share = np.clip(grown, 0, 1)[..., None].astype(np.float64)
    drawn = image + OPAQUE * share * (np.array(rgb(HUE), np.float64) - image)
    return png(reduced(np.round(drawn).astype(np.uint8)))


def scaled(pixels: Pixels) -> Pixels:
    """`(c, h, w)` -> `(height, width, 3)`, in the size of the picture; a ValueError for another shape."""
    if pixels.ndim != 3 or pixels.shape[0] not in (1, 3):
        raise ValueError(f"an image is (1, h, w) or (3, h, w), and this one is {pixels.shape}")
    image = np.broadcast_to(pixels, (3, *pixels.shape[1:])).transpose(1, 2, 0)
    smooth = Image.Resampling.LANCZOS if max(image.shape[:2]) > LONGEST else Image.Resampling.NEAREST
    return _resized(Image.fromarray(np.ascontiguousarray(image)), smooth)


def _resized(image: Image.Image, how: Image.Resampling) -> Pixels:
    longer = max(image.size)
    scale: float = LONGEST / longer if longer > LONGEST else -(-SHORTEST // longer)
    width, height = (max(1, round(scale * side)) for side in image.size)
    return np.array(image.resize((width, height), how), np.uint8)


def _edges(mask: Pixels, width: int) -> npt.NDArray[np.bool_]:
    """Whether a pixel has one of another class within `width`, along its row or column."""
    padded, (height, breadth) = np.pad(mask, width, mode="edge"), mask.shape
    edges = np.zeros(mask.shape, np.bool_)
    for step in range(1, width + 1):
        for down, right in ((step, 0), (-step, 0), (0, step), (0, -step)):
            edges |= padded[width + down :, width + right :][:height, :breadth] != mask
    return edges


def reduced(image: Pixels, outlined: Pixels | None = None, colours: Pixels | None = None) -> Image.Image:
    """The image in few colours, and over it the outlines in exactly theirs: `colours[c]` where `outlined` is c."""
    drawn = [] if outlined is None else np.unique(outlined[outlined > 0]).tolist()
    most = min(PALETTE, 256 - len(drawn))
    few = Image.fromarray(image).quantize(most, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    if outlined is None or colours is None:
        return few
    palette = (few.getpalette() or [])[: 3 * most]
    at = np.array(few, np.uint8)
    for place, label in enumerate(drawn, start=len(palette) // 3):
        at[outlined == label] = place
        palette += colours[label].tolist()
    final = Image.fromarray(at, "P")
    final.putpalette(palette)
    return final


def png(image: Image.Image) -> bytes:
    """The image as a PNG file."""
    file = io.BytesIO()
    image.save(file, "PNG", optimize=True)
    return file.getvalue()
