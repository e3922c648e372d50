"""The exported files, and what was checked on them."""

from __future__ import annotations

from ttl.deliver.file_record import FileRecord
from ttl.export.checks import Check, FileComparison
from ttl.report.page_blocks import MISSING, Block, Cell, Columns, Prose, Section, Table, amount, metric_cell, table
from ttl.report.schema import RunReport
from ttl.words import units
from ttl.words.metric import Metric

INTRODUCTION = (
    "A file gets its name when it has passed every check; one that fails a check is removed. The metric is computed "
    "again from the file itself, on the test images."
)
FILES = (
    "Files of this run, whatever became of them: passed, failed, or not exported. Off PyTorch by: the largest "
    "difference of a logit. Decided otherwise: test images to which the file gives another class than PyTorch in "
    "float32 does. The metric is the file's; the last column is its difference from fp32's, with a 95% interval."
)
CHECKS: Columns[Check] = {
    "Check": lambda check: check.name,
    "Found": lambda check: check.found,
    "Wanted": lambda check: check.wanted,
}


def export_checks(report: RunReport) -> Section | None:
    """Every file in three states, then what each that passed was checked for."""
    if not report.exports:
        return None
    checked = [file for file in report.exports if file.checks]
    blocks: list[Block] = [Prose(INTRODUCTION), _files_table(report)]
    for file in checked:
        folded = file is not checked[0]
        blocks.append(table(f"Checks of {file.file}", CHECKS, file.checks or (), n_text=3, folded=folded))
    return Section("export", "The exported files and their checks", tuple(blocks))


def _files_table(report: RunReport) -> Table:
    metric, delivered = report.score, report.export.path if report.export else None
    columns: Columns[FileRecord] = {
        "File": lambda file: Cell(file.file, file.precision),
        "State": lambda file: Cell("exported, but failed" if file.state == "failed" else file.state, file.why or ""),
        "Size": lambda file: amount(file.size_bytes, units.size, "bytes"),
        "Off PyTorch by": lambda file: amount(file.parity_max_abs, units.significant),
        "Decided otherwise": _changed,
        f"Test {metric.name}": lambda file: metric_cell((file.test or {}).get(report.metric), metric),
        "Less fp32's": lambda file: _difference(file.comparison, metric),
    }
    return table(FILES, columns, report.exports, mark=lambda file: "chosen" if file.file == delivered else "", n_text=2)


def _changed(file: FileRecord) -> Cell:
    """`3 of 200`; nothing of masks."""
    if file.decisions_changed is None:
        return MISSING
    return Cell(" of ".join(map(units.whole, file.decisions_changed)))


def _difference(comparison: FileComparison | None, metric: Metric) -> Cell:
    """The metric's difference from fp32 with its interval."""
    if comparison is None or not comparison.difference.is_defined:
        return MISSING
    gap, signed = comparison.difference, metric.signed
    words = "not inferior" if comparison.non_inferior else "not shown to be non-inferior"
    note = f"{signed(gap.ci_low)} to {signed(gap.ci_high)}: {words}"
    return Cell(signed(gap.value), note, gap.value, metric.unit)
