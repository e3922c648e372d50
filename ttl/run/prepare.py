"""From what is asked for to the setting of a run: task, network, candidates."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from ttl.config import AIMS, RunConfig
from ttl.cut.network import Network, load_network
from ttl.cut.truncation import truncate
from ttl.data import Columns, Task, augmentation, load_task
from ttl.data.describe import patients_words
from ttl.data.folds import pooled
from ttl.errors import UsageError
from ttl.finetune import Recipe, recipe
from ttl.finetune.accelerated import check_amp, resolve_device
from ttl.finetune.recipes import CLASSIFIERS, SEGMENTATIONS
from ttl.networks.names import UNET
from ttl.run.events import Note, Watch
from ttl.run.setting import RunSetting, affordable
from ttl.run.track import check_tracker


def prepare(config: RunConfig, watch: Watch, *, cut: str | None = None) -> RunSetting:
    """Load the data and the network, and find the candidates; nothing is trained.

    Args:
        cut: a point that has to be there, as `TruncationPoints.find` takes it.

    Raises:
        TTLError: the data, the model, its weights or an option is no good; the sentence says which.
    """
    if config.threads:
        torch.set_num_threads(config.threads)
    unet = config.model.startswith(UNET)
    chosen = recipe_of(config, per_pixel=unet)
    if unet and (config.pool != "avg" or config.dropout is not None):
        raise UsageError("--pool and --dropout are of a classifier's head, which a U-Net doesn't have: leave them out")
    device = resolve_device(config.device)
    check_amp(config.amp, device)
    check_tracker(config.track)
    # Before the data: those may take a minute to be read and searched for leaks.
    weights = "none" if chosen.random_start else config.weights
    network = load_network(
        config.model, weights=weights, image_size=config.image_size, seed=config.seed, finish=config.finish
    )
    if cut is not None:
        network.points.find(cut)
    below, candidates = _below_freeze_point(config, network, chosen), affordable(network, config)
    task = task_of(config)
    sizes = ", ".join(f"{name} {len(samples)}" for name, samples in task.splits.items())
    watch(Note(f"{task.name}: {len(task.class_names)} classes ({', '.join(task.class_names)}); images: {sizes}"))
    for note in task.notes:
        watch(Note(note))
    watch(Note(patients_words(task.patients_known, sum(map(len, task.splits.values())))))
    _check_fits(config, task)
    watch(Note(f"{network.name}: {network.weights.summary()}"))
    watch(Note(f"Recipe {chosen.name}: {chosen.words()}"))
    return _checked(RunSetting(config, task, network, chosen, device, below, candidates))


def setting_of(config: RunConfig, task: Task, network: Network, chosen: Recipe, device: str) -> RunSetting:
    """The setting of a network that is at hand; what can be refused is refused before anything is trained.

    Raises:
        UsageError: options that don't go together, or leave no candidate.
        PointError: a point that isn't there.
    """
    _check_loss(config, task)
    below, candidates = _below_freeze_point(config, network, chosen), affordable(network, config)
    return _checked(RunSetting(config, task, network, chosen, device, below, candidates))


def _checked(setting: RunSetting) -> RunSetting:
    """The same, cross-validated where that is asked for; what can be refused is refused before anything is trained."""
    if setting.config.folds is not None:
        setting = replace(setting, task=pooled(setting.task), drawn=setting.task)
        for fold in setting.folds:
            setting.of_fold(fold)
    check_decision(setting)
    return setting


def recipe_of(config: RunConfig, *, per_pixel: bool) -> Recipe:
    """The recipe that a run asks for, or the default of its kind of network, with the augmentation asked for.

    Raises:
        UsageError: there is no such recipe or augmentation.
    """
    chosen = recipe(config.recipe or (SEGMENTATIONS if per_pixel else CLASSIFIERS))
    if config.augment is None:
        return chosen
    augmentation(config.augment)
    return replace(chosen, augment=config.augment)


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
            attributes=config.subgroup_columns,
            root=config.image_root,
            suffix=config.image_suffix or "",
        ),
        mask_values=config.mask_values,
        per_pixel=config.model.startswith(UNET),
        window=config.window,
        value_range=config.value_range,
        frame=config.frame,
        dedupe=config.dedupe,
        positive=config.positive,
        ordinal=config.ordinal,
        exclusive=config.exclusive,
    )


def _check_fits(config: RunConfig, task: Task) -> None:
    """Refuse a network or a loss of another kind than the data."""
    unet = config.model.startswith(UNET)
    if task.kind.per_pixel and not unet:
        raise UsageError(
            f"{task.name} has masks, and --model {config.model} is a classifier: give --model {UNET}ENCODER, such as "
            f"{UNET}resnet18"
        )
    if unet and not task.kind.per_pixel:
        raise UsageError(
            f"--model {config.model} draws masks, and {task.name} has none: give a classifier, such as "
            f"--model {config.model.removeprefix(UNET)}, or a folder with images/ and masks/"
        )
    if task.kind.per_pixel and config.fit != "squash":
        raise UsageError(f"--fit {config.fit} is for classifiers: images with masks keep their size; leave it out")
    _check_loss(config, task)


def check_decision(setting: RunSetting) -> None:
    """Refuse a threshold that can't be set on this data, before anything is trained.

    Raises:
        UsageError: the aim is for other data, or there are no patients to decide on.
        DataError: there are too few validation images for it.
    """
    config, task = setting.config, setting.task
    asked = next((name for name in AIMS if getattr(config, name) is not None), None)
    if task.kind.per_pixel and asked and (asked != "threshold" or len(task.class_names) > 2):
        raise UsageError(
            f"--{asked} is for findings of images, and {task.name} has masks: of two classes give --threshold, or "
            "leave it out for the best Dice"
        )
    if asked and task.kind.several_classes and not task.finding:
        raise UsageError(
            f"--{asked} needs a finding, and {task.name} has {len(task.class_names)} classes: name those that make it "
            "with --positive"
        )
    if config.decide_per == "patient":
        if task.kind.per_pixel:
            raise UsageError("--decide-per patient is for images with classes, and this data has masks: leave it out")
        if any(samples.groups is None for samples in task.splits.values()):
            raise UsageError(
                f"--decide-per patient needs to know the patients, and {task.name} doesn't say: give --group-column"
            )
    if not task.kind.per_pixel:
        # Any scores do: whether the validation images are enough depends on their labels and patients alone.
        scores = np.random.default_rng(0).dirichlet(np.ones(len(task.class_names)), len(task.val))
        val = setting.judged("val", scores)
        task.kind.rule(task.class_names, task.finding, val.labels, val.rows, setting.aim, val.groups)


def _check_loss(config: RunConfig, task: Task) -> None:
    if not task.kind.per_pixel and config.loss is not None:
        raise UsageError(f"--loss is of segmentations, and {task.name} has classes: leave it out")


def _below_freeze_point(config: RunConfig, network: Network, chosen: Recipe) -> frozenset[str]:
    """Names of the parameters and buffers below the freeze point."""
    if not chosen.needs_freeze_point:
        if config.freeze_below:
            raise UsageError(f"--freeze-below is for recipes that freeze, and {chosen.name} doesn't: use lwft")
        return frozenset()
    if config.freeze_below is None:
        raise UsageError(f"--recipe {chosen.name} needs --freeze-below POINT: what lies up to there stays")
    below = truncate(network.model, network.points.find(config.freeze_below), num_classes=None)
    return frozenset(below.state_dict())
