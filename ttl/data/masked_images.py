"""Images with masks: crops to learn from, and whole images to predict and to measure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from math import ceil, prod

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional as F

from ttl.data.decoded import part_of
from ttl.data.modality.augment import Augment
from ttl.data.task import IGNORE, Labels
from ttl.stats import overlap, pixel_calibration
from ttl.words.sides import Sides

Maps = npt.NDArray[np.float32]
MIDDLE = torch.tensor([0.5, 0.5])


@dataclass(frozen=True, eq=False)
class MaskedImages:
    """A decoded split of a segmentation task. An epoch shows as many random crops of an image as cover it."""

    pixels: Sequence[torch.Tensor]  # of each image `(1 or 3, h, w)` uint8, at its own size
    masks: Sequence[torch.Tensor]  # of each image `(h, w)` uint8: its pixels' classes, `IGNORE` where unlabelled
    labels: Labels  # `(n, classes)` int64: whether a class is in an image
    sides: Sides  # of crops, and of the windows that larger images are predicted in, in pixels
    # Of each image how many mm a pixel is high and wide; None where unknown.
    spacing: Sequence[tuple[float, float] | None]

    numbers = 2

    @property
    def classes(self) -> int:
        """How many there are, the background included."""
        return int(self.labels.shape[1])

    @property
    def samples(self) -> torch.Tensor:
        """Each image as often as crops cover it."""
        times = [crops_over(tuple(mask.shape), self.sides) for mask in self.masks]
        return torch.repeat_interleave(torch.arange(len(times)), torch.tensor(times))

    def at(self, positions: Labels) -> MaskedImages:
        """See `Split`."""
        chosen = positions.tolist()
        return replace(
            self,
            pixels=[self.pixels[i] for i in chosen],
            masks=[self.masks[i] for i in chosen],
            spacing=[self.spacing[i] for i in chosen],
            labels=self.labels[positions],
        )

    def followed_by(self, other: MaskedImages) -> MaskedImages:
        """See `Split`."""
        return replace(
            self,
            pixels=[*self.pixels, *other.pixels],
            masks=[*self.masks, *other.masks],
            spacing=[*self.spacing, *other.spacing],
            labels=np.concatenate([self.labels, other.labels]),
        )

    def share(self, rank: int, ranks: int) -> MaskedImages:
        """See `Split`."""
        own = part_of(len(self.labels), rank, ranks)
        lists = {name: getattr(self, name)[own] for name in ("pixels", "masks", "labels", "spacing")}
        return replace(self, **lists)

    def crops(self) -> torch.Tensor:
        """See `Split`: its middle."""
        return torch.stack([_crop(image, self.sides, MIDDLE) for image in self.pixels])

    def crops_of_masks(self) -> torch.Tensor:
        """Their masks, `(n, *sides)` uint8; `IGNORE` beyond the edges of small images."""
        return torch.stack([_crop(mask[None], self.sides, MIDDLE, IGNORE)[0] for mask in self.masks])

    def taken(
        self, images: torch.Tensor, numbers: torch.Tensor, augment: Augment, warps: torch.Tensor, device: torch.device
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """See `Split`: random crops, warped, and their masks `(n, *sides)` int64, warped alike."""
        places = list(zip(images.tolist(), numbers, strict=True))
        pixels = torch.stack([_crop(self.pixels[i], self.sides, at) for i, at in places]).to(device).float()
        masks = torch.stack([_crop(self.masks[i][None], self.sides, at, IGNORE) for i, at in places])
        return augment(pixels, warps), augment(masks.to(device).float(), warps, nearest=True)[:, 0].long()

    def overlaps(
        self, maps: Iterable[Maps], *, with_distance: bool = False, threshold: float | None = None
    ) -> npt.NDArray[np.float64]:
        """How predictions overlap with the masks, `(n, classes, 5)` or `(n, heads, classes, 5)`: `ttl.stats.overlap`.

        A map is the probability of each class at each pixel of an image, `(classes, h, w)` or `(heads, classes, h, w)`;
        `with_distance` measures Hausdorff distances, too, which takes its time. For `threshold` see there.
        """
        rows = []
        for each, mask, spacing in zip(maps, self.masks, self.spacing, strict=True):
            measured = partial(overlap, mask.numpy(), spacing=spacing, with_distance=with_distance, threshold=threshold)
            rows.append(measured(each) if each.ndim == 3 else np.stack([measured(head) for head in each]))
        return np.stack(rows)

    def calibrated(self, maps: Iterable[Maps], into: list[npt.NDArray[np.float64]]) -> Iterator[Maps]:
        """The same maps `(classes, h, w)`, one by one, each measured as it passes: `ttl.stats.pixel_calibration`."""
        for each, mask in zip(maps, self.masks, strict=True):
            into.append(pixel_calibration(mask.numpy(), each))
            yield each


def crops_over(image: Sides, crop: Sides) -> int:
    """How many crops cover an image."""
    return prod(ceil(side / own) for side, own in zip(image, crop, strict=True))


def _crop(image: torch.Tensor, sides: Sides, at: torch.Tensor, fill: int | None = None) -> torch.Tensor:
    """A part of `image` `(channels, h, w)`, at a share in [0, 1) of its places; `fill` or its edge where it ends."""
    height, width = sides
    spare = [max(0, length - side) for length, side in zip(image.shape[1:], sides, strict=True)]
    top, left = (int(share * (length + 1)) for share, length in zip(at.tolist(), spare, strict=True))
    part = image[:, top : top + height, left : left + width]
    missing = (0, width - part.shape[2], 0, height - part.shape[1])
    if not any(missing):
        return part
    if fill is not None:
        return F.pad(part, missing, value=fill)
    return F.pad(part.float(), missing, mode="replicate").to(part.dtype)
