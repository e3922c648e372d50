"""Decode images and masks once, each at its own size: in memory, or in a file that is mapped into memory."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch

from ttl.data.cache import cache_file, collected
from ttl.data.modality.image import Pixels, channels_first
from ttl.data.pool import Progress, in_threads
from ttl.data.sources import MaskSource
from ttl.data.task import Samples, picked
from ttl.errors import DataError, UsageError


@dataclass(frozen=True, eq=False)
class Pairs:
    """Images and masks at their native sizes.

    Attributes:
        pixels: of each image, `(c, h, w)` uint8; c is 1 where every image of the source is grey, else 3.
        masks: of each image, `(h, w)` uint8: the class of each pixel, or `IGNORE` (255).
    """

    pixels: tuple[torch.Tensor, ...]
    masks: tuple[torch.Tensor, ...]

    def __len__(self) -> int:
        return len(self.pixels)


def decode_pairs(
    samples: Samples, *, cache_dir: Path | None = None, key: str = "", on_progress: Progress | None = None
) -> Pairs:
    """All images of a split with their masks, none of them resized; see `decode`.

    Raises:
        DataError: an image or a mask can't be read any more or has another size than it had, or the cache can't
            be written.
        UsageError: the samples have no masks.
    """
    if samples.masks is None:
        raise UsageError("The samples have no masks: decode gives the pixels of images alone.")
    channels, sizes = samples.source.channels, samples.source.sizes[samples.index]
    lengths = sizes.prod(axis=1) * (channels + 1)
    one = partial(_pair, samples, samples.masks)
    pieces = partial(in_threads, one, samples.index.tolist(), on_progress, chunk=1)
    path = cache_file(cache_dir, samples, key, "pairs", more=picked(samples.masks.digests, samples.index))
    flat = torch.from_numpy(collected((int(lengths.sum()),), pieces, path))
    parts = [
        part.view(channels + 1, height, width)
        for part, (width, height) in zip(torch.split(flat, lengths.tolist()), sizes.tolist(), strict=True)
    ]
    return Pairs(tuple(part[:-1] for part in parts), tuple(part[-1] for part in parts))


def _pair(samples: Samples, masks: MaskSource, index: int) -> Pixels:
    """`(c + 1, h, w)`: an image and, last, its mask."""
    source = samples.source
    pixels, mask = channels_first(source.load(index), source.channels), masks.load(index)
    width, height = source.sizes[index].tolist()
    if not pixels.shape[1:] == mask.shape == (height, width):
        name = samples.ids[samples.index.tolist().index(index)]
        raise DataError(f"The image {name} or its mask is no longer of {width}x{height} pixels: was it changed?")
    return np.concatenate([pixels, mask[None]])
