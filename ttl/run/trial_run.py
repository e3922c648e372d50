"""One trial: build, fine-tune, predict, measure, and put it on disk."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import safetensors
import safetensors.torch
from torch import nn

from ttl import __version__, typed
from ttl.cut.last_layer import fold_in
from ttl.cut.points import TruncationPoint
from ttl.data.kind import Rows
from ttl.data.modality.rendering import AS_FILED
from ttl.deliver.file_record import forget
from ttl.errors import DamagedError, RunFolderError
from ttl.export.bundle import DESCRIPTION, WEIGHTS, Bundle, save_bundle, save_weights
from ttl.export.contract import Contract, Decoding, Provenance
from ttl.finetune import Fit, Recipe, Settings, epochs_done, fit, from_main
from ttl.finetune.epoch import Epoch
from ttl.finetune.trainable import batch_norms, bn_momentum
from ttl.run.context import RunContext
from ttl.run.events import EpochDone, EpochProgress, Note, TrialDone, TrialStarted, Watch
from ttl.run.pooling import SISTERS, of_refit, pooled_record
from ttl.run.recalibrating import recalibrated
from ttl.run.setting import RunSetting
from ttl.run.track import tracker
from ttl.search.candidates import described
from ttl.study.candidate import Candidate
from ttl.study.folder import TRIAL
from ttl.study.record import TrialRecord
from ttl.study.trial import Trial

JOINT_WEIGHTS = "joint.safetensors"
BEGAN_JOINT = "It began with what the joint network had learned up to there, its head too"


@dataclass(frozen=True, eq=False)
class Beginning:
    """A network as a trial begins with it, and how it is fine-tuned."""

    model: nn.Module
    recipe: Recipe
    settings: Settings


def finished_trial(context: RunContext, trial: Trial, watch: Watch) -> TrialRecord | None:
    """The record of a trial that is on disk; None where it has yet to be run, or a file is damaged: `watch` has why.

    Raises:
        RunFolderError: the record is of another trial or run folder, or can't be read.
    """
    study, name = context.study, context.setting.trial_id(trial)
    path = study.trial_folder(name) / TRIAL
    try:
        record = study.trial(name)
        if record is None:
            return None
        path = path.with_name(WEIGHTS if trial.candidate.can_be_chosen else JOINT_WEIGHTS)
        study.weights(record, path.name)
        if path.name == WEIGHTS:
            path = path.with_name(DESCRIPTION)
            if typed.read_sealed(path) is None:
                raise FileNotFoundError(path)
    except (DamagedError, FileNotFoundError):
        watch(Note(f"{path} is damaged or gone: that fine-tune is done again, and files exported of it don't count"))
        forget(study, name)
        return None
    watch(TrialDone(record, reused=True))
    return record


def run_trial(context: RunContext, trial: Trial, watch: Watch) -> TrialRecord:
    """Run a trial, from where an earlier call was stopped: what is in trial.json; of a paused one without figures.

    Raises:
        TrainingError: the loss became NaN, or there is too little memory.
        RunFolderError: the run folder can't be written, or what the trial goes on from is damaged.
    """
    whole, context = context, context.of_fold(trial.fold)
    setting, label = context.setting, trial.label
    name = setting.trial_id(trial)
    checkpoint = context.study.checkpoint(name)
    begun = beginning(context, trial)
    watch(TrialStarted(label, trial.seed, begun.settings.epochs, epochs_done(checkpoint)))
    with tracker(setting.config.track, context.study.folder, f"{label}-seed{trial.seed}-{name}", setting.device) as log:

        def on_epoch(epoch: Epoch) -> None:
            watch(EpochDone(epoch, label, trial.seed))
            log(epoch)

        result = fit(
            begun.model,
            context.images.split("train"),
            context.images.split("val"),
            begun.recipe,
            begun.settings,
            on_epoch=on_epoch,
            on_images=lambda samples, of: watch(EpochProgress(samples, of, label, trial.seed)),
            checkpoint=checkpoint,
            pause_after=trial.epochs,
        )
    record = _course(context, trial, name, result)
    if not result.finished:
        return replace(record, status="paused")
    if trial.exact is not None:
        record = _of_sisters(whole, begun.model, trial, record)
    else:
        if trial.candidate.can_be_chosen:
            record = recalibrated(context, begun.model, trial.candidate, record)
        record = _measured(context, begun.model, trial, record)

    def write(folder: Path) -> Path:
        if not trial.candidate.can_be_chosen:
            save_weights(begun.model, folder / JOINT_WEIGHTS)
            return folder / JOINT_WEIGHTS
        save_bundle(begun.model, _bundle(setting, trial.candidate, begun.model, record), folder)
        return folder / WEIGHTS

    record = context.study.add(record, write)
    watch(TrialDone(record, reused=False))
    return record


def beginning(context: RunContext, trial: Trial) -> Beginning:
    """What a trial begins with."""
    setting, candidate = context.setting, trial.candidate
    model = candidate.build(setting.network, setting.head, trial.seed)
    epochs = candidate.epochs(setting.config.epochs)
    settings = replace(settings_of(setting, trial.seed, candidate.top), epochs=trial.exact or epochs)
    settings = replace(settings, keeps_last=trial.exact is not None)
    if trial.start is None:
        norms = partial(_norms, setting.recipe)
        candidate.begin(model, setting.network, setting.head, trial.seed, context.training_images, norms)
        return Beginning(model, setting.recipe, settings)
    _take_over(context, model, trial, trial.before or trial)
    # Earlier phases bring a new head into line with the trunk: this one has been trained with it.
    last = replace(setting.recipe, phases=setting.recipe.phases[-1:])
    return Beginning(model, last, replace(settings, keeps_start=True))


def settings_of(setting: RunSetting, seed: int, point: TruncationPoint) -> Settings:
    """How a fine-tune of what ends at `point` is done, beside its recipe."""
    config, spec = setting.config, setting.network.spec
    return Settings(
        kind=setting.kind,
        mean=spec.mean,
        std=spec.std,
        seed=seed,
        epochs=config.epochs,
        batch_size=config.batch_size,
        accumulate=config.accumulate,
        lr=config.lr,
        frozen=setting.frozen,
        balance=config.balance,
        amp=config.amp,
        device=setting.device,
        loss=setting.kind.loss_name(config.loss),
        divisor=setting.divisor(point),
    )


def predictions(
    context: RunContext,
    model: nn.Module,
    split: str,
    point: TruncationPoint,
    *,
    with_distance: bool = True,
    threshold: float | None = None,
) -> Rows:
    """What a fine-tuned model gives for a split; of several processes what the main one has, for all."""
    images, divisor = context.images.split(split), context.setting.divisor(point)
    predict = context.setting.kind.predict
    return from_main(
        predict(model, images, context.normalise, divisor=divisor, with_distance=with_distance, threshold=threshold)
    )


@contextmanager
def _norms(recipe: Recipe, model: nn.Module) -> Iterator[None]:
    """Norms as the last phase has them, but for their running statistics, which stay as they are."""
    for norm in batch_norms(model):
        norm.train(recipe.phases[-1].bn == "train")
    with bn_momentum(model, 0.0):
        yield


def _take_over(context: RunContext, model: nn.Module, trial: Trial, before: Trial) -> None:
    """Give `model` what the trial `before` left."""
    name = context.setting.trial_id(before)
    folder = context.study.trial_folder(name)
    try:
        record = context.study.trial(name)
        if record is None:
            raise OSError("it is gone")
        state = safetensors.torch.load_file(context.study.weights(record, JOINT_WEIGHTS))
        trial.candidate.take_over(model, state, before.candidate)
    except (OSError, KeyError, RuntimeError, safetensors.SafetensorError) as error:
        raise RunFolderError(
            f"The joint fine-tune in {folder} can't be read ({str(error).splitlines()[0]}): remove the folder and give "
            "the same command again"
        ) from error


def _course(context: RunContext, trial: Trial, name: str, result: Fit) -> TrialRecord:
    """How the fine-tune went."""
    setting, point, costs = context.setting, trial.candidate.top, trial.candidate.costs
    notes = ((BEGAN_JOINT,) if trial.start else ()) + trial.candidate.notes
    run = context.study.run()
    return TrialRecord(
        id=name,
        status="finished",
        run=run.id if run else "",
        cut=trial.candidate.name,
        index=point.index,
        **asdict(costs),
        score=setting.metric,
        distance_unit=setting.kind.distance_unit(setting.task.train),
        recipe=setting.recipe.name,
        seed=trial.seed,
        start=setting.trial_id(trial.before) if trial.before else None,
        fold=trial.fold,
        exact=trial.exact,
        epochs=result.epochs,
        best_epoch=result.best_epoch,
        seconds=result.seconds,
        peak_memory_bytes=result.peak_memory_bytes,
        trainable=dict(result.trainable),
        notes=(*notes, *result.notes),
        curve=tuple(result.curve),
    )


def _measured(context: RunContext, model: nn.Module, trial: Trial, record: TrialRecord) -> TrialRecord:
    """The record with what it gives for the validation images; those of test nobody sees before the choice."""
    setting, candidate = context.setting, trial.candidate
    rows = predictions(context, model, "val", candidate.top, with_distance=candidate.can_be_chosen)
    figures = candidate.figures(setting.task, rows, seed=setting.config.seed)
    return replace(record, val=figures.val, heads=figures.heads, predictions={"val": rows})


def _of_sisters(context: RunContext, model: nn.Module, trial: Trial, record: TrialRecord) -> TrialRecord:
    """The record of a fine-tune on all images, with what its folds' models say; the recalibration is folded in."""
    if not trial.candidate.can_be_chosen:
        return record
    known = sisters(context, trial)
    together = pooled_record(context.setting, trial.candidate, known)
    if together.recalibration is not None:
        fold_in(model, together.recalibration.scale, together.recalibration.shift)
    return replace(
        record,
        val=together.val,
        recalibration=together.recalibration,
        undertrained=of_refit(record, together) or together.undertrained,
        folds=together.folds,
        notes=(*record.notes, SISTERS.format(epochs=trial.exact, folds=len(known))),
    )


def sisters(context: RunContext, trial: Trial) -> list[TrialRecord]:
    """The finished fine-tunes of the same candidate and seed, one a fold.

    Raises:
        RunFolderError: one isn't on disk, or is damaged.
    """
    setting, found = context.setting, []
    for fold in setting.folds:
        own = replace(trial, fold=fold, exact=None, start_exact=None)
        record = context.study.trial(setting.trial_id(own))
        if record is None:
            raise RunFolderError(f"The fine-tune of {trial.candidate.name} in fold {fold} is gone: run it again")
        found.append(record)
    return found


def _bundle(setting: RunSetting, candidate: Candidate, model: nn.Module, record: TrialRecord) -> Bundle:
    """What is saved beside the weights: all that whoever uses the model must know, and how to rebuild it."""
    network, task, config = setting.network, setting.task, setting.config
    contract = Contract(
        kind=task.kind,
        class_names=task.class_names,
        sides=setting.sides,
        channels=1 if task.train.source.channels == 1 else 3,
        mean=network.spec.mean,
        std=network.spec.std,
        decoding=Decoding(
            interpolation=network.spec.interpolation,
            window=config.window,
            value_range=config.value_range,
            frame=config.frame,
            fit=config.fit,
            stretch=AS_FILED.stretch,
        ),
        provenance=Provenance(
            network=network.name,
            weights=network.weights.summary(),
            cut=candidate.name,
            index=candidate.top.index,
            params=sum(parameter.numel() for parameter in model.parameters()),
            macs=candidate.costs.macs,
            data_fingerprint=task.fingerprint,
            ttl_version=__version__,
            recipe=setting.recipe.name,
            data_name=task.name,
        ),
        divisor=setting.divisor(candidate.top),
        recalibration=record.recalibration,
        undertrained=record.undertrained.words() if record.undertrained else None,
        metrics={"val": record.val},
    )
    return Bundle(contract, candidate.top, setting.head.pool, setting.head.dropout, described(candidate))
