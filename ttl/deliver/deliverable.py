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

from ttl.config import RunConfig
from ttl.data import Samples, Task, decode, decode_pairs, load_task
from ttl.errors import DataError, ExportError, RunFolderError
from ttl.export.bundle import DESCRIPTION, Bundle, load_bundle
from ttl.export.run import OnnxModel
from ttl.finetune import Images, MaskedImages, Split, normalised
from ttl.run.prepare import task_of
from ttl.run.prepared import MARGIN, MARGIN_OF_DICE, Prepared, masked_images
from ttl.run.trial import Record, Rows, predictions
from ttl.stats import NonInferiority, non_inferior, primary
from ttl.study.folder import CACHE, RUN, TRIAL, Study

IMAGES_CHECKED = 7
REPORT = "report.json"


@dataclass(frozen=True, eq=False)
class Deliverable:
    """A fine-tuned model with its data.

    Attributes:
        model: as `truncate` made it and `fit` trained it, in eval mode.
        bundle: what it is.
        trial: the name of the fine-tune; empty where the model comes without its run.
        task: the data.
        splits: split name -> decoded images.
        predicted: split name -> what the model gives in PyTorch for the images of val and of test, as `ttl.stats`
            scores it.
        margin: the loss in the metric that doesn't matter.
        seed: of what is drawn.
        distance_unit: of Hausdorff distances.
    """

    model: nn.Module
    bundle: Bundle
    trial: str
    task: Task
    splits: Mapping[str, Split]
    predicted: Mapping[str, Rows]
    margin: float
    seed: int
    distance_unit: str = ""

    @property
    def metric(self) -> str:
        """The one that a search compares points by."""
        return primary(self.task.kind)

    @property
    def segments(self) -> bool:
        """Whether pixels are classified."""
        return self.task.kind == "segmentation"

    def network_input(self, split: str, chosen: npt.NDArray[np.int64]) -> torch.Tensor:
        """`(n, 3, h, w)` float32: some images of a split, normalised; of a segmentation their middles."""
        pixels = self.splits[split].crops()[torch.from_numpy(chosen)]
        return normalised(pixels, self.bundle.mean, self.bundle.std).contiguous()

    def to_check(self) -> torch.Tensor:
        """The images on which outputs are compared."""
        return self.network_input("val", np.arange(min(IMAGES_CHECKED, len(self.task.val))))

    def decoded(self) -> list[Image.Image]:
        """The same, as a decoder gives them."""
        samples = self.task.val
        return [samples.source.load(int(index)) for index in samples.index[:IMAGES_CHECKED]]

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
        if model.metadata.embeds_preprocessing:
            samples: Samples = self.task.splits[split]
            return model.predict_images([samples.source.load(int(index)) for index in samples.index])
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


def _rank_within(labels: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """Of each element, how many equal ones come before it."""
    rank = np.zeros(len(labels), np.int64)
    for label in np.unique(labels):
        where = np.flatnonzero(labels == label)
        rank[where] = np.arange(len(where))
    return rank


def deliverable_of(prepared: Prepared, study: Study, record: Record) -> Deliverable:
    """A finished trial of a run under way."""
    model, bundle = load_bundle(study.trial_folder(record["id"]), backbone=prepared.backbone.model)
    return Deliverable(
        model=model,
        bundle=bundle,
        trial=record["id"],
        task=prepared.task,
        splits=prepared.decoded,
        predicted={split: predictions(record, split) for split in ("val", "test")},
        margin=prepared.margin,
        seed=prepared.config.seed,
        distance_unit=prepared.distance_unit if prepared.segments else "",
    )


def deliverable_in(source: Path, data: str | None) -> Deliverable:
    """The chosen model of a run folder, or a saved model, with the run's data or other.

    Raises:
        RunFolderError: there is no such model.
        DataError: it isn't known what data belongs to it, or that has other classes.
    """
    folder = source if (source / DESCRIPTION).is_file() else _chosen_trial(source)
    model, bundle = load_bundle(folder)
    place = next((place for place in (folder, *folder.parents[:2]) if (place / RUN).is_file()), None)
    told = Study(place).read(RUN) if place else None
    config = RunConfig.from_json(told["config"]) if told else None
    if data is None and config is None:
        raise DataError(f"{folder} doesn't say what data it was trained on: give labelled images with --data")
    own = config is not None and data in (None, config.data)
    task = task_of(config) if config is not None and own else load_task(str(data))
    if (task.kind, task.class_names) != (bundle.kind, bundle.class_names):
        raise DataError(
            f"{task.name} is {task.kind} with the classes {', '.join(task.class_names)}, and the model tells "
            f"{', '.join(bundle.class_names)} apart: give data like that it was trained on"
        )
    cache = place / CACHE if place and own else None
    splits = {name: _decoded(samples, bundle, task, cache) for name, samples in task.splits.items()}
    record = Study(folder.parents[1]).trial(folder.name) if (folder / TRIAL).is_file() and own else None
    default = MARGIN_OF_DICE if task.kind == "segmentation" else MARGIN
    return Deliverable(
        model=model,
        bundle=bundle,
        trial=folder.name if record else "",
        task=task,
        splits=splits,
        predicted={split: _predicted(model, bundle, splits[split], record, split) for split in ("val", "test")},
        margin=(config.margin if config else None) or default,
        seed=config.seed if config else 0,
        distance_unit=str((record or {}).get("distance_unit", "px" if task.kind == "segmentation" else "")),
    )


def _chosen_trial(run_folder: Path) -> Path:
    study = Study(run_folder)
    content = study.read(REPORT)
    if content is None or "chosen" not in content:
        raise RunFolderError(
            f"{run_folder} holds neither a finished run nor a saved model: give a run folder or one of its trials"
        )
    return study.trial_folder(content["chosen"]["trial"])


def _decoded(samples: Samples, bundle: Bundle, task: Task, cache: Path | None) -> Split:
    if bundle.kind == "segmentation":
        pairs = decode_pairs(samples, cache_dir=cache, key=task.fingerprint)
        return masked_images(pairs, samples, task, bundle.image_size)
    pixels = decode(
        samples,
        image_size=bundle.image_size,
        interpolation=bundle.interpolation,
        cache_dir=cache,
        key=task.fingerprint,
    )
    if pixels.shape[1] > bundle.channels:
        raise ExportError(f"{task.name} is in colour, and the model was trained on grey images: give grey ones")
    return Images(pixels, samples.labels)


def _predicted(model: nn.Module, bundle: Bundle, images: Split, record: Record | None, split: str) -> Rows:
    """As the trial has it, else anew."""
    if record is not None:
        return predictions(record, split)
    found: Rows = images.predict(model, kind=bundle.kind, mean=bundle.mean, std=bundle.std, divisor=bundle.divisor)
    return found
