"""Batches of training images: their order, their shares, and what the network is given."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from ttl.data.decoded import Split
from ttl.data.modality.augment import Augment
from ttl.data.modality.normalise import Normalise
from ttl.errors import UsageError


@dataclass(frozen=True)
class Part:
    """What this process computes at once of a batch: `(n, channels, h, w)` float32, and targets of `Split.taken`."""

    inputs: torch.Tensor
    targets: torch.Tensor


@dataclass(frozen=True)
class Batch:
    """One step: the labels of all its samples' images, and this process's `size` parts, made when iterated over."""

    labels: torch.Tensor
    parts: Iterator[Part]
    size: int


@dataclass
class Feed:
    """The training images, an epoch's batches at a time, in an order and with warps that depend on the seed alone.

    However many processes and parts share a batch, its samples and their warps are the same.


    Raises:
        UsageError: there are too few samples for so many processes.
    """

    split: Split
    augment: Augment
    normalise: Normalise  # makes the network's input of pixels; says on which device
    batch_size: int  # samples a step, all processes together; at most as many as there are
    generator: torch.Generator  # of the order and the warps
    # How often to draw each image; None shows each of an epoch's samples once.
    draw: npt.NDArray[np.float64] | None = None
    parts: int = 1  # of a batch that one process computes one after another, to need less memory
    rank: int = 0  # which process this is, of the `ranks` that share a batch
    ranks: int = 1

    def __post_init__(self) -> None:
        self.samples = self.split.samples
        self.labels = torch.from_numpy(np.asarray(self.split.labels, dtype=np.int64))
        self.batch_size = min(self.batch_size, len(self.samples))
        if self.batch_size < self.ranks:
            raise UsageError(
                f"{self.ranks} processes share batches of {self.batch_size} images: launch fewer, or raise --batch-size"
            )

    def __len__(self) -> int:
        return len(self.samples)

    def __iter__(self) -> Iterator[Batch]:
        """The batches of an epoch."""
        for index in self._batches():
            parts = max(1, min(self.parts, len(index) // (2 * self.ranks)))
            images = self.samples[index]
            yield Batch(self.labels[images].to(self.normalise.device), self._parts(images, parts), parts)

    def _parts(self, images: torch.Tensor, parts: int) -> Iterator[Part]:
        # Drawn for the whole batch before it is shared out, so that each sample's warp is its own.
        numbers = torch.empty(len(images), 0)
        if self.split.numbers:
            numbers = torch.rand(len(images), self.split.numbers, generator=self.generator)
        warps = self.augment.draw(len(images), self.generator)
        for chosen in torch.tensor_split(torch.arange(len(images)), parts * self.ranks)[self.rank :: self.ranks]:
            pixels, targets = self.split.taken(
                images[chosen], numbers[chosen], self.augment, warps[chosen], self.normalise.device
            )
            # Grey images are augmented as one channel; normalising repeats them to three.
            yield Part(self.normalise(pixels), targets)

    def _batches(self) -> Sequence[torch.Tensor]:
        """Positions in a random order; what is too small a last batch for batch norms joins the one before."""
        n = len(self)
        if self.draw is None:
            order = torch.randperm(n, generator=self.generator)
        else:
            shares = torch.from_numpy(self.draw)[self.samples]
            order = torch.multinomial(shares, n, replacement=True, generator=self.generator)
        batches = list(torch.split(order, self.batch_size))
        if len(batches) > 1 and len(batches[-1]) < 2 * self.ranks:
            batches[-2:] = [torch.cat(batches[-2:])]
        return batches
