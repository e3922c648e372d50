"""What is exported, and the images that its files are judged on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import nn

from ttl.data import Samples, Task
from ttl.data.decoded import Split
from ttl.data.kind import Rows
from ttl.data.masked_images import MaskedImages
from ttl.data.modality.normalise import normalised
from ttl.export.contract import Contract
from ttl.export.run import OnnxModel
from ttl.stats import NonInferiority, non_inferior

IMAGES_CHECKED = 7


@dataclass(frozen=True, eq=False)
class Deliverable:
    """A fine-tuned model with its data.

    Attributes:
        model: as `truncate` made it and `fit` trained it, in eval mode.
        contract: what it is.
        trial: the name of the fine-tune; empty where the model comes without its run.
        task: the data.
        splits: split name -> decoded images.
        predicted: split name -> what the model gives in PyTorch for val and test, as `ttl.stats` scores it.
        margin: the loss in the metric that doesn't matter.
        seed: of what is drawn.
    """

    model: nn.Module
    contract: Contract
    trial: str
    task: Task
    splits: Mapping[str, Split]
    predicted: Mapping[str, Rows]
    margin: float
    seed: int

    @property
    def metric(self) -> str:
        """The one that a search compares points by."""
        return self.task.kind.primary

    @property
    def distance_unit(self) -> str:
        """Of Hausdorff distances; empty where there are none."""
        return self.task.kind.distance_unit(self.task.train)

    def network_input(self, split: str, chosen: npt.NDArray[np.int64]) -> torch.Tensor:
        """`(n, 3, h, w)` float32: some images of a split, normalised; of a segmentation their middles."""
        pixels = self.splits[split].crops()[torch.from_numpy(chosen)]
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
            order = order[np.argsort(_rank_within(labels[order]), kind="stable")]
        return self.network_input("train", np.sort(order[:most]))

    def from_file(self, path: Path, split: str) -> Rows:
        """What a file gives for the images of a split, as `ttl.stats` scores it."""
        model, images = OnnxModel(path), self.splits[split]
        if isinstance(images, MaskedImages):
            return images.overlaps(model.maps(images.pixels))
        if model.contract.embeds_preprocessing:
            return model.predict_images(_loaded(self.task.splits[split]))
        return model.predict(images.crops())

    def compared(self, rows: Rows, split: str, margin: float) -> NonInferiority:
        """`rows` minus what PyTorch gives in float32, on the same images (patients) of a split."""
        samples = self.task.splits[split]
        return non_inferior(
            self.metric,
            self.task.kind,
            samples.labels,
            rows,
            self.predicted[split],
            margin=margin,
            groups=samples.groups,
            seed=self.seed,
        )


def _loaded(samples: Samples, most: int | None = None) -> list[Image.Image]:
    return [samples.source.load(int(index)) for index in samples.index[:most]]


def _rank_within(labels: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """Of each element, how many equal ones come before it."""
    rank = np.zeros(len(labels), np.int64)
    for label in np.unique(labels):
        where = np.flatnonzero(labels == label)
        rank[where] = np.arange(len(where))
    return rank
