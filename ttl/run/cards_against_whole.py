"""The model cards of a finished run say what the cut costs and does beside the whole network."""

from __future__ import annotations

from pathlib import Path

from ttl.cost.latency import Latency
from ttl.deliver.against_whole import AgainstWhole, Side
from ttl.deliver.exporting import describe
from ttl.deliver.file_record import CHOSEN, FULL, FileRecord
from ttl.export.contract import read_contract
from ttl.report import RunReport
from ttl.report.schema.run_report import ratio_of
from ttl.report.verdict import VERDICTS, verdict
from ttl.study.folder import Study
from ttl.words.estimate import Estimate


def compare_in_cards(study: Study, report: RunReport) -> None:
    """Write the cards of the chosen network's ONNX files again, each with its comparison.

    Nothing is written where the whole network was chosen, or has no file.

    Raises:
        ExportError: a file is damaged, or its card can't be written.
    """
    passed = {file.file: file for file in report.exports if file.state == "passed"}
    whole, chosen = passed.get(FULL), report.chosen
    if whole is None or chosen is None or report.keeps_whole:
        return
    for file in passed.values():
        if file.trial == chosen.trial and Path(file.file).suffix == ".onnx":
            describe(study.folder / file.file, file, against_whole(study.folder, report, file, whole))


def against_whole(folder: Path, report: RunReport, file: FileRecord, whole: FileRecord) -> AgainstWhole:
    """One file of the chosen network beside the whole network's file."""
    timed = report.timed_pair() if file.file == CHOSEN else (None, None)
    of_cut, of_whole = timed
    found = verdict(report)
    return AgainstWhole(
        cut=_side(folder, report.metric, file, of_cut),
        whole=_side(folder, report.metric, whole, of_whole),
        metric=report.metric,
        time_ratio=ratio_of(of_cut) if of_cut else Estimate(),
        timed_on=_where(of_cut) if of_cut else "",
        verdict=VERDICTS[found.tone],
        reasons=found.reasons,
    )


def _side(folder: Path, metric: str, file: FileRecord, timed: Latency | None) -> Side:
    origin = read_contract(folder / file.file).provenance
    return Side(
        file=file.file,
        params=origin.params,
        macs=origin.macs,
        size_bytes=file.size_bytes,
        p50_ms=timed.p50_ms if timed else None,
        score=(file.test or {}).get(metric, float("nan")),
        rates=file.at_point or {},
    )


def _where(timed: Latency) -> str:
    return f"{timed.runtime}, {timed.device}, batch {timed.batch}, threads {timed.threads}, {timed.cpu}"
