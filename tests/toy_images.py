"""Images that can be learned from: noise of a brightness, and masks that the pixels repeat."""

from __future__ import annotations

import numpy as np
import torch

from ttl.data.decoded import Images
from ttl.data.masked_images import MaskedImages

SIZES = ((40, 70), (20, 32), (64, 64))


def images(n: int, *, channels: int = 3, classes: int = 2, seed: int = 0) -> Images:
    """Noise of 16 pixels a side that is brighter, the higher the class; classes take turns."""
    generator = torch.Generator().manual_seed(seed)
    labels = np.arange(n) % classes
    level = torch.from_numpy(labels).view(-1, 1, 1, 1) * (160 // (classes - 1))
    pixels = torch.randint(0, 96, (n, channels, 16, 16), generator=generator) + level
    return Images(pixels.to(torch.uint8), labels)


def masked_images() -> MaskedImages:
    """Three grey images whose every pixel is the class of the same place in the mask, times 50."""
    generator = torch.Generator().manual_seed(0)
    masks = [torch.randint(0, 3, size, generator=generator).to(torch.uint8) for size in SIZES]
    labels = np.array([[1, 1, 1], [1, 0, 1], [1, 1, 0]])
    return MaskedImages([(mask * 50)[None] for mask in masks], masks, labels, (32, 32), [None, (0.5, 0.5), None])
