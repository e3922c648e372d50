"""`ttl export`: files of a model that is in a run folder."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

from ttl.deliver.deliverable import REPORT, Deliverable, deliverable_in
from ttl.deliver.exporting import FileRecord, Wanted, attempt, file_name, remember, remembered
from ttl.deliver.latency import CHOSEN
from ttl.errors import UsageError
from ttl.export.options import ExportConfig
from ttl.export.to_onnx import Precision
from ttl.report import write_report
from ttl.run.events import Note, Watch, unwatched
from ttl.study.folder import Study


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
        watch(Note("Loading the model and its images"))
        deliverable = deliverable_in(source, data)
        records = []
        for file in wanted:
            watch(Note(f"Exporting {file.path}, and checking it"))
            records.append(attempt(deliverable, file, config))
        if out is None and study.read(REPORT) is not None:
            _tell(study, deliverable, records)
        return records


def _wanted(config: ExportConfig, place: Path) -> list[Wanted]:
    kinds: list[Precision | None] = [*config.precision, *([None] if config.program else [])]
    if place.suffix in (".onnx", ".pt2"):
        if len(kinds) > 1:
            raise UsageError(f"--out {place} is one file, and {len(kinds)} were asked for: name a folder")
        return [Wanted(place, kinds[0])]
    embedded, stem = config.embed_preprocessing, Path(CHOSEN).stem
    return [Wanted(place / file_name(stem, kind, embedded=embedded), kind) for kind in kinds]


def _tell(study: Study, deliverable: Deliverable, records: list[FileRecord]) -> None:
    """Put the files into the run's report."""
    remember(study, records)
    content = study.read(REPORT)
    if content is None:
        return
    trials = {content[name]["trial"] for name in ("chosen", "full") if name in content}
    study.write(REPORT, content | {"exports": remembered(study, trials | {deliverable.trial})})
    write_report(study.folder)
