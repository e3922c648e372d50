"""A map of shares drawn over an image as a small PNG file: clear where it is 0, from red to bright yellow towards 1.

Both opacity and lightness rise with the share, so that the order can be seen without telling the hues apart. The two
ends are colours of Okabe & Ito (2008).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image

from ttl.report.overlay import Pixels, png, reduced, rgb, scaled

LOW, HIGH = "#D55E00", "#F0E442"
OPAQUE = 0.7
"""Of the colour where the share is 1: the image stays visible beneath."""
STEPS = (0.25, 0.5, 0.75, 1.0)


def heat_colour(share: float) -> str:
    """The colour of a share, before it is laid over the image, as `#RRGGBB`."""
    low, high = rgb(LOW), rgb(HIGH)
    return "#" + "".join(f"{round(a + share * (b - a)):02X}" for a, b in zip(low, high, strict=True))


def heat(pixels: Pixels, shares: npt.NDArray[np.float32]) -> bytes:
    """An image with a map over it, enlarged bilinearly.

    Args:
        pixels: `(c, h, w)`; one channel is grey, three are red, green and blue.
        shares: `(rows, columns)` in 0..1, of any size.

    Raises:
        ValueError: another shape.
    """
    if shares.ndim != 2:
        raise ValueError(f"a map is (rows, columns), and this one is {shares.shape}")
    image = scaled(pixels)
    size = (image.shape[1], image.shape[0])
    grown = np.asarray(Image.fromarray(shares.astype(np.float32)).resize(size, Image.Resampling.BILINEAR))
    share = np.clip(grown, 0, 1)[..., None].astype(np.float64)
    low, high = (np.array(rgb(colour), np.float64) for colour in (LOW, HIGH))
    drawn = image + OPAQUE * share * (low + share * (high - low) - image)
    return png(reduced(np.round(drawn).astype(np.uint8)))
