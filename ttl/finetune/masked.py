"""Images with masks: crops to learn from, and whole images to predict and to measure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from math import ceil
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.nn import functional as F

from ttl.data.augment import Augment
from ttl.data.modality.windows import segment
from ttl.data.task import IGNORE
from ttl.finetune.feed import Labels, part_of
from ttl.finetune.inference import Normalise
from ttl.finetune.objective import inverse_frequency, sample_weights
from ttl.finetune.pixels import PixelObjective, pixel_probabilities
from ttl.stats import overlap

Maps = npt.NDArray[np.float32]
MIDDLE = torch.tensor([0.5, 0.5])


@dataclass(frozen=True, eq=False)
class MaskedImages:
    """A decoded split of a segmentation task. An epoch shows as many random crops of an image as cover it.

    Attributes:
        pixels: of each image `(1 or 3, h, w)` uint8, at its own size.
        masks: of each image `(h, w)` uint8: its pixels' classes, `IGNORE` where unlabelled.
        labels: `(n, classes)` int64: whether a class is in an image.
        side: of crops, and of the windows that larger images are predicted in, in pixels.
        spacing: of each image how many mm a pixel is high and wide; None where that isn't known.
    """

    pixels: Sequence[torch.Tensor]
    masks: Sequence[torch.Tensor]
    labels: Labels
    side: int
    spacing: Sequence[tuple[float, float] | None]

    numbers = 2

    @property
    def classes(self) -> int:
        """How many there are, the background included."""
        return int(self.labels.shape[1])

    @property
    def samples(self) -> torch.Tensor:
        """Each image as often as crops cover it."""
        times = [ceil(mask.shape[0] / self.side) * ceil(mask.shape[1] / self.side) for mask in self.masks]
        return torch.repeat_interleave(torch.arange(len(times)), torch.tensor(times))

    def share(self, rank: int, ranks: int) -> MaskedImages:
        """See `Split`."""
        chosen = part_of(len(self.labels), rank, ranks)
        return replace(
            self,
            pixels=self.pixels[chosen],
            masks=self.masks[chosen],
            labels=self.labels[chosen],
            spacing=self.spacing[chosen],
        )

    def crops(self) -> torch.Tensor:
        """See `Split`: its middle."""
        return torch.stack([_crop(image, self.side, MIDDLE) for image in self.pixels])

    def crops_of_masks(self) -> torch.Tensor:
        """Their masks, `(n, side, side)` uint8; `IGNORE` beyond the edges of small images."""
        return torch.stack([_crop(mask[None], self.side, MIDDLE, IGNORE)[0] for mask in self.masks])

    def taken(
        self, images: torch.Tensor, numbers: torch.Tensor, augment: Augment, warps: torch.Tensor, device: torch.device
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """See `Split`: random crops, warped, and their masks `(n, side, side)` int64, warped alike."""
        places = list(zip(images.tolist(), numbers, strict=True))
        pixels = torch.stack([_crop(self.pixels[i], self.side, at) for i, at in places]).to(device).float()
        masks = torch.stack([_crop(self.masks[i][None], self.side, at, IGNORE) for i, at in places]).to(device).float()
        return augment(pixels, warps), augment(masks, warps, nearest=True)[:, 0].long()

    def target(
        self, kind: str, loss: str, balance: str, outputs: int, device: torch.device
    ) -> tuple[PixelObjective, npt.NDArray[np.float64] | None]:
        """See `Split`; a sampler draws images by the rarest class that they hold."""
        weights = None
        if balance == "loss":
            counts = sum(np.bincount(mask.numpy().ravel(), minlength=IGNORE + 1) for mask in self.masks)
            weights = torch.from_numpy(inverse_frequency(np.asarray(counts)[: self.classes])).float().to(device)
        drawn = sample_weights("multilabel", self.labels, self.classes) if balance == "sampler" else None
        return PixelObjective(loss, weights), drawn

    def predict(
        self,
        model: nn.Module,
        *,
        kind: str,
        mean: Sequence[float],
        std: Sequence[float],
        divisor: int = 1,
        device: torch.device | str = "cpu",
        with_distance: bool = False,
    ) -> npt.NDArray[np.float64]:
        """How the prediction overlaps with the mask, `(n, classes, 5)` or `(n, heads, classes, 5)`: see `overlap`.

        Args:
            model: images to logits `(n, outputs, h, w)`, or `(n, heads, outputs, h, w)`; one output for two classes.
            kind: of the task.
            mean: of the input's channels.
            std: likewise.
            divisor: of the sides of what the model is given.
            device: where to compute.
            with_distance: whether Hausdorff distances are measured, too: that takes its time.
        """
        maps = self.maps(model, mean=mean, std=std, divisor=divisor, device=device)
        return self.overlaps(maps, with_distance=with_distance)

    def overlaps(self, maps: Iterable[Maps], *, with_distance: bool = False) -> npt.NDArray[np.float64]:
        """What `predict` returns, of maps as `self.maps` gives them, wherever they come from."""
        rows = []
        for found, mask, spacing in zip(maps, self.masks, self.spacing, strict=True):
            measured = partial(overlap, mask.numpy(), spacing=spacing, with_distance=with_distance)
            rows.append(measured(found) if found.ndim == 3 else np.stack([measured(head) for head in found]))
        return np.stack(rows)

    def maps(
        self,
        model: nn.Module,
        *,
        mean: Sequence[float],
        std: Sequence[float],
        divisor: int,
        device: torch.device | str = "cpu",
    ) -> Iterator[Maps]:
        """The probability of each class at each pixel of each image, `(classes, h, w)` or `(heads, classes, h, w)`."""
        model.to(device).eval()
        normalise = Normalise(mean, std, device)
        outputs: tuple[int, ...] = ()

        def run(windows: Maps) -> npt.NDArray[Any]:
            nonlocal outputs
            with torch.inference_mode():
                logits = model(torch.from_numpy(windows).to(device, memory_format=torch.channels_last))
            outputs = tuple(logits.shape[1:-2])
            return np.asarray(logits.flatten(1, -3).float().cpu().numpy())

        for image in self.pixels:
            pixels = normalise(image[None].to(device))[0].cpu().numpy()
            logits = torch.from_numpy(segment(pixels, run, window=self.side, divisor=divisor))
            yield pixel_probabilities(logits.reshape(*outputs, *logits.shape[1:])).numpy()


def _crop(image: torch.Tensor, side: int, at: torch.Tensor, fill: int | None = None) -> torch.Tensor:
    """A square of `image` `(channels, h, w)`; `at`, in [0, 1), says where of all places that it has.

    What an image lacks is filled at its end: with `fill`, or by repeating its last pixels.
    """
    spare = [max(0, length - side) for length in image.shape[1:]]
    top, left = (int(share * (length + 1)) for share, length in zip(at.tolist(), spare, strict=True))
    part = image[:, top : top + side, left : left + side]
    missing = (0, side - part.shape[2], 0, side - part.shape[1])
    if not any(missing):
        return part
    if fill is not None:
        return F.pad(part, missing, value=fill)
    return F.pad(part.float(), missing, mode="replicate").to(part.dtype)
