"""What a run delivers: files of the chosen and the whole network, their times, and pictures of test images."""

from __future__ import annotations

from collections.abc import Mapping

from ttl.cost.bench import bench
from ttl.cost.latency import latency_rows
from ttl.cost.subject import Subject
from ttl.deliver.exporting import Wanted, export_file
from ttl.deliver.file_record import FileRecord, is_whole, remember
from ttl.deliver.pictures.cases import CamCases, MaskCases, Which
from ttl.deliver.pictures.drawn_cases import draw_cams, draw_masks_of
from ttl.export.options import ExportConfig
from ttl.export.targets import target_of
from ttl.run.context import RunContext
from ttl.run.events import Note, Watch
from ttl.run.exporting_flow import CHOSEN, FULL, deliverable_of
from ttl.run.report_writer import Delivered
from ttl.stats import ratio_interval
from ttl.study.record import TrialRecord

DELIVERED = "delivered.json"
LATENCY_SECONDS = 20.0
"""Wall-clock limit of timing the two files in one setting of threads."""


def deliver(context: RunContext, chosen: TrialRecord, whole: TrialRecord, watch: Watch) -> Delivered:
    """Export the chosen model and the whole network, time them against each other, and draw what they do.

    What an earlier call delivered of the same trials is taken as it is, where its files are the bytes that were
    checked: a latency measured again would only be another sample.

    Args:
        context: of the run.
        chosen: the fine-tune that is delivered.
        whole: that of the whole network; the same where that was chosen.
        watch: is told what is being done.

    Raises:
        ExportError: a file can't be made.
        GateError: a file didn't pass.
        RunFolderError: the run folder can't be read or written.
    """
    study, trials = context.study, (chosen.id, whole.id)
    earlier = study.read(Delivered, DELIVERED)
    if earlier is not None and earlier.trials == trials and all(is_whole(study, file) for file in (CHOSEN, FULL)):
        return earlier
    records: dict[Which, TrialRecord] = {"full": whole}
    if chosen.id != whole.id:
        records = {"chosen": chosen, "full": whole}
    watch(Note(f"Exporting {CHOSEN} ({chosen.cut}) and {FULL} ({whole.cut}), and checking them"))
    files = _export(context, chosen, CHOSEN), _export(context, whole, FULL)
    remember(study, files)
    watch(Note("Timing them against each other on the CPU"))
    config = context.setting.config
    timed = bench(
        [Subject(name, study.folder / name) for name in (CHOSEN, FULL)],
        threads=[config.threads] if config.threads else None,
        seconds=LATENCY_SECONDS,
        image_size=context.setting.sides,
        seed=config.seed,
    )
    rows = latency_rows(timed, reference=FULL, ratio=ratio_interval)
    delivered = Delivered(trials, *files, rows, *_pictures(context, records, watch))
    study.write(DELIVERED, delivered)
    return delivered


def _export(context: RunContext, record: TrialRecord, name: str) -> FileRecord:
    path = context.study.folder / name
    path.unlink(missing_ok=True)
    return export_file(deliverable_of(context, record), Wanted(path, target_of("fp32")), ExportConfig())


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
