"""`ttl export`, and what `ttl run` exports: from a run folder to a model with its data, and to files of it."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

from ttl.config import RunConfig
from ttl.data import Samples, Task, decode, decode_pairs, load_task
from ttl.deliver.deliverable import Deliverable
from ttl.deliver.exporting import Wanted, attempt
from ttl.deliver.file_record import FileRecord, remember, remembered
from ttl.errors import DataError, ExportError, RunFolderError, UsageError
from ttl.export.bundle import DESCRIPTION, load_bundle
from ttl.export.contract import Contract
from ttl.export.options import ExportConfig
from ttl.export.targets import TARGETS, target_of
from ttl.files import sweep
from ttl.finetune import Images, Split
from ttl.report import write_report
from ttl.run.events import Note, Watch, unwatched
from ttl.run.prepare import task_of
from ttl.run.prepared import MARGIN, MARGIN_OF_DICE, Prepared, masked_images
from ttl.run.recomputed import checked_predictions, predicted
from ttl.run.trial import Record
from ttl.study.study import CACHE, RUN, TRIAL, Study
from ttl.typed import to_json

REPORT = "report.json"
CHOSEN, FULL = "model.onnx", "full.onnx"
"""What a run exports: the chosen model, and the whole network."""


def export(
    source: Path, config: ExportConfig, *, out: Path | None = None, data: str | None = None, watch: Watch = unwatched
) -> list[FileRecord]:
    """Export the chosen model of a run folder, or a trial's folder, to files that passed every check.

    In a run folder the report tells of them, too.

    Args:
        source: a run folder, or a folder with a saved model.
        config: which files, and how.
        out: the file, where it is one, or the folder; `source` by default.
        data: labelled images to judge the files on; the run's own by default.
        watch: is told what is being done.

    Returns:
        what is known of each file: `state` is `passed`, `failed` or `not exported`, and `why`.

    Raises:
        TTLError: nothing to export there, or no images to judge by.
    """
    wanted = _wanted(config, out or source)
    study = Study(source)
    with study.held() if study.read(REPORT) is not None else nullcontext():
        for folder in {file.path.parent for file in wanted}:
            sweep(folder, held=False)
        watch(Note("Loading the model and its images, and computing its predictions again"))
        deliverable = deliverable_in(source, data)
        records = []
        for file in wanted:
            watch(Note(f"Exporting {file.path}, and checking it"))
            records.append(attempt(deliverable, file, config))
        if out is None and study.read(REPORT) is not None:
            _put_into_report(study, deliverable, records)
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


def _put_into_report(study: Study, deliverable: Deliverable, records: list[FileRecord]) -> None:
    remember(study, records)
    content = study.read(REPORT)
    if content is None:
        return
    trials = {content[name]["trial"] for name in ("chosen", "full") if name in content}
    files = [to_json(record) for record in remembered(study, trials | {deliverable.trial})]
    study.write(REPORT, content | {"exports": files})
    write_report(study.folder)


def deliverable_of(prepared: Prepared, study: Study, record: Record) -> Deliverable:
    """A finished trial of a run under way.

    Raises:
        RunFolderError: its weights can't be read, or don't give its predictions.
    """
    folder = study.trial_folder(record["id"])
    model, bundle = load_bundle(folder, backbone=prepared.backbone.model)
    return Deliverable(
        model=model,
        contract=bundle.contract,
        trial=record["id"],
        task=prepared.task,
        splits=prepared.decoded,
        predicted=checked_predictions(model, bundle.contract, prepared.decoded, record, folder),
        margin=prepared.margin,
        seed=prepared.config.seed,
        distance_unit=prepared.distance_unit if bundle.contract.per_pixel else "",
    )


def deliverable_in(source: Path, data: str | None) -> Deliverable:
    """The chosen model of a run folder, or a saved model, with the run's data or other.

    Raises:
        RunFolderError: there is no such model, or its weights don't give the predictions beside them.
        DataError: it isn't known what data belongs to it, or that has other classes.
    """
    folder = source if (source / DESCRIPTION).is_file() else _chosen_trial(source)
    model, bundle = load_bundle(folder)
    contract = bundle.contract
    place = next((place for place in (folder, *folder.parents[:2]) if (place / RUN).is_file()), None)
    ran = Study(place).read(RUN) if place else None
    config = RunConfig.from_json(ran["config"]) if ran else None
    if data is None and config is None:
        raise DataError(f"{folder} doesn't say what data it was trained on: give labelled images with --data")
    own = config is not None and data in (None, config.data)
    task = task_of(config) if config is not None and own else load_task(str(data))
    if (task.kind, task.class_names) != (contract.kind, contract.class_names):
        raise DataError(
            f"{task.name} is {task.kind} with the classes {', '.join(task.class_names)}, and the model tells "
            f"{', '.join(contract.class_names)} apart: give data like that it was trained on"
        )
    cache = place / CACHE if place and own else None
    splits = {name: _decoded(samples, contract, task, cache) for name, samples in task.splits.items()}
    record = Study(folder.parents[1]).trial(folder.name) if (folder / TRIAL).is_file() and own else None
    unit = "px" if contract.per_pixel else ""
    return Deliverable(
        model=model,
        contract=contract,
        trial=folder.name if record else "",
        task=task,
        splits=splits,
        predicted=checked_predictions(model, contract, splits, record, folder)
        if record
        else {split: predicted(model, contract, splits[split]) for split in ("val", "test")},
        margin=(config.margin if config else None) or (MARGIN_OF_DICE if contract.per_pixel else MARGIN),
        seed=config.seed if config else 0,
        distance_unit=str((record or {}).get("distance_unit", unit)),
    )


def _chosen_trial(run_folder: Path) -> Path:
    study = Study(run_folder)
    content = study.read(REPORT)
    if content is None or "chosen" not in content:
        raise RunFolderError(
            f"{run_folder} holds neither a finished run nor a saved model: give a run folder or one of its trials"
        )
    return study.trial_folder(content["chosen"]["trial"])


def _decoded(samples: Samples, contract: Contract, task: Task, cache: Path | None) -> Split:
    side = contract.sides[0]
    if contract.per_pixel:
        pairs = decode_pairs(samples, cache_dir=cache, key=task.fingerprint)
        return masked_images(pairs, samples, task, side)
    pixels = decode(
        samples,
        image_size=side,
        interpolation=contract.decoding.interpolation,
        cache_dir=cache,
        key=task.fingerprint,
    )
    if pixels.shape[1] > contract.channels:
        raise ExportError(f"{task.name} is in colour, and the model was trained on grey images: give grey ones")
    return Images(pixels, samples.labels)
