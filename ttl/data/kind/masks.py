"""Images whose pixels have a class each: `segmentation`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import isnan
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from ttl.data.cache import decode_pairs
from ttl.data.decoded import Split
from ttl.data.kind.balance import draws_of_labels, inverse_frequency
from ttl.data.kind.kind import Decided, Device, Kind, Logits, Objective, Prior, Rows
from ttl.data.masked_images import Maps, MaskedImages, crops_over
from ttl.data.modality.normalise import Normalise
from ttl.data.modality.resizing import Resizing
from ttl.data.modality.windows import segment
from ttl.data.records import Records
from ttl.data.task import IGNORE, SPLITS, Labels, Samples
from ttl.errors import DataError
from ttl.stats import DecisionRule, Recalibration, headline, pixel_calibration, segmentation_log_loss
from ttl.stats.recalibration import Activation
from ttl.words.counts import counted, listed
from ttl.words.sides import Sides

DEFAULT_LOSS = "dice+ce"
STEPS = 100
PIXELS = 500  # of an image, to calibrate by: neighbours say much the same


class PixelClasses(Kind):
    """One class a pixel: a row is how prediction and mask overlap, class by class, `(classes, 5)`.

    See `ttl.stats.overlap`. A network for two classes has one output, the second's: the background is what it isn't.
    """

    margin = 0.02
    row_axes = 2
    per_pixel = True

    @property
    def file_metrics(self) -> tuple[str, ...]:
        """Without distances between edges, which take their time and move with the masks."""
        return headline(self)

    def outputs(self, classes: int) -> int:
        """One a class; of two classes the second one's alone."""
        return 1 if classes == 2 else classes

    def activation(self, outputs: int) -> Activation:
        """One output is the foreground's."""
        return "sigmoid" if outputs == 1 else "softmax"

    def check_counts(self, records: Records) -> None:
        """See `Kind`."""
        if len(records) < len(SPLITS):
            raise DataError(
                f"{records.name} has {counted(len(records), 'image')} with masks: at least {len(SPLITS)} are needed, "
                "one for each of train, val and test."
            )

    def check_splits(self, records: Records, splits: Sequence[str]) -> tuple[str, ...]:
        """See `Kind`: what isn't in train can't be learned; what others lack can only not be measured there."""
        has, where = records.labels == 1, np.array(splits)
        notes = []
        for split in SPLITS:
            if split not in splits:
                raise DataError(
                    f"{records.name} has no image in {split}: every split needs some; add images, or move some there."
                )
            absent = has.any(axis=0) & ~has[where == split].any(axis=0)
            names = listed(label for label, lacks in zip(records.class_names, absent, strict=True) if lacks)
            if names and split == "train":
                raise DataError(
                    f"No mask in train of {records.name} has {names}, and others do: every class has to be in train; "
                    "move some images, use more of them, or remove the class."
                )
            if names:
                notes.append(f"No mask in {split} has {names}.")
        return tuple(notes)

    def decode(self, samples: Samples, *, resizing: Resizing, cache_dir: Path | None, key: str) -> MaskedImages:
        """See `Kind`: at their own size; its sides are those of crops and windows."""
        pairs = decode_pairs(samples, cache_dir=cache_dir, key=key)
        rows = _spacing(samples)[samples.index].tolist()
        spacing = [None if isnan(down) else (down, across) for down, across in rows]
        return MaskedImages(pairs.pixels, pairs.masks, samples.labels, resizing.sides, spacing)

    def samples_per_epoch(self, samples: Samples, sides: Sides) -> int:
        """See `Kind`: as many crops as cover the images."""
        return sum(crops_over((height, width), sides) for width, height in samples.source.sizes[samples.index].tolist())

    def distance_unit(self, samples: Samples) -> str:
        """See `Kind`."""
        return "px" if np.isnan(_spacing(samples)).any() else "mm"

    def objective(self, split: Split, *, loss: str | None, balance: str, outputs: int, device: Device) -> Objective:
        """See `Kind`; a sampler draws images by the rarest class that they hold."""
        # smp takes a second to import, which no classifier needs.
        from ttl.data.kind.pixel_losses import PixelLoss

        masked, weights = _masked(split), None
        if balance == "loss":
            weights = torch.from_numpy(inverse_frequency(_pixels(masked).sum(axis=0))).float().to(device)
        draws = draws_of_labels(masked.labels) if balance == "sampler" else None
        return Objective(PixelLoss(self.loss_name(loss), weights), draws)

    def loss_name(self, asked: str | None) -> str:
        """See `Kind`."""
        return asked or DEFAULT_LOSS

    def predict(
        self,
        model: nn.Module,
        split: Split,
        normalise: Normalise,
        *,
        divisor: int = 1,
        with_distance: bool = False,
        threshold: float | None = None,
    ) -> Rows:
        """See `Kind`: overlaps `(n, classes, 5)`, or `(n, heads, classes, 5)`."""
        masked = _masked(split)
        maps = predicted_maps(model, masked, normalise, divisor=divisor)
        return masked.overlaps(maps, with_distance=with_distance, threshold=threshold)

    def logits(self, model: nn.Module, split: Split, normalise: Normalise, *, divisor: int = 1) -> Logits:
        """See `Kind`: of `PIXELS` labelled pixels of each image, drawn alike each time."""
        masked = _masked(split)
        values, labels, units = [], [], []
        maps = _logit_maps(model, masked, normalise, divisor=divisor)
        for number, (of_image, mask) in enumerate(zip(maps, masked.masks, strict=True)):
            truth = mask.numpy().ravel()
            labelled = np.flatnonzero(truth != IGNORE)
            rng = np.random.default_rng(number)
            drawn = rng.choice(labelled, PIXELS, replace=False) if len(labelled) > PIXELS else labelled
            values.append(of_image.flatten(1)[:, torch.from_numpy(drawn)].T.double().numpy())
            labels.append(truth[drawn].astype(np.int64))
            units.append(np.full(len(drawn), number))
        stacked = np.concatenate(labels)
        one = values[0].shape[1] == 1
        return Logits(np.concatenate(values), stacked[:, None] if one else stacked, np.concatenate(units))

    def prior_shift(self, split: Split, *, loss: str | None, balance: str, outputs: int) -> Prior:
        """See `Kind`: of what the cross-entropy was given; Dice knows no shares."""
        masked = _masked(split)
        shift = np.zeros(masked.classes)
        if balance == "loss" and "ce" in self.loss_name(loss).split("+"):
            shift = -np.log(inverse_frequency(_pixels(masked).sum(axis=0)))
        elif balance == "sampler":
            counts = _pixels(masked)
            shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
            alike, drawn = shares.mean(axis=0), draws_of_labels(masked.labels) @ shares
            both = (alike > 0) & (drawn > 0)
            shift = np.where(both, np.log(np.where(both, alike, 1) / np.where(both, drawn, 1)), 0.0)
        return shift[1:] - shift[:1] if outputs == 1 else shift

    def log_loss(self, labels: Labels, rows: Rows) -> float:
        """See `Kind`."""
        return segmentation_log_loss(rows)

    def changed(self, rows: Rows, reference: Rows, rule: DecisionRule, class_names: Sequence[str]) -> Decided | None:
        """See `Kind`: its metrics are of decisions."""
        return None

    def places_of_threshold(self, rule: DecisionRule, class_names: Sequence[str]) -> tuple[int, tuple[str, ...]]:
        """See `Kind`: of the second of two classes."""
        return (1, tuple(class_names[1:])) if len(class_names) == 2 else (0, ())

    def tested(
        self,
        model: nn.Module,
        split: Split,
        normalise: Normalise,
        *,
        recalibration: Recalibration,
        divisor: int = 1,
        threshold: float | None = None,
    ) -> tuple[Rows, Rows]:
        """See `Kind`."""
        masked = _masked(split)
        after: list[Rows] = []
        before: list[Rows] = []

        def maps() -> Iterator[Maps]:
            logits = _logit_maps(model, masked, normalise, divisor=divisor)
            for of_image, mask in zip(logits, masked.masks, strict=True):
                undone = torch.from_numpy(recalibration.before(of_image.movedim(0, -1).numpy())).movedim(-1, 0)
                before.append(pixel_calibration(mask.numpy(), pixel_probabilities(undone).numpy()))
                yield pixel_probabilities(of_image).numpy()

        rows = masked.overlaps(masked.calibrated(maps(), after), with_distance=True, threshold=threshold)
        return rows, np.stack([after, before])

    def mask_threshold(self, model: nn.Module, split: Split, normalise: Normalise, *, divisor: int = 1) -> float:
        """See `Kind`: the best mean Dice, in hundredths.

        Of several neighbours that are the best, the middle one.
        """
        masked, dice = _masked(split), []
        for maps, mask in zip(predicted_maps(model, masked, normalise, divisor=divisor), masked.masks, strict=True):
            truth = mask.numpy()
            level = np.minimum((maps[1] * STEPS).astype(np.int64), STEPS - 1)
            hit, alarm = (np.bincount(level[truth == c], minlength=STEPS)[::-1].cumsum()[::-1] for c in (1, 0))
            total = int((truth == 1).sum()) + hit + alarm
            dice.append(np.where(total > 0, 2 * hit / np.maximum(total, 1), np.nan))
        means = np.nanmean(np.stack(dice), axis=0)[1:]
        best = np.flatnonzero(means >= means.max() - 1e-12)
        return float(best[len(best) // 2] + 1) / STEPS


def predicted_maps(model: nn.Module, split: MaskedImages, normalise: Normalise, *, divisor: int) -> Iterator[Maps]:
    """The probability of each class at each pixel of each image, `(classes, h, w)` or `(heads, classes, h, w)`.

    The model gives logits `(n, outputs, h, w)`, or `(n, heads, outputs, h, w)`; one output for two classes.
    """
    for logits in _logit_maps(model, split, normalise, divisor=divisor):
        yield pixel_probabilities(logits).numpy()


def _logit_maps(model: nn.Module, split: MaskedImages, normalise: Normalise, *, divisor: int) -> Iterator[torch.Tensor]:
    """Of each image `(outputs, h, w)`, or `(heads, outputs, h, w)`."""
    model.to(normalise.device).eval()
    outputs: tuple[int, ...] = ()

    def run(windows: Maps) -> npt.NDArray[Any]:
        nonlocal outputs
        with torch.inference_mode():
            logits = model(torch.from_numpy(windows).to(normalise.device, memory_format=torch.channels_last))
        outputs = tuple(logits.shape[1:-2])
        return np.asarray(logits.flatten(1, -3).float().cpu().numpy())

    for image in split.pixels:
        pixels = normalise(image[None].to(normalise.device))[0].cpu().numpy()
        logits = torch.from_numpy(segment(pixels, run, window=split.sides, divisor=divisor))
        yield logits.reshape(*outputs, *logits.shape[1:])


def pixel_probabilities(logits: torch.Tensor) -> torch.Tensor:
    """Of each class: `(..., classes, h, w)` of logits `(..., outputs, h, w)`, one output for two classes."""
    if logits.shape[-3] > 1:
        return logits.softmax(-3)
    return torch.cat([(-logits).sigmoid(), logits.sigmoid()], -3)


def _pixels(masked: MaskedImages) -> Labels:
    """`(n, classes)` labelled pixels of each class in each image."""
    counts = [np.bincount(mask.numpy().ravel(), minlength=IGNORE + 1)[: masked.classes] for mask in masked.masks]
    return np.stack(counts)


def _masked(split: Split) -> MaskedImages:
    if not isinstance(split, MaskedImages):
        raise TypeError(f"a segmentation is learned from images with masks, not from {type(split).__name__}")
    return split


def _spacing(samples: Samples) -> npt.NDArray[np.float64]:
    """`(images, 2)` mm; unknown of all where it is of one: millimetres and pixels have no mean."""
    spacing = samples.source.spacing_mm
    return np.full_like(spacing, np.nan) if np.isnan(spacing).any() else spacing
