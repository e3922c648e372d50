"""The exported files, and what was checked on them."""

from __future__ import annotations

from ttl.deliver.file_record import FileRecord
from ttl.export.checks import Check, FileComparison
from ttl.report.page_blocks import MISSING, Block, Cell, Prose, Section, Table, amount, metric_cell, row
from ttl.report.schema import RunReport
from ttl.words import units
from ttl.words.metric import Metric

INTRODUCTION = (
    "A file gets its name when it has passed every check; one that fails a check is removed. The metric is computed "
    "again from the file itself, on the test images."
)


def export_checks(report: RunReport) -> Section | None:
    """Every file in three states, then what each that passed was checked for."""
    if not report.exports:
        return None
    checked = [(file.file, file.checks) for file in report.exports if file.checks]
    tables = (_checks_table(name, checks, folded=i > 0) for i, (name, checks) in enumerate(checked))
    blocks: tuple[Block, ...] = (Prose(INTRODUCTION), _files_table(report), *tables)
    return Section("export", "The exported files and their checks", blocks)


def _files_table(report: RunReport) -> Table:
    rows = (
        row(
            Cell(file.file, file.precision),
            Cell("exported, but failed" if file.state == "failed" else file.state, file.why or ""),
            amount(file.size_bytes, units.size, "bytes"),
            amount(file.parity_max_abs, units.significant),
            _changed(file),
            metric_cell((file.test or {}).get(report.metric), report.score),
            _difference(file.comparison, report.score),
            mark="chosen" if report.export and file.file == report.export.path else "",
        )
        for file in report.exports
    )
    metric = f"Test {report.score.name}"
    columns = ("File", "State", "Size", "Off PyTorch by", "Decided otherwise", metric, "Less fp32's")
    caption = (
        "Files of this run, whatever became of them: passed, failed, or not exported. Off PyTorch by: the largest "
        "difference of a logit. Decided otherwise: test images to which the file gives another class than PyTorch in "
        "float32 does. The metric is the file's; the last column is its difference from fp32's, with a 95% interval."
    )
    return Table(caption, columns, tuple(rows), n_text=2)


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


def _checks_table(name: str, checks: tuple[Check, ...], *, folded: bool) -> Table:
    rows = tuple(row(check.name, check.found, check.wanted) for check in checks)
    return Table(f"Checks of {name}", ("Check", "Found", "Wanted"), rows, n_text=3, folded=folded)
