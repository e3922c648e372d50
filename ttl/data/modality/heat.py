"""A map of shares drawn over an image as a small PNG file: clear where it is 0, one hue that thickens towards 1.

How much there is of one hue (of Okabe & Ito 2008) any colour vision can tell, on dark and on bright images.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image

from ttl.data.modality.image import Pixels
from ttl.data.modality.overlay import blend, png, reduced, rgb, scaled

HUE = "#D55E00"
OPAQUE = 0.75  # of the hue where the share is 1: the image stays visible beneath
STEPS = (0.25, 0.5, 0.75, 1.0)
GREY = 150.0


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
