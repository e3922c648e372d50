"""What is exported, and the images that its files are judged on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from PIL import Image
from torch import nn

from ttl.data import Samples, Task
from ttl.data.decoded import Split
from ttl.data.kind import Decided, Rows
from ttl.data.masked_images import MaskedImages
from ttl.data.modality.normalise import normalised
from ttl.deliver.group_figures import GroupFigures
from ttl.deliver.operating_rates import decides_finding, rates
from ttl.export.contract import Contract
from ttl.export.run import FileModel, open_model
from ttl.stats import NonInferiority, combined, combined_rows, non_inferior
from ttl.words.estimate import Estimate

IMAGES_CHECKED = 7
Positions = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Deliverable:
    """A fine-tuned model with its data."""

    model: nn.Module  # as `truncate` made it and `fit` trained it, in eval mode
    contract: Contract
    trial: str  # the name of the fine-tune; empty where the model comes without its run
    task: Task
    splits: Mapping[str, Split]  # split name -> decoded images
    # `val` and `test` -> what the model gives for them in PyTorch, as `ttl.stats` scores it
    predicted: Mapping[str, Rows]
    margin: float  # the loss in the metric that doesn't matter
    seed: int
    groups: tuple[GroupFigures, ...] = ()  # of test images, where the data know any

    @property
    def metric(self) -> str:
        """The one that a search compares points by."""
        return self.task.kind.primary

    def network_input(self, split: str, images: Positions) -> torch.Tensor:
        """`(n, 3, h, w)` float32: some images of a split, normalised; of a segmentation their middles."""
        pixels = self.splits[split].crops()[torch.from_numpy(images)]
        return normalised(pixels, self.contract.mean, self.contract.std).contiguous()

    def to_check(self) -> torch.Tensor:
        """The images on which outputs are compared."""
        return self.network_input("val", np.arange(min(IMAGES_CHECKED, len(self.task.val))))

    def decoded(self) -> list[Image.Image]:
        """The same, as a decoder gives them."""
        return _loaded(self.task.val, IMAGES_CHECKED)

    def to_calibrate(self, most: int) -> torch.Tensor:
        """Training images, drawn evenly from the classes where each image has one."""
        labels = np.asarray(self.task.train.labels)
        order = np.random.default_rng(self.seed).permutation(len(labels))
        if labels.ndim == 1:
            order = in_turns(order, labels)
        return self.network_input("train", np.sort(order[:most]))

    def from_file(self, path: Path, split: str) -> Rows:
        """What a file gives for the images of a split, as `ttl.stats` scores it."""
        own = self.contract
        return rows_of_file(open_model(path), self.task.splits[split], self.splits[split], threshold=own.mask_threshold)

    def changed(self, rows: Rows, split: str) -> Decided | None:
        """How many decisions differ from those in PyTorch, of patients where the file decides on them.

        None where rows hold decisions already, as of masks.
        """
        own, rule, reference = self.contract, self.contract.rule, self.predicted[split]
        groups = self.task.splits[split].groups
        if rule.per == "patient" and groups is not None:
            rows, reference = (
                combined_rows(each, groups, rule.combine, exclusive=own.kind.one_class_each)[0]
                for each in (rows, reference)
            )
        return own.kind.changed(rows, reference, rule, own.class_names)

    def at_point(self, rows: Rows, split: str) -> Mapping[str, Estimate]:
        """Rates where the rule decides, of images or of patients; nothing where it gives classes, or masks."""
        own, rule, samples = self.contract, self.contract.rule, self.task.splits[split]
        if not decides_finding(own.kind, rule):
            return {}
        labels, groups = samples.labels, samples.groups
        if rule.per == "patient" and groups is not None:
            labels, rows, _ = combined(labels, rows, groups, rule.combine)
            groups = None
        return rates(own.kind, own.class_names, labels, rows, rule, groups=groups, seed=self.seed)

    def compared(self, rows: Rows, split: str, margin: float) -> NonInferiority:
        """`rows` minus what PyTorch gives in float32, on the same images (patients) of a split."""
        samples, kind, reference = self.task.splits[split], self.task.kind, self.predicted[split]
        return non_inferior(
            self.metric,
            kind,
            samples.labels,
            rows,
            reference,
            margin=margin,
            groups=samples.groups,
            seed=self.seed,
            derived=True,
        )


def rows_of_file(
    model: FileModel,
    samples: Samples,
    images: Split,
    *,
    threshold: float | None,
    with_distance: bool = False,
    pixels: list[Rows] | None = None,
) -> Rows:
    """What a file gives for samples, which are decoded in `images`, as `ttl.stats` scores it.

    Of masks of two classes the `threshold` decides; `with_distance` measures distances between edges, too. Into the
    list `pixels` goes `ttl.stats.pixel_calibration` of each image, from the same predictions.
    """
    if isinstance(images, MaskedImages):
        maps = model.maps(images.pixels)
        maps = maps if pixels is None else images.calibrated(maps, pixels)
        return images.overlaps(maps, with_distance=with_distance, threshold=threshold)
    if model.contract.embeds_preprocessing:
        return model.predict_images(_loaded(samples))
    return model.predict(images.crops())


def in_turns(order: Positions, labels: Positions) -> Positions:
    """Positions in `labels`, such that the classes take turns; of each class as they were."""
    turn = pd.Series(order).groupby(labels[order]).cumcount()
    return order[np.argsort(turn, kind="stable")]


def _loaded(samples: Samples, most: int | None = None) -> list[Image.Image]:
    return [samples.source.load(int(index)) for index in samples.index[:most]]
