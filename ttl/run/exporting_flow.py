"""`ttl export`, and what `ttl run` exports: from a run folder to a model with its data, and to files of it."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import nn

from ttl.config import RunConfig
from ttl.data import Task, load_task
from ttl.data.decoded import Split
from ttl.data.kind import Rows
from ttl.data.modality.normalise import Normalise
from ttl.deliver.deliverable import Deliverable
from ttl.deliver.exporting import Wanted, attempt
from ttl.deliver.file_record import CHOSEN, FileRecord, remember, remembered
from ttl.deliver.group_figures import GroupFigures
from ttl.errors import DataError, ExportError, RunFolderError, UsageError
from ttl.export.bundle import DESCRIPTION, load_bundle, read_bundle
from ttl.export.contract import Contract
from ttl.export.embed.preprocessing import check_embeddable
from ttl.export.onnx_graph import check_opset
from ttl.export.options import ExportConfig
from ttl.export.targets import TARGETS, target_of
from ttl.files import sweep
from ttl.report import read_report, write_report
from ttl.report.schema import REPORT
from ttl.run.by_group import Decider, subgroups_of
from ttl.run.cards_against_whole import compare_in_cards
from ttl.run.context import Decoding, RunContext
from ttl.run.deciding import DECISION
from ttl.run.events import Note, Watch, unwatched
from ttl.run.prepare import task_of
from ttl.stats import DecisionRule
from ttl.study.folder import CACHE, RUN, TRIALS, Study
from ttl.study.ledger import LEDGER, Look, enter, read_ledger
from ttl.study.record import TrialRecord
from ttl.study.tested import tested

SPLITS = ("val", "test")
ROUNDING, SHARE_OF_PIXELS = 1e-4, 1e-3
"""What a probability may differ by, and how many of an image's pixels may be counted otherwise; one always may."""
ROUNDING_ON_GPU, SHARE_OF_PIXELS_ON_GPU = 1e-2, 1e-2
"""PyTorch convolves in TF32 there, with 11 bits."""
COUNTS = 3
"""The first columns of a segmentation's rows: pixels hit, wrongly claimed and missed."""


def export(
    source: Path, config: ExportConfig, *, out: Path | None = None, data: str | None = None, watch: Watch = unwatched
) -> list[FileRecord]:
    """Export the chosen model of a run folder, or a trial's folder, to files that passed every check.

    In a run folder the report has them, too. Each record's `state` is `passed`, `failed` or `not exported`.

    Args:
        out: the file, where it is one, or the folder; `source` by default.
        data: labelled images to judge the files on; the run's own by default.

    Raises:
        TTLError: nothing to export there, no images to judge by, or an option that no file can have; the last is
            known before the model and its images are loaded.
    """
    wanted = _wanted(config, out or source)
    _refuse_early(config, wanted, source)
    study = Study(source)
    has_report = (study.folder / REPORT).is_file()
    with study.held() if has_report else nullcontext():
        for folder in {file.path.parent for file in wanted}:
            sweep(folder, held=False)
        watch(Note("Loading the model and its images, and computing its predictions again"))
        deliverable = deliverable_in(source, data)
        ledger = study_of(source) if data is None else None
        images, records = len(deliverable.task.test), []
        # What was looked at before there were ledgers nobody counted.
        has_ledger = ledger is not None and (
            (ledger.folder / LEDGER).is_file() or not deliverable.contract.metrics.get("test")
        )
        for file in wanted:
            watch(Note(f"Exporting {file.path}, and checking it"))
            if ledger is not None:
                look = Look(occasion="export", trial=deliverable.trial, images=images, file=file.path.name)
                enter(ledger, look, again=True)
            looks = len(read_ledger(ledger).looks) if ledger is not None and has_ledger else None
            records.append(attempt(deliverable, replace(file, looks=looks), config))
        if out is None and has_report:
            remember(study, records)
            report = read_report(study.folder)
            trials = {result.trial for result in (report.chosen, report.full) if result is not None}
            exports = tuple(remembered(study, trials | {deliverable.trial}))
            report = replace(report, exports=exports, looks=read_ledger(study).looks)
            study.write(REPORT, report)
            write_report(study.folder)
            compare_in_cards(study, report)
        return records


def _wanted(config: ExportConfig, place: Path) -> list[Wanted]:
    names = dict.fromkeys([*config.precision, *(["program"] if config.program else [])])
    targets = [target_of(name) for name in names]
    if place.suffix.removeprefix(".") in {target_of(name).suffixes[-1] for name in TARGETS}:
        if len(targets) > 1:
            raise UsageError(f"--out {place} is one file, and {len(targets)} were asked for: name a folder")
        return [Wanted(place, targets[0])]
    embedded, stem = config.embed_preprocessing, Path(CHOSEN).stem
    return [Wanted(place / each.file_name(stem, embedded=embedded), each) for each in targets]


def _refuse_early(config: ExportConfig, wanted: list[Wanted], source: Path) -> None:
    """Refuse what can be known without the model's weights and its images."""
    if not any(file.target.is_onnx for file in wanted):
        return
    if config.embed_preprocessing:
        check_embeddable(read_bundle(_model_folder(source)).contract, config.opset)
    if config.opset is not None:
        check_opset(config.opset)


def deliverable_of(context: RunContext, record: TrialRecord) -> Deliverable:
    """A finished trial of a run under way.

    Raises:
        RunFolderError: its weights can't be read, or don't give its predictions.
    """
    setting, study = context.setting, context.study
    model, bundle = load_bundle(study.trial_folder(record.id), backbone=setting.network.model)
    splits, contract = context.images.all(), _as_tested(study, bundle.contract, record)
    return Deliverable(
        model=model,
        contract=contract,
        trial=record.id,
        task=setting.task,
        splits=splits,
        predicted=_checked_predictions(study, model, contract, splits, record),
        margin=setting.margin,
        seed=setting.config.seed,
        groups=groups_of(study, setting.task, record, setting.config.seed),
    )


def deliverable_in(source: Path, data: str | None) -> Deliverable:
    """The chosen model of a run folder, or a saved model, with the run's data or other.

    Raises:
        RunFolderError: there is no such model, or its weights don't give the predictions beside them.
        DataError: it isn't known what data belongs to it, or that has other classes.
        ExportError: the images are in colour, and the model was trained on grey ones.
    """
    folder = _model_folder(source)
    model, bundle = load_bundle(folder)
    contract = bundle.contract
    study = study_of(folder)
    run = study.run() if study else None
    config = RunConfig.from_json(run.config) if run else None
    if data is None and config is None:
        raise DataError(f"{folder} doesn't say what data it was trained on: give labelled images with --data")
    own = config is not None and data in (None, config.data)
    task = task_of(config) if config is not None and own else load_task(str(data))
    if (task.kind, task.class_names) != (contract.kind, contract.class_names):
        raise DataError(
            f"{task.name} is {task.kind} with the classes {', '.join(task.class_names)}, and the model tells "
            f"{', '.join(contract.class_names)} apart: give data like that it was trained on"
        )
    if task.train.source.channels > contract.channels:
        raise ExportError(f"{task.name} is in colour, and the model was trained on grey images: give grey ones")
    cache = study.folder / CACHE if study and own else None
    splits = Decoding(task, contract.resizing, cache).all()
    record = study.trial(folder.name) if study and own else None
    if study and record:
        contract = _as_tested(study, contract, record)
    return Deliverable(
        model=model,
        contract=contract,
        trial=record.id if record else "",
        task=task,
        splits=splits,
        predicted=_checked_predictions(study, model, contract, splits, record)
        if study and record
        else {split: _predicted(model, contract, splits[split], threshold=contract.mask_threshold) for split in SPLITS},
        margin=(config.margin if config else None) or task.kind.margin,
        seed=config.seed if config else 0,
        groups=groups_of(study, task, record, config.seed) if study and record and config else (),
    )


def study_of(folder: Path) -> Study | None:
    """The run folder that a folder is, or is within as a trial; None where it is of none."""
    return next((Study(place) for place in (folder, *folder.parents[:2]) if (place / RUN).is_file()), None)


def _model_folder(source: Path) -> Path:
    return source if (source / DESCRIPTION).is_file() else _chosen_trial(source)


def _chosen_trial(run_folder: Path) -> Path:
    report = read_report(run_folder) if (run_folder / REPORT).is_file() else None
    if report is None or report.chosen is None:
        raise RunFolderError(
            f"{run_folder} holds neither a finished run nor a saved model: give a run folder or one of its trials"
        )
    return Study(run_folder).trial_folder(report.chosen.trial)


def groups_of(study: Study, task: Task, record: TrialRecord, seed: int) -> tuple[GroupFigures, ...]:
    """The figures of groups of the test images, where the trial was tested."""
    of_test = tested(study, record.id)
    found = subgroups_of(task, Decider(of_test.rows, of_test.rule), None, seed) if of_test else ()
    return tuple(
        GroupFigures(
            column=group.column,
            value=group.value,
            units=group.units,
            too_few=group.too_few,
            score=group.full.score,
            rates=group.full.rates,
        )
        for group in found
    )


def _as_tested(study: Study, contract: Contract, record: TrialRecord) -> Contract:
    """The contract with what became of the model since it was fine-tuned."""
    of_test, rule = tested(study, record.id), study.read(DecisionRule, f"{TRIALS}/{record.id}/{DECISION}")
    metrics = {**contract.metrics, "test": of_test.figures} if of_test else contract.metrics
    return replace(contract, metrics=metrics, decision=rule)


def _checked_predictions(
    study: Study, model: nn.Module, contract: Contract, splits: Mapping[str, Split], record: TrialRecord
) -> dict[str, Rows]:
    """A trial's predictions of val and test; a RunFolderError where its weights don't give them again."""
    folder, of_test = study.trial_folder(record.id), tested(study, record.id)
    on_gpu = record.peak_memory_bytes is not None  # it is measured there alone
    device = "cuda" if on_gpu and torch.cuda.is_available() else "cpu"
    allowed = (ROUNDING_ON_GPU, SHARE_OF_PIXELS_ON_GPU) if on_gpu else (ROUNDING, SHARE_OF_PIXELS)
    stored = dict(record.predictions) | ({"test": of_test.rows} if of_test else {})
    if record.folds:
        stored.pop("val", None)  # they are other models' predictions
    for split in SPLITS:
        # A fine-tune's own validation masks are those of the most probable class.
        threshold = None if split == "val" else contract.mask_threshold
        again = _predicted(model, contract, splits[split], device, threshold)
        difference = _difference(contract, stored.setdefault(split, again), again)
        if not difference <= allowed[contract.per_pixel]:
            what = "{:.1%} of an image's pixels" if contract.per_pixel else "a probability by {:.2g}"
            raise RunFolderError(
                f"{folder} holds predictions of the {split} images that its weights don't give (they differ in "
                f"{what.format(difference)}): it is damaged, or the images were changed; remove it and run again"
            )
    if contract.mask_threshold is not None:
        stored["val"] = _predicted(model, contract, splits["val"], device, contract.mask_threshold)
    return stored


def _predicted(
    model: nn.Module, contract: Contract, images: Split, device: str = "cpu", threshold: float | None = None
) -> Rows:
    """What a model gives for a split, as `ttl.stats` scores it."""
    normalise = Normalise(contract.mean, contract.std, device)
    rows = contract.kind.predict(model, images, normalise, divisor=contract.divisor, threshold=threshold)
    model.to("cpu")
    return rows


def _difference(contract: Contract, stored: Rows, again: Rows) -> float:
    """The largest one of a probability, or of the share of an image's pixels that is counted otherwise."""
    if stored.shape != again.shape:
        return np.inf
    if not contract.per_pixel:
        return float(np.abs(stored - again).max(initial=0.0))
    counts = again[..., :COUNTS]
    pixels = (counts[..., 0] + counts[..., 2]).sum(axis=1)  # hit and missed, of all classes: the labelled ones
    apart = np.abs(stored[..., :COUNTS] - counts).max(axis=(1, 2))
    return float((np.where(apart > 1, apart, 0) / np.maximum(pixels, 1)).max(initial=0.0))
