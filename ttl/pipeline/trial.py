"""One trial: cut, fine-tune, predict, measure, and put it on disk."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from ttl.bundle import Bundle, save_bundle
from ttl.finetune import epochs_done, fit, from_main, predict
from ttl.pipeline.events import EpochDone, ImagesShown, TrialDone, TrialStarted, Watch
from ttl.pipeline.prepare import Prepared
from ttl.pipeline.track import tracker
from ttl.points import TruncationPoint
from ttl.search.study import Study, trial_id
from ttl.stats import ALL_METRICS, intervals
from ttl.truncation import truncate

Record = dict[str, Any]


def identity(prepared: Prepared, point: TruncationPoint, seed: int) -> str:
    """The trial's name: a hash of all that defines its result."""
    return trial_id({**prepared.definition(), "seed": seed, "cut": point.name, "values": point.values})


def run_trial(
    prepared: Prepared,
    study: Study,
    point: TruncationPoint,
    watch: Watch,
    *,
    seed: int,
    number: int = 1,
) -> Record:
    """Fine-tune at `point` and return its record; a trial that is on disk already is only read.

    Args:
        prepared: the run.
        study: where trials are kept.
        point: where the network is cut.
        watch: is told how it goes.
        seed: of the head, the order, the augmentation and dropout.
        number: of this fine-tune in the run, for whoever watches.

    Raises:
        TrainingError: the loss became NaN, or there is too little memory.
        RunFolderError: the run folder can't be written.
    """
    name = identity(prepared, point, seed)
    known = study.trial(name)
    if known is not None:
        watch(TrialDone(known, reused=True))
        return known
    checkpoint = study.checkpoint(name)
    watch(TrialStarted(point, number, seed, prepared.config.epochs, epochs_done(checkpoint)))
    with tracker(prepared.config.track, study.folder, f"{point.name}-seed{seed}-{name}", prepared.device) as track:

        def told(row: dict[str, Any]) -> None:
            watch(EpochDone(row))
            track(row)

        model, record = _fine_tuned(prepared, point, seed, checkpoint, watch, told)
    record = {"id": name, **record}
    bundle = describe_bundle(prepared, point, record)

    def write(folder: Path) -> None:
        save_bundle(model, bundle, folder)

    study.add(name, record, write)
    watch(TrialDone(record, reused=False))
    return record


def _fine_tuned(
    prepared: Prepared,
    point: TruncationPoint,
    seed: int,
    checkpoint: Path,
    watch: Watch,
    told: Callable[[dict[str, Any]], None],
) -> tuple[nn.Module, Record]:
    config, spec, task = prepared.config, prepared.backbone.spec, prepared.task
    model: nn.Module = truncate(
        prepared.network(seed),
        point,
        num_classes=len(task.class_names),
        pool=config.pool,
        dropout=prepared.dropout,
        seed=seed,
    )
    result = fit(
        model,
        prepared.images["train"],
        prepared.images["val"],
        prepared.recipe,
        prepared.settings(seed),
        on_epoch=told,
        on_images=lambda shown, of: watch(ImagesShown(shown, of)),
        checkpoint=checkpoint,
    )
    probabilities = {
        split: from_main(
            predict(
                model,
                prepared.images[split].pixels,
                kind=task.kind,
                mean=spec.mean,
                std=spec.std,
                device=prepared.device,
            )
        )
        for split in ("val", "test")
    }
    record: Record = {
        "status": "finished",
        "cut": point.name,
        "index": point.index,
        "params": point.params,
        "macs": point.macs,
        "recipe": prepared.recipe.name,
        "seed": seed,
        "epochs": result.epochs,
        "best_epoch": result.best_epoch,
        "seconds": result.seconds,
        "peak_memory_bytes": result.peak_memory_bytes,
        "trainable": dict(result.trainable),
        "notes": list(result.notes),
        "curve": [_plain(row) for row in result.curve],
    }
    for split, predicted in probabilities.items():
        samples = task.splits[split]
        found = intervals(
            task.kind, samples.labels, predicted, names=ALL_METRICS, groups=samples.groups, seed=config.seed
        )
        record[split] = {metric: estimate.to_json() for metric, estimate in found.items()}
    record["predictions"] = {split: predicted.tolist() for split, predicted in probabilities.items()}
    return model, record


def describe_bundle(prepared: Prepared, point: TruncationPoint, record: Record) -> Bundle:
    """What is saved beside a trial's weights."""
    spec, task = prepared.backbone.spec, prepared.task
    return Bundle(
        backbone=prepared.backbone.name,
        image_size=spec.image_size,
        point=point,
        kind=task.kind,
        class_names=task.class_names,
        pool=prepared.config.pool,
        dropout=prepared.dropout,
        channels=prepared.images["val"].pixels.shape[1],
        mean=spec.mean,
        std=spec.std,
        interpolation=spec.interpolation,
        window=prepared.config.window,
        weights=prepared.backbone.weights.summary(),
        recipe=prepared.recipe.name,
        data_fingerprint=task.fingerprint,
        metrics={split: record[split] for split in ("val", "test")},
    )


def predictions(record: Record, split: str) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Probabilities `(n, classes)` that a trial gave for a split."""
    return np.asarray(record["predictions"][split], dtype=np.float64)


def score(record: Record, metric: str) -> float:
    """A trial's validation score; NaN where the metric is undefined."""
    value = record["val"][metric]["value"]
    return float("nan") if value is None else float(value)


def _plain(row: Any) -> dict[str, Any]:
    """A row of the curve as JSON values: NaN becomes null."""
    return {k: None if isinstance(v, float) and v != v else v for k, v in dict(row).items()}
