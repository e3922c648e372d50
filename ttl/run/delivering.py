"""What a run delivers: files of the chosen and the whole network, their times, and pictures of test images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from ttl.cost.bench import bench
from ttl.cost.latency import latency_rows
from ttl.cost.subject import COMPILED, EAGER, Subject
from ttl.deliver.exporting import Wanted, describe, export_file
from ttl.deliver.file_record import CHOSEN, FULL, FileRecord, is_whole, remember, remembered
from ttl.deliver.pictures.cases import CamCases, MaskCases, Which
from ttl.deliver.pictures.drawn_cases import draw_cams, draw_masks_of
from ttl.errors import RunFolderError
from ttl.export.bundle import read_bundle
from ttl.export.digest import check_digests
from ttl.export.options import ExportConfig
from ttl.export.targets import target_of
from ttl.report.schema import REPORT, read_report
from ttl.run.context import RunContext
from ttl.run.deciding import decides_as_now, rule_of
from ttl.run.events import Note, Watch
from ttl.run.exporting_flow import deliverable_of, groups_of
from ttl.run.report_writer import Delivered
from ttl.stats import ratio_interval
from ttl.study.folder import Study
from ttl.study.ledger import Look, enter, read_ledger
from ttl.study.record import TrialRecord

DELIVERED = "delivered.json"
FILES = (CHOSEN, FULL)
LATENCY_SECONDS = 20.0
"""Wall-clock limit of timing the two files in one setting of threads."""


def deliver(context: RunContext, chosen: TrialRecord, whole: TrialRecord, watch: Watch) -> Delivered:
    """Export the chosen model and the whole network, time them against each other, and draw what they do.

    What an earlier call delivered of the same trials is taken as it is, where its files are the bytes that were
    checked: a latency measured again would only be another sample.

    Raises:
        ExportError: a file can't be made.
        GateError: a file didn't pass.
        RunFolderError: the run folder can't be read or written.
    """
    study, trials = context.study, (chosen.id, whole.id)
    rules = tuple(rule_of(context, record).identity for record in (chosen, whole))
    earlier = study.read(Delivered, DELIVERED)
    is_same = earlier is not None and (earlier.trials, earlier.rules) == (trials, rules)
    if earlier is not None and is_same and all(is_whole(study, file) for file in FILES):
        return _with_groups(context, earlier, (chosen, whole))
    records: dict[Which, TrialRecord] = {"full": whole} if chosen.id == whole.id else {"chosen": chosen, "full": whole}
    watch(Note(f"Exporting {CHOSEN} ({chosen.cut}) and {FULL} ({whole.cut}), and checking them"))
    files = _export(context, chosen, CHOSEN), _export(context, whole, FULL)
    remember(study, files)
    watch(Note("Timing them against each other on the CPU"))
    config = context.setting.config
    timed = bench(
        [Subject(name, study.folder / name) for name in FILES],
        threads=[config.threads] if config.threads else None,
        seconds=LATENCY_SECONDS,
        image_size=context.setting.sides,
        seed=config.seed,
    )
    rows = latency_rows(timed, reference=FULL, ratio=ratio_interval)
    delivered = Delivered(trials, *files, rows, *_pictures(context, records, watch), rules)
    study.write(DELIVERED, delivered)
    return delivered


def _with_groups(context: RunContext, earlier: Delivered, records: Sequence[TrialRecord]) -> Delivered:
    """The same with the groups that are asked for now, in the model cards of all files of these trials, too."""
    study, setting = context.study, context.setting
    groups = {of.id: groups_of(study, setting.task, of, setting.config.seed) or None for of in records}
    changed = [
        replace(file, groups=groups[file.trial])
        for file in remembered(study, set(groups))
        if file.state == "passed"
        and Path(file.file).suffix == ".onnx"
        and decides_as_now(study, file)
        and file.groups != groups[file.trial]
    ]
    if not changed:
        return earlier
    for file in changed:
        describe(study.folder / file.file, file)
    remember(study, changed)
    now = {file.file: file for file in changed}
    chosen, full = (now.get(file.file, file) for file in (earlier.chosen, earlier.full))
    delivered = replace(earlier, chosen=chosen, full=full)
    study.write(DELIVERED, delivered)
    return delivered


def _export(context: RunContext, record: TrialRecord, name: str) -> FileRecord:
    path = context.study.folder / name
    path.unlink(missing_ok=True)
    images = len(context.setting.task.test)
    rule = rule_of(context, record).words(context.setting.task.class_names)
    enter(context.study, Look(occasion="run", trial=record.id, images=images, file=name, rule=rule))
    wanted = Wanted(path, target_of("fp32"), looks=len(read_ledger(context.study).looks))
    return export_file(deliverable_of(context, record), wanted, ExportConfig())


def _pictures(
    context: RunContext, records: Mapping[Which, TrialRecord], watch: Watch
) -> tuple[MaskCases | None, CamCases | None]:
    """Of some test images: the masks drawn on them, or where the networks look."""
    folder = context.study.folder
    networks = {which: deliverable_of(context, record) for which, record in records.items()}
    if context.setting.kind.per_pixel:
        paths = {which: folder / (CHOSEN if which == "chosen" else FULL) for which in records}
        return draw_masks_of(networks, paths, folder), None
    watch(Note("Drawing what the networks look at (Grad-CAM)"))
    try:
        return None, draw_cams(networks, folder)
    except Exception as error:  # whatever goes wrong with a picture, the run is complete without
        watch(Note(f"No Grad-CAM: {error}"))
        return None, CamCases(missing=str(error))


def subjects_of(folder: Path, *, compiled: bool = True) -> tuple[Subject, ...]:
    """What there is to time in a run folder: both networks in onnxruntime, in PyTorch eager, and `compiled`.

    Raises:
        RunFolderError: it isn't one.
        ExportError: a file is damaged.
    """
    study = Study(folder)
    report = read_report(folder) if (folder / REPORT).is_file() else None
    results = {CHOSEN: report.chosen, FULL: report.full} if report else {}
    trials = {file: study.trial_folder(result.trial) for file, result in results.items() if result is not None}
    if len(trials) < len(FILES) or not all((folder / file).is_file() for file in FILES):
        raise RunFolderError(
            f"{folder} is no folder of a finished run with {CHOSEN} and {FULL}: finish the run, or name ONNX files."
        )
    for file in FILES:
        check_digests(folder / file)
    files = [Subject(name, folder / name) for name in trials]
    runtimes = (EAGER, COMPILED) if compiled else (EAGER,)
    return (*files, *(_module(name, trial, runtime) for runtime in runtimes for name, trial in trials.items()))


def _module(name: str, trial: Path, runtime: str) -> Subject:
    bundle = read_bundle(trial)
    shape = (bundle.point.image_channels, *bundle.contract.sides)
    return Subject(name, trial, runtime, "ttl.export.bundle:load_bundle", shape)
