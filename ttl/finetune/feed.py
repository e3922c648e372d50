"""Batches of training images: their order, their shares, and what the network is given."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from ttl.data.augment import Augment
from ttl.errors import UsageError
from ttl.finetune.inference import Normalise, predict
from ttl.finetune.objective import Objective, balanced_weights, sample_weights

Labels = npt.NDArray[np.int64]


class Target(Protocol):
    """What a network's outputs are trained towards."""

    def loss(self, logits: torch.Tensor, targets: torch.Tensor, batch_labels: torch.Tensor) -> torch.Tensor:
        """The share that a part has in the mean loss of its batch.

        Args:
            logits: of the part's `n` samples, of one head or of several: `(n, heads, ...)`.
            targets: of the part, as `Split.taken` gives them.
            batch_labels: `(batch, ...)`, of the whole batch that the part is of.
        """


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
        """Of each image what fits into the network's square: `(n, 1 or 3, side, side)` uint8."""

    def share(self, rank: int, ranks: int) -> Self:
        """The part of one of several processes; their parts one after another are the whole, in its order."""

    def taken(
        self, images: torch.Tensor, numbers: torch.Tensor, augment: Augment, warps: torch.Tensor, device: torch.device
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Augmented pixels `(n, 1 or 3, h, w)` float32 and targets of some images, on the device.

        Args:
            images: `(n,)` positions.
            numbers: `(n, self.numbers)` in [0, 1).
            augment: warps each.
            warps: `(n, ...)`, of `augment.draw`.
            device: where the network computes.
        """

    def target(
        self, kind: str, loss: str, balance: str, outputs: int, device: torch.device
    ) -> tuple[Target, npt.NDArray[np.float64] | None]:
        """What to train towards, and how often to draw each image where a sampler evens out the classes."""

    def predict(
        self,
        model: nn.Module,
        *,
        kind: str,
        mean: Sequence[float],
        std: Sequence[float],
        divisor: int = 1,
        device: torch.device | str = "cpu",
    ) -> npt.NDArray[np.float64]:
        """What `ttl.stats` scores: a row an image, or a row of each head of it, in eval mode."""


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

    def target(
        self, kind: str, loss: str, balance: str, outputs: int, device: torch.device
    ) -> tuple[Objective, npt.NDArray[np.float64] | None]:
        """See `Split`."""
        if balance == "loss":
            weights = balanced_weights(kind, self.labels, outputs)
            return Objective(kind, torch.from_numpy(weights).float().to(device)), None
        drawn = sample_weights(kind, self.labels, outputs) if balance == "sampler" else None
        return Objective(kind), drawn

    def predict(
        self,
        model: nn.Module,
        *,
        kind: str,
        mean: Sequence[float],
        std: Sequence[float],
        divisor: int = 1,
        device: torch.device | str = "cpu",
    ) -> npt.NDArray[np.float64]:
        """The probability of each class for each image, `(n, classes)` or `(n, heads, classes)`."""
        return predict(model, self.pixels, kind=kind, mean=mean, std=std, device=str(device))


def part_of(n: int, rank: int, ranks: int) -> slice:
    """The positions of one of several processes; the first ones have one more where they can't have as many."""
    part = np.array_split(np.arange(n), ranks)[rank]
    return slice(int(part[0]), int(part[-1]) + 1) if len(part) else slice(0, 0)


@dataclass(frozen=True)
class Part:
    """What this process computes at once of a batch, on the device."""

    inputs: torch.Tensor
    """`(n, channels, h, w)` float32."""
    targets: torch.Tensor
    """`(n, ...)`, see `Split.taken`."""


@dataclass(frozen=True)
class Batch:
    """One step: the labels of all its samples' images, and this process's parts of it, made when iterated over."""

    labels: torch.Tensor
    parts: Iterator[Part]
    size: int
    """How many parts there are."""


class Feed:
    """The training images, an epoch's batches at a time, in an order and with warps that depend on the seed alone.

    However many processes and parts share a batch, its samples and their warps are the same.

    Args:
        split: what is learned from.
        augment: warps each sample.
        normalise: makes the network's input of pixels; says on which device.
        batch_size: samples a step, all processes together; at most as many as there are.
        draw: how often to draw each image; None shows each of an epoch's samples once.
        generator: of the order and the warps.
        parts: of a batch that one process computes one after another, to need less memory.
        rank: which process this is.
        ranks: how many share a batch.

    Raises:
        UsageError: there are too few samples for so many processes.
    """

    def __init__(
        self,
        split: Split,
        augment: Augment,
        normalise: Normalise,
        *,
        batch_size: int,
        generator: torch.Generator,
        draw: npt.NDArray[np.float64] | None = None,
        parts: int = 1,
        rank: int = 0,
        ranks: int = 1,
    ) -> None:
        self.split, self.augment, self.normalise = split, augment, normalise
        self.samples, self.generator = split.samples, generator
        self.batch_size = min(batch_size, len(self.samples))
        self.draw = None if draw is None else torch.from_numpy(draw)[self.samples]
        self.parts, self.rank, self.ranks = parts, rank, ranks
        self.labels = torch.from_numpy(np.asarray(split.labels, dtype=np.int64))
        if self.batch_size < ranks:
            raise UsageError(
                f"{ranks} processes share batches of {self.batch_size} images: launch fewer, or raise --batch-size"
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
            order = torch.multinomial(self.draw, n, replacement=True, generator=self.generator)
        batches = list(torch.split(order, self.batch_size))
        if len(batches) > 1 and len(batches[-1]) < 2 * self.ranks:
            batches[-2:] = [torch.cat(batches[-2:])]
        return batches
