"""`ttl validate`: the files of a finished run, as they are, on another labelled data set. Nothing is fitted."""

from __future__ import annotations

import re
import tempfile
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from ttl import __version__
from ttl.config import RunConfig
from ttl.data import Columns, Task
from ttl.data.fingerprints import Compared, Fingerprints, compare
from ttl.data.kind import Rows
from ttl.data.task import class_counts
from ttl.data.whole_set import Classes, load_whole, without
from ttl.deliver.deliverable import rows_of_file
from ttl.deliver.file_record import CHOSEN, FULL
from ttl.deliver.operating_rates import decides_finding
from ttl.deliver.pictures.cases import Which
from ttl.deliver.validation_options import ValidateConfig
from ttl.errors import DataError, ExportError, RunFolderError, UsageError
from ttl.export.contract import Contract
from ttl.export.file_decisions import rule_for
from ttl.export.run import OnnxModel
from ttl.report.schema import REPORT, RunReport, read_report
from ttl.report.schema.searched import PointResult
from ttl.report.schema.validation import PREFIX, Validation
from ttl.report.validation_page import write_validation
from ttl.run.by_group import Decider, subgroups_of
from ttl.run.events import Note, Watch, unwatched
from ttl.run.provenance import FINGERPRINTS
from ttl.run.validated_figures import Judging
from ttl.stats import DecisionRule
from ttl.study.folder import Study
from ttl.words.counts import counted

DEFAULTS = ValidateConfig()
FILES: dict[Which, str] = {"chosen": CHOSEN, "full": FULL}


@dataclass(frozen=True)
class Validated:
    """What was found, and the files that hold it."""

    validation: Validation
    json: Path
    page: Path


def validate(run: Path, data: str, config: ValidateConfig = DEFAULTS, *, watch: Watch = unwatched) -> Validated:
    """Try both files of a finished run on all images of a data set that the run never saw.

    Each decides at its own operating point. The result is in the run folder: `validation-NAME.json`, and a page.

    Args:
        run: the folder of the run.
        data: labelled images, as a run takes them; their splits are left aside.
        config: what `ttl validate` may be asked for.
        watch: called with what is going on.

    Raises:
        RunFolderError: it isn't the folder of a finished run, or what the run has seen isn't known.
        DataError: the data are of another kind, have other classes, or hold what the run has seen.
        ExportError: a file is damaged, or the images are in colour and the model was trained on grey ones.
        UsageError: an option that isn't for this model.
    """
    (report, results), study = _results_of(run), Study(run)
    with study.held():
        models = {which: _model(run / FILES[which]) for which in results}
        contract, asked = models["full"].contract, RunConfig.from_json(report.run.config)
        rules = {which: rule_for(model.contract, threshold=config.threshold) for which, model in models.items()}
        whole = _task(data, contract, rules["full"], config, asked)
        for words in (f"{whole.name}: {counted(len(whole.test), 'image')}, all of them to validate on", *whole.notes):
            watch(Note(words))
        compared = None if config.no_leak_check else _compared(study, whole)
        task, name = _unseen(whole, compared, config), _name(study, whole, config)
        files = " and ".join(FILES[which] for which in models)
        watch(Note(f"Predicting {counted(len(task.test), 'image')} with {files}"))
        with tempfile.TemporaryDirectory(prefix="ttl-validate-") as cache:
            networks = {which: _decider(models[which], rules[which], task, Path(cache)) for which in models}
        figures = Judging(task, prevalence=config.prevalence, seed=asked.seed)
        margins = (
            config.margin or asked.margin or task.kind.margin,
            config.margin_decision or asked.margin_decision,
        )
        found = Validation(
            name=name,
            data=data,
            data_name=task.name,
            fingerprint=task.fingerprint,
            run=report.run.id,
            network=contract.provenance.network,
            kind=task.kind,
            class_names=task.class_names,
            metric=task.kind.primary,
            distance_unit=task.kind.distance_unit(task.test),
            images=len(task.test),
            patients=len(set(task.test.groups or ())) if task.patients_known == len(task.test) else None,
            per=rules["full"].per,
            counts=class_counts(task.class_names, task.test.labels),
            train_counts=report.task.counts["train"],
            train_images=report.task.split_images["train"],
            leak=compared.overlap if compared else None,
            dropped=len(whole.test) - len(task.test),
            other_patients=config.other_patients,
            prevalence=config.prevalence,
            threshold=config.threshold,
            chosen=figures.of(models["chosen"], results["chosen"], networks["chosen"]) if "chosen" in models else None,
            full=figures.of(models["full"], results["full"], networks["full"]),
            **vars(figures.claims(networks, *margins)),
            subgroups=subgroups_of(task, networks["full"], networks.get("chosen"), asked.seed),
            notes=task.notes,
            ttl=__version__,
            at=datetime.now(UTC).isoformat(timespec="seconds"),
        )
        json = f"{PREFIX}{name}.json"
        study.write(json, found)
        return Validated(found, study.folder / json, write_validation(study.folder, found))


def _results_of(run: Path) -> tuple[RunReport, dict[Which, PointResult]]:
    """The report of a finished run, and what it has of each file: of one where the whole network was chosen."""
    report = read_report(run) if (run / REPORT).is_file() else None
    if report is None or not report.is_finished or report.chosen is None or report.full is None:
        raise RunFolderError(f"{run} is not the folder of a finished run: give one, or finish the run first.")
    cut: dict[Which, PointResult] = {} if report.keeps_whole else {"chosen": report.chosen}
    return report, {**cut, "full": report.full}


def _model(path: Path) -> OnnxModel:
    if not path.is_file():
        raise RunFolderError(f"{path} isn't there: give the command of the run again, which makes it anew.")
    return OnnxModel(path)


def _task(data: str, contract: Contract, rule: DecisionRule, config: ValidateConfig, asked: RunConfig) -> Task:
    """The data, which fit the model."""
    kind, names = contract.kind, contract.class_names
    if config.prevalence is not None and not (decides_finding(kind, rule) and kind.one_class_each):
        raise UsageError(f"--prevalence is of one finding, and this model is {kind}: leave it out.")
    columns = Columns(
        image=config.image_column,
        labels=config.label_columns,
        mask=config.mask_column,
        group=config.group_column,
        attributes=config.subgroup_columns,
        root=config.image_root,
        suffix=config.image_suffix or "",
    )
    classes = Classes(kind, names, rule.finding, asked.ordinal)
    rendering = contract.decoding.rendering
    if config.window is not None or config.value_range is not None:
        rendering = replace(rendering, window=config.window, value_range=config.value_range)
    rendering = replace(rendering, frame=config.frame or rendering.frame)
    task = load_whole(
        data,
        classes,
        columns=columns,
        rendering=rendering,
        mask_values=config.mask_values or asked.mask_values,
        skip_bad=config.skip_bad,
    )
    if task.test.source.channels > contract.channels:
        raise ExportError(f"{task.name} is in colour, and the model was trained on grey images: give grey ones.")
    if rule.per == "patient" and task.test.groups is None:
        raise DataError(
            f"The model decides per patient, and {task.name} doesn't say whose each image is: list the images in a "
            "manifest, and give --group-column."
        )
    return task


def _name(study: Study, task: Task, config: ValidateConfig) -> str:
    """That of the files; not one that has the result of other data."""
    name = config.name or re.sub(r"[^A-Za-z0-9._-]+", "-", task.name).strip("-._") or "data"
    earlier = study.read(Validation, f"{PREFIX}{name}.json")
    if earlier is not None and earlier.fingerprint != task.fingerprint:
        raise UsageError(f"{PREFIX}{name}.json is of other data ({earlier.data}): give another name with --name.")
    return name


def _compared(study: Study, task: Task) -> Compared:
    stored = study.read(Fingerprints, FINGERPRINTS)
    if stored is None:
        raise RunFolderError(
            f"{study.folder} has no {FINGERPRINTS}, for an older ttl began it: whether the run has seen images of "
            f"{task.name} can't be checked; to go on all the same give --no-leak-check."
        )
    return compare(stored, task)


def _unseen(task: Task, compared: Compared | None, config: ValidateConfig) -> Task:
    """The data without what the run has seen, where that is asked for."""
    if compared is None:
        return task
    seen = compared.known_images if config.other_patients else compared.known
    if not seen:
        return task
    if not config.drop_seen:
        way_on = "leave them out with --drop-seen, or give other data"
        if compared.of_known_groups and not config.other_patients:
            way_on += "; where other patients have the same names, give --other-patients"
        raise DataError(f"{task.name} isn't new to the run. {compared.overlap.words().rstrip('.')}: {way_on}.")
    if len(seen) == len(task.test):
        raise DataError(f"The run has seen every image of {task.name}, or its patient: give other data.")
    return without(task, seen)


def _decider(model: OnnxModel, rule: DecisionRule, task: Task, cache: Path) -> Decider:
    """What a file gives for all images; `cache` is a folder for decoded images."""
    own = model.contract
    images = task.kind.decode(task.test, resizing=own.resizing, cache_dir=cache, key=task.fingerprint)
    pixels: list[Rows] = []
    threshold = own.kind.pixel_threshold(rule)
    rows = rows_of_file(model, task.test, images, threshold=threshold, with_distance=True, pixels=pixels)
    return Decider(rows, rule, np.stack(pixels) if pixels else None)
