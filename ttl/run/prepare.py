"""From what a run is told to what it works on: task, backbone, points."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from ttl.config import RunConfig
from ttl.cut.points import truncation_points
from ttl.data import Columns, Task, augmentation, load_task
from ttl.errors import TrainingError, UsageError
from ttl.finetune import recipe
from ttl.finetune.recipes import CLASSIFIERS, SEGMENTATIONS
from ttl.networks import load_backbone
from ttl.networks.names import UNET
from ttl.run.events import Note, Watch
from ttl.run.prepared import Prepared
from ttl.run.track import check_tracker


def prepare(config: RunConfig, watch: Watch, *, cache_dir: Path | None = None) -> Prepared:
    """Load the data and the network, and find the points; nothing is trained.

    Raises:
        TTLError: the data, the model, its weights or an option is no good; the sentence says which.
    """
    if config.threads:
        torch.set_num_threads(config.threads)
    chosen_recipe = recipe(config.recipe or (SEGMENTATIONS if config.model.startswith(UNET) else CLASSIFIERS))
    if config.augment is not None:
        augmentation(config.augment)
        chosen_recipe = replace(chosen_recipe, augment=config.augment)
    device = _device(config.device)
    check_tracker(config.track)
    task = task_of(config)
    sizes = ", ".join(f"{name} {len(samples)}" for name, samples in task.splits.items())
    watch(Note(f"{task.name}: {len(task.class_names)} classes ({', '.join(task.class_names)}); images: {sizes}"))
    for note in task.notes:
        watch(Note(note))
    _check_fit(config, task)
    weights = "none" if chosen_recipe.random_start else config.weights
    backbone = load_backbone(config.model, weights=weights, image_size=config.image_size, seed=config.seed)
    watch(Note(f"{backbone.name}: {backbone.weights.summary()}"))
    watch(Note(f"Recipe {chosen_recipe.name}: {chosen_recipe.words()}"))
    missing = () if weights == "none" else backbone.weights.missing
    points = truncation_points(
        backbone.model, image_size=backbone.spec.image_size, finish=config.finish, missing=missing
    )
    prepared = Prepared(config, task, backbone, points, chosen_recipe, device, cache_dir)
    _ = prepared.frozen, prepared.candidates  # what can be refused is refused before anything is trained
    return prepared


def task_of(config: RunConfig) -> Task:
    """The data of a run, split as it asks.

    Raises:
        DataError: the data can't be used as it is.
    """
    return load_task(
        config.data,
        seed=config.seed,
        val_fraction=config.val_fraction,
        test_fraction=config.test_fraction,
        splits=config.splits,
        skip_bad=config.skip_bad,
        train_fraction=config.train_fraction,
        columns=Columns(
            image=config.image_column,
            labels=config.label_columns,
            mask=config.mask_column,
            group=config.group_column,
            split=config.split_column,
        ),
        window=config.window,
        dedupe=config.dedupe,
    )


def _check_fit(config: RunConfig, task: Task) -> None:
    """Refuse options of classifiers for a segmentation, and the other way round."""
    unet = config.model.startswith(UNET)
    if task.kind == "segmentation" and not unet:
        raise UsageError(
            f"{task.name} has masks, and --model {config.model} is a classifier: give --model {UNET}ENCODER, such as "
            f"{UNET}resnet18"
        )
    if task.kind != "segmentation" and unet:
        raise UsageError(
            f"--model {config.model} draws masks, and {task.name} has none: give a classifier, such as "
            f"--model {config.model.removeprefix(UNET)}, or a folder with images/ and masks/"
        )
    if unet and (config.pool != "avg" or config.dropout is not None):
        raise UsageError("--pool and --dropout are of a classifier's head, which a U-Net doesn't have: leave them out")
    if not unet and config.loss is not None:
        raise UsageError(f"--loss is of segmentations, and {task.name} has classes: leave it out")


def _device(name: str) -> str:
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise TrainingError(f"--device is {name}, and there is no CUDA device here: use --device cpu")
    if name == "mps" and not torch.backends.mps.is_available():
        raise TrainingError("--device is mps, and there is no Apple GPU here: use --device cpu")
    if name.startswith("cuda:") and int(name[5:]) >= torch.cuda.device_count():
        raise UsageError(
            f"--device is {name}, and there are {torch.cuda.device_count()} CUDA devices: count from cuda:0"
        )
    return name
