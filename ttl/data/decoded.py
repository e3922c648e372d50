"""A decoded split: pixels in memory, what of them an epoch shows, and what a network before its fine-tune looks at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np
import torch

from ttl.data.modality.augment import Augment
from ttl.data.modality.normalise import Normalise
from ttl.data.task import Labels, Task


class Split(Protocol):
    """A decoded split to learn from, or to validate on."""

    @property
    def labels(self) -> Labels:
        """Of each image: its class `(n,)`, or whether it has each class, `(n, classes)`."""

    @property
    def samples(self) -> torch.Tensor:
        """`(samples,)` the image that each of an epoch's samples is of."""

    @property
    def numbers(self) -> int:
        """How many random numbers decide what is taken of an image, its augmentation left aside."""

    def crops(self) -> torch.Tensor:
        """Of each image what fits into the network's input: `(n, 1 or 3, *sides)` uint8."""

    def at(self, positions: Labels) -> Self:
        """The images at these positions `(m,)`."""

    def followed_by(self, other: Self) -> Self:
        """These images, then those of another split."""

    def share(self, rank: int, ranks: int) -> Self:
        """The part of one of several processes; their parts one after another are the whole, in its order."""

    def taken(
        self, images: torch.Tensor, numbers: torch.Tensor, augment: Augment, warps: torch.Tensor, device: torch.device
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Augmented pixels `(n, 1 or 3, *sides)` float32 and targets of the images at positions `(n,)`, on the device.

        `numbers` are `(n, self.numbers)` in [0, 1), `warps` are `(n, ...)`, of `augment.draw`.
        """


@dataclass(frozen=True)
class Images:
    """A decoded split: pixels `(n, 1 or 3, h, w)` uint8, labels `(n,)` int64, or `(n, classes)` of 0, 1 and -1."""

    pixels: torch.Tensor
    labels: Labels

    numbers = 0

    @property
    def samples(self) -> torch.Tensor:
        """Each image once."""
        return torch.arange(len(self.labels))

    def crops(self) -> torch.Tensor:
        """See `Split`: all of it."""
        return self.pixels

    def at(self, positions: Labels) -> Images:
        """See `Split`."""
        return Images(self.pixels[torch.from_numpy(positions)], self.labels[positions])

    def followed_by(self, other: Images) -> Images:
        """See `Split`."""
        return Images(torch.cat([self.pixels, other.pixels]), np.concatenate([self.labels, other.labels]))

    def share(self, rank: int, ranks: int) -> Images:
        """See `Split`."""
        chosen = part_of(len(self.labels), rank, ranks)
        return Images(self.pixels[chosen], self.labels[chosen])

    def taken(
        self, images: torch.Tensor, numbers: torch.Tensor, augment: Augment, warps: torch.Tensor, device: torch.device
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """See `Split`; the targets are the labels."""
        pixels = self.pixels[images].to(device, non_blocking=True).float()
        return augment(pixels, warps), torch.from_numpy(np.asarray(self.labels)[images.numpy()]).to(device)


def joined(one: Split, other: Split) -> Split:
    """Two decoded splits of one task as one.

    Raises:
        TypeError: they are of different kinds.
    """
    if type(one) is not type(other):
        raise TypeError(f"{type(one).__name__} and {type(other).__name__} are no splits of one task")
    return one.followed_by(other)


def part_of(n: int, rank: int, ranks: int) -> slice:
    """The positions of one of several processes; the first ones have one more where they can't have as many."""
    part = np.array_split(np.arange(n), ranks)[rank]
    return slice(int(part[0]), int(part[-1]) + 1) if len(part) else slice(0, 0)


@dataclass(frozen=True, eq=False)
class TrainingImages:
    """The training images of a task, unaugmented; `normalise` makes the network's input of them, on its device."""

    task: Task
    images: Split
    normalise: Normalise
    seed: int  # of what is drawn
