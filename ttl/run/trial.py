"""One trial: cut, fine-tune, predict, measure, and put it on disk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import nn

from ttl import __version__
from ttl.cut.points import TruncationPoint, UNetPoint
from ttl.export.bundle import Bundle, save_bundle, save_weights
from ttl.export.contract import Contract, Decoding, Provenance
from ttl.finetune import Fit, Recipe, Settings, epochs_done, fit, from_main
from ttl.run.events import EpochDone, ImagesShown, TrialDone, TrialStarted, Watch
from ttl.run.joint import HEADS, joint_epochs, joint_network, warm_start
from ttl.run.joint import WEIGHTS as JOINT_WEIGHTS
from ttl.run.prepared import Prepared
from ttl.run.track import tracker
from ttl.stats import all_metrics, intervals, metrics
from ttl.study.engines.engine import Trial
from ttl.study.study import Study, trial_id
from ttl.words.estimate import Estimate

Record = dict[str, Any]
Rows = npt.NDArray[np.float64]
COSTS = ("params", "macs", "encoder_params", "encoder_macs")
JOINT = "joint network"
"""What the network with a head at every point is called where a cut has its name."""
BEGAN_JOINT = "It began with what the joint network had learned up to there, its head too"


def identity(prepared: Prepared, trial: Trial) -> str:
    """The trial's name: a hash of all that defines its result, but for how far it is to go."""
    told = {**prepared.definition(), "seed": trial.seed}
    if trial.cut is None:
        points = [point.values for point in prepared.candidates]
        return trial_id({**told, "joint": points, "joint_epochs": joint_epochs(prepared), "heads": HEADS})
    point = prepared.points.find(trial.cut)
    started = {"start": trial.start} if trial.start else {}
    return trial_id({**told, "cut": point.name, "values": point.values, **started})


def finished_trial(prepared: Prepared, study: Study, trial: Trial, watch: Watch) -> Record | None:
    """The record of a trial that is on disk; None where it has yet to be run."""
    known = study.trial(identity(prepared, trial))
    if known is not None:
        watch(TrialDone(known, reused=True))
    return known


def run_trial(prepared: Prepared, study: Study, trial: Trial, watch: Watch) -> Record:
    """Run a trial, from where an earlier call was stopped, and return its record.

    Args:
        prepared: the run.
        study: where trials are kept.
        trial: what to do.
        watch: is told how it goes.

    Returns:
        what is in trial.json; of a trial that was paused its `status`, `epochs`, `seconds` and `curve`.

    Raises:
        TrainingError: the loss became NaN, or there is too little memory.
        RunFolderError: the run folder can't be written.
    """
    label = trial.cut or JOINT
    name = identity(prepared, trial)
    checkpoint = study.checkpoint(name)
    model, recipe, settings = _to_train(prepared, study, trial)
    watch(TrialStarted(label, 1, trial.seed, settings.epochs, epochs_done(checkpoint)))
    with tracker(prepared.config.track, study.folder, f"{label}-seed{trial.seed}-{name}", prepared.device) as track:

        def told(row: dict[str, Any]) -> None:
            watch(EpochDone(row, label, trial.seed))
            track(row)

        result = fit(
            model,
            prepared.decoded["train"],
            prepared.decoded["val"],
            recipe,
            settings,
            on_epoch=told,
            on_images=lambda shown, of: watch(ImagesShown(shown, of, label, trial.seed)),
            checkpoint=checkpoint,
            pause_after=trial.epochs,
        )
    point = prepared.candidates[-1] if trial.cut is None else prepared.points.find(trial.cut)
    record = {"id": name, "status": "finished", **_course(prepared, point, trial, label, result)}
    if not result.finished:
        return record | {"status": "paused"}
    record |= _joint_figures(prepared, model) if trial.cut is None else _figures(prepared, model, point)

    def write(folder: Path) -> None:
        if trial.cut is None:
            save_weights(model, folder / JOINT_WEIGHTS)
        else:
            save_bundle(model, describe_bundle(prepared, model, point, record), folder)

    study.add(name, record, write)
    watch(TrialDone(record, reused=False))
    return record


def _to_train(prepared: Prepared, study: Study, trial: Trial) -> tuple[nn.Module, Recipe, Settings]:
    """The network as the trial begins with it, and how it is fine-tuned."""
    if trial.cut is None:
        settings = prepared.settings(trial.seed, prepared.candidates[-1])
        return joint_network(prepared, trial.seed), prepared.recipe, replace(settings, epochs=joint_epochs(prepared))
    point = prepared.points.find(trial.cut)
    model = prepared.truncated(point, trial.seed)
    settings = prepared.settings(trial.seed, point)
    if trial.start is None:
        return model, prepared.recipe, settings
    epochs = warm_start(model, prepared, point, study, trial.start)
    # Earlier phases bring a new head into line with the trunk: this one has been trained with it.
    last = replace(prepared.recipe, phases=prepared.recipe.phases[-1:])
    return model, last, replace(settings, epochs=epochs, warm=True)


def _course(prepared: Prepared, point: TruncationPoint, trial: Trial, label: str, result: Fit) -> Record:
    """How the fine-tune went."""
    costs = {key: value for key, value in asdict(point).items() if key in COSTS}
    began = [BEGAN_JOINT] if trial.start else []
    if trial.cut is None and isinstance(point, UNetPoint):  # the heads read the encoder: there is no decoder
        costs |= {"params": point.encoder_params, "macs": point.encoder_macs}
    elif isinstance(point, UNetPoint) and point.entry_is_new:
        began.append(f"{point.entry} began with new weights: it reads {point.entry_channels} channels here")
    return {
        "cut": label,
        "index": point.index,
        **costs,
        "score": prepared.metric,
        **({"distance_unit": prepared.distance_unit} if prepared.segments else {}),
        "recipe": prepared.recipe.name,
        "seed": trial.seed,
        **({"start": trial.start} if trial.start else {}),
        "epochs": result.epochs,
        "best_epoch": result.best_epoch,
        "seconds": result.seconds,
        "peak_memory_bytes": result.peak_memory_bytes,
        "trainable": dict(result.trainable),
        "notes": [*began, *result.notes],
        "curve": [_plain(row) for row in result.curve],
    }


def _predicted(
    prepared: Prepared, model: nn.Module, split: str, point: TruncationPoint, *, with_distance: bool = False
) -> Rows:
    spec = prepared.backbone.spec
    told: dict[str, Any] = {"kind": prepared.task.kind, "mean": spec.mean, "std": spec.std, "device": prepared.device}
    if prepared.segments:
        told |= {"divisor": prepared.divisor(point), "with_distance": with_distance}
    return from_main(prepared.decoded[split].predict(model, **told))


def _figures(prepared: Prepared, model: nn.Module, point: TruncationPoint) -> Record:
    """Metrics with intervals, and predictions, on validation and test images."""
    task = prepared.task
    found_by_split = {split: _predicted(prepared, model, split, point, with_distance=True) for split in ("val", "test")}
    record: Record = {}
    for split, predicted in found_by_split.items():
        samples = task.splits[split]
        found = intervals(
            task.kind,
            samples.labels,
            predicted,
            names=all_metrics(task.kind),
            groups=samples.groups,
            seed=prepared.config.seed,
        )
        record[split] = {metric: estimate.to_json() for metric, estimate in found.items()}
    return record | {"predictions": {split: _listed(predicted) for split, predicted in found_by_split.items()}}


def _listed(predicted: Rows) -> list[Any]:
    """As JSON values: NaN becomes null."""
    values = predicted.astype(object)
    values[np.isnan(predicted)] = None
    listed: list[Any] = values.tolist()
    return listed


def _joint_figures(prepared: Prepared, model: nn.Module) -> Record:
    """The mean over the heads, and each one's predictions, on the validation images alone: it only chooses."""
    kind, labels, metric = prepared.task.kind, prepared.task.val.labels, prepared.metric
    predicted = _predicted(prepared, model, "val", prepared.candidates[-1])
    scores = [metrics(kind, labels, head, (metric,))[metric] for head in predicted.swapaxes(0, 1)]
    mean = float(np.mean(scores))
    return {
        "heads": [point.name for point in prepared.candidates],
        "val": {metric: {"value": None if np.isnan(mean) else mean}},
        "predictions": {"val": _listed(predicted)},
    }


def describe_bundle(prepared: Prepared, model: nn.Module, point: TruncationPoint, record: Record) -> Bundle:
    """What is saved beside a trial's weights."""
    spec, task, config = prepared.backbone.spec, prepared.task, prepared.config
    provenance = Provenance(
        network=prepared.backbone.name,
        weights=prepared.backbone.weights.summary(),
        cut=point.name,
        index=point.index,
        params=sum(parameter.numel() for parameter in model.parameters()),
        macs=point.macs,
        data_fingerprint=task.fingerprint,
        ttl_version=__version__,
        recipe=prepared.recipe.name,
        data_name=task.name,
    )
    contract = Contract(
        kind=task.kind,
        class_names=task.class_names,
        sides=(spec.image_size, spec.image_size),
        channels=1 if task.train.source.channels == 1 else 3,
        mean=(spec.mean[0], spec.mean[1], spec.mean[2]),
        std=(spec.std[0], spec.std[1], spec.std[2]),
        decoding=Decoding(spec.interpolation, config.window),
        provenance=provenance,
        divisor=prepared.divisor(point),
        metrics={
            split: {name: Estimate.read(found) for name, found in record[split].items()} for split in ("val", "test")
        },
    )
    return Bundle(contract, point, config.pool, prepared.dropout)


def predictions(record: Mapping[str, Any], split: str) -> Rows:
    """What a trial gave for the images of a split, as `ttl.stats` scores it."""
    return np.asarray(record["predictions"][split], dtype=np.float64)


def score(record: Mapping[str, Any]) -> float:
    """A trial's validation score; NaN where the metric is undefined."""
    value = record["val"][record["score"]]["value"]
    return float("nan") if value is None else float(value)


def _plain(row: Any) -> dict[str, Any]:
    """A row of the curve as JSON values: NaN becomes null."""
    return {k: None if isinstance(v, float) and v != v else v for k, v in dict(row).items()}
