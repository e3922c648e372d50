"""Images of one class each: `binary` and `multiclass`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import nn

from ttl.data.cache import decode
from ttl.data.decoded import Images, Split
from ttl.data.kind.balance import class_weights, draws_of_classes
from ttl.data.kind.class_losses import ClassLoss
from ttl.data.kind.kind import Decided, Kind, Objective, Rows
from ttl.data.modality.normalise import Normalise
from ttl.data.task import SPLITS, Labels, Samples, class_counts
from ttl.errors import DataError
from ttl.words.counts import counted, listed
from ttl.words.sides import Sides

BATCH = 64
"""Images predicted at a time."""


class Classes(Kind):
    """One class an image: a row is the probability of each class."""

    margin = 0.01
    one_class_each = True

    def outputs(self, classes: int) -> int:
        """One a class."""
        return classes

    def activation(self, outputs: int) -> str:
        """The classes share out the probability."""
        return "softmax"

    def check_counts(self, name: str, class_names: Sequence[str], labels: Labels) -> None:
        """See `Kind`."""
        if len(class_names) < 2:
            raise DataError(f"{name} has {counted(len(class_names), 'class')}: at least two are needed.")
        check_images_per_class(name, class_names, labels)

    def check_splits(
        self, name: str, class_names: Sequence[str], labels: Labels, splits: Sequence[str]
    ) -> tuple[str, ...]:
        """See `Kind`: every class is in every split."""
        where = np.array(splits)
        for split in SPLITS:
            present = set(labels[where == split].tolist())
            absent = [label for label in range(len(class_names)) if label not in present]
            if absent:
                found = listed(other for other in SPLITS if ((where == other) & (labels == absent[0])).any())
                raise DataError(
                    f"The class {class_names[absent[0]]!r} of {name} is in {found} but not in {split}: every split "
                    "needs images of every class; move some, remove the class, or let the split be drawn."
                )
        return ()

    def decode(self, samples: Samples, *, sides: Sides, interpolation: str, cache_dir: Path | None, key: str) -> Images:
        """See `Kind`: resized to the network's input."""
        return decode_images(samples, sides=sides, interpolation=interpolation, cache_dir=cache_dir, key=key)

    def objective(
        self, split: Split, *, loss: str | None, balance: str, outputs: int, device: torch.device
    ) -> Objective:
        """See `Kind`."""
        if balance == "loss":
            weights = torch.from_numpy(class_weights(split.labels, outputs)).float().to(device)
            return Objective(ClassLoss(weights))
        return Objective(ClassLoss(), draws_of_classes(split.labels, outputs) if balance == "sampler" else None)

    def predict(
        self, model: nn.Module, split: Split, normalise: Normalise, *, divisor: int = 1, with_distance: bool = False
    ) -> Rows:
        """See `Kind`: probabilities `(n, classes)`, or `(n, heads, classes)`."""
        return predict_images(self, model, split, normalise)

    def probabilities(self, logits: torch.Tensor) -> torch.Tensor:
        """Of each class, float64, in the logits' shape."""
        return logits.double().softmax(-1)

    def by_head(self, rows: Rows) -> list[Rows]:
        """See `Kind`."""
        return [rows] if rows.ndim == 2 else list(rows.swapaxes(0, 1))

    def log_loss(self, labels: Labels, rows: Rows) -> float:
        """See `Kind`."""
        return mean_surprise(rows[np.arange(len(labels)), labels])

    def changed(self, rows: Rows, reference: Rows) -> Decided | None:
        """See `Kind`: images whose most probable class is another."""
        return Decided(int((rows.argmax(1) != reference.argmax(1)).sum()), len(rows))


def check_images_per_class(name: str, class_names: Sequence[str], labels: Labels) -> None:
    """Refuse classes that can't be in every split.

    Raises:
        DataError: there are some.
    """
    counts = dict(zip(class_names, class_counts(labels, len(class_names)), strict=True))
    small = {label: count for label, count in counts.items() if count < len(SPLITS)}
    if small:
        what = listed(f"{label} ({counted(count, 'image')})" for label, count in small.items())
        raise DataError(
            f"{name} has classes with too few images, {what}: at least {len(SPLITS)} are needed, one "
            "for each of train, val and test; add images, or remove the class."
        )


def decode_images(samples: Samples, *, sides: Sides, interpolation: str, cache_dir: Path | None, key: str) -> Images:
    """A split of images with labels, resized to `sides`."""
    pixels = decode(samples, image_size=sides, interpolation=interpolation, cache_dir=cache_dir, key=key)
    return Images(pixels, samples.labels)


def predict_images(kind: Classes, model: nn.Module, split: Split, normalise: Normalise) -> Rows:
    """Probabilities of images as they are, in eval mode, float64 in the logits' shape."""
    model.to(normalise.device).eval()
    with torch.inference_mode():
        parts = [
            kind.probabilities(model(normalise(batch.to(normalise.device)))).cpu()
            for batch in torch.split(split.crops(), BATCH)
        ]
    return torch.cat(parts).numpy()


def mean_surprise(given_to_truth: Rows) -> float:
    """The mean of minus the logarithm of the probabilities that the truth was given; nan of none."""
    if not given_to_truth.size:
        return float("nan")
    return float(-np.log(np.maximum(given_to_truth, np.finfo(np.float64).tiny)).mean())
