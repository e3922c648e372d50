"""Batches of training images: their order, their shares, and what the network is given."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from ttl.data.augment import Augment
from ttl.errors import UsageError
from ttl.finetune.inference import Normalise


@dataclass(frozen=True)
class Images:
    """A decoded split: pixels `(n, 1 or 3, h, w)` uint8, labels `(n,)` int64, or `(n, classes)` of 0, 1 and -1."""

    pixels: torch.Tensor
    labels: npt.NDArray[np.int64]

    def share(self, rank: int, ranks: int) -> Images:
        """The part of one of several processes; their parts one after another are the whole, in its order."""
        part = np.array_split(np.arange(len(self.labels)), ranks)[rank]
        chosen = slice(part[0], part[-1] + 1) if len(part) else slice(0, 0)
        return Images(self.pixels[chosen], self.labels[chosen])


@dataclass(frozen=True)
class Part:
    """What this process computes at once of a batch: network inputs, and the positions of their labels."""

    inputs: torch.Tensor
    """`(n, channels, h, w)` float32 on the device."""
    index: torch.Tensor
    """`(n,)` positions in the training images, on the CPU."""


@dataclass(frozen=True)
class Batch:
    """One step: the positions of all its images, and this process's parts of it, made when iterated over."""

    index: torch.Tensor
    parts: Iterator[Part]
    size: int
    """How many parts there are."""


class Feed:
    """The training images, an epoch's batches at a time, in an order and with warps that depend on the seed alone.

    However many processes and parts share a batch, its images and their warps are the same.

    Args:
        images: what is learned from.
        augment: warps each image.
        normalise: makes the network's input of pixels; says on which device.
        batch_size: images a step, all processes together; at most as many as there are.
        draw: how often to draw each sample; None shows each once.
        generator: of the order and the warps.
        parts: of a batch that one process computes one after another, to need less memory.
        rank: which process this is.
        ranks: how many share a batch.

    Raises:
        UsageError: there are too few images for so many processes.
    """

    def __init__(
        self,
        images: Images,
        augment: Augment,
        normalise: Normalise,
        *,
        batch_size: int,
        generator: torch.Generator,
        draw: torch.Tensor | None = None,
        parts: int = 1,
        rank: int = 0,
        ranks: int = 1,
    ) -> None:
        if batch_size < ranks:
            raise UsageError(
                f"{ranks} processes share batches of {batch_size} images: launch fewer, or raise --batch-size"
            )
        self.images, self.augment, self.normalise = images, augment, normalise
        self.batch_size, self.draw, self.generator = batch_size, draw, generator
        self.parts, self.rank, self.ranks = parts, rank, ranks

    def __len__(self) -> int:
        return len(self.images.labels)

    def __iter__(self) -> Iterator[Batch]:
        """The batches of an epoch."""
        for index in self._batches():
            parts = max(1, min(self.parts, len(index) // (2 * self.ranks)))
            yield Batch(index, self._parts(index, parts), parts)

    def _parts(self, index: torch.Tensor, parts: int) -> Iterator[Part]:
        # Drawn for the whole batch before it is shared out, so that each image's warp is its own.
        warps = self.augment.draw(len(index), self.generator)
        for chosen in torch.tensor_split(torch.arange(len(index)), parts * self.ranks)[self.rank :: self.ranks]:
            pixels = self.images.pixels[index[chosen]].to(self.normalise.device, non_blocking=True).float()
            # Grey images are augmented as one channel; normalising repeats them to three.
            yield Part(self.normalise(self.augment(pixels, warps[chosen])), index[chosen])

    def _batches(self) -> Sequence[torch.Tensor]:
        """Positions in a random order; what is too small a last batch for batch norms joins the one before."""
        n = len(self)
        if self.draw is None:
            order = torch.randperm(n, generator=self.generator)
        else:
            order = torch.multinomial(self.draw, n, replacement=True, generator=self.generator)
        batches = list(torch.split(order, self.batch_size))
        if len(batches) > 1 and len(batches[-1]) < 2 * self.ranks:
            batches[-2:] = [torch.cat(batches[-2:])]
        return batches
