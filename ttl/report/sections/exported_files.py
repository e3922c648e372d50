"""The exported files: what was checked on them, and how they were timed."""

from __future__ import annotations

from functools import partial
from math import nan

from ttl.cost.latency import Latency
from ttl.deliver.file_record import FileRecord
from ttl.export.checks import Check, FileComparison
from ttl.report.cells import MISSING, Cell, amount, interval_ends, metric_cell
from ttl.report.page_blocks import Block, Columns, Prose, Section, Table, table
from ttl.report.schema import RunReport
from ttl.report.schema.run_report import is_of_whole, ratio_of
from ttl.words import units
from ttl.words.estimate import Estimate
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
PROTOCOL = (
    "The models took turns in {processes}, called in a random order in each round after a warm-up. A percentile is "
    "given only where there are runs enough for it: 64 for p90, 130 for p95, 662 for p99."
)
RATIOS_HOLD = "On a machine that does other work the ratios hold better than the times."
TIMES = (
    "Time per batch. Time against whole is the time divided by the whole network's, with its 95% interval: below 1 is "
    "faster; where the interval holds 1.0 there is no measurable speed-up. A cold start is opening the file, which the "
    "system has in its cache, and the first call; peak memory is what that takes at most."
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
        "Decided otherwise": lambda file: Cell(" of ".join(map(units.whole, file.decisions_changed or (nan,)))),
        f"Test {metric.name}": lambda file: metric_cell((file.test or {}).get(report.metric), metric),
        "Less fp32's": lambda file: _difference(file.comparison, metric),
    }
    return table(FILES, columns, report.exports, mark=lambda file: "chosen" if file.file == delivered else "", n_text=2)


def _difference(comparison: FileComparison | None, metric: Metric) -> Cell:
    """The metric's difference from fp32 with its interval."""
    if comparison is None or not comparison.difference.is_defined:
        return MISSING
    gap, signed = comparison.difference, metric.signed
    words = "not inferior" if comparison.non_inferior else "not shown to be non-inferior"
    note = f"{signed(gap.ci_low)} to {signed(gap.ci_high)}: {words}"
    return Cell(signed(gap.value), note, gap.value, metric.unit)


def timings(report: RunReport) -> Section | None:
    """The protocol in two sentences, what it ran on, and every timing."""
    if not report.latency:
        return None
    first = report.latency[0]
    processes = f"each of {first.processes} fresh processes" if first.processes > 1 else "one process"
    blocks: list[Block] = [Prose(PROTOCOL.format(processes=processes))]
    if first.cpu:
        load = "; load average {:.2f} before, {:.2f} after".format(*first.load_average) if first.load_average else ""
        blocks.append(Prose(f"Timed on {first.cpu}{load}. {RATIOS_HOLD}"))
    return Section("latency", "Latency", (*blocks, table(TIMES, TIMED, report.latency, n_text=2)))


def ratio_cell(ratio: Estimate) -> Cell:
    """A time ratio with its interval, in words where the interval holds 1.0."""
    if not ratio.is_defined:
        return MISSING
    interval = f"{units.ratio(ratio.ci_low)} to {units.ratio(ratio.ci_high)}" if ratio.has_interval else ""
    if ratio.holds(1.0):
        interval += ": no measurable speed-up"
    return Cell(f"× {units.ratio(ratio.value)}", interval, ratio.value, parts=interval_ends(ratio))  # noqa: RUF001


_time = partial(amount, write=units.milliseconds, unit="ms")
TIMED: Columns[Latency] = {
    "Model": lambda of: of.model,
    "Runtime": lambda of: Cell(of.runtime, of.provider or of.device),
    "Batch": lambda of: amount(of.batch),
    "Threads": lambda of: amount(of.threads),
    "Time against whole": lambda of: "reference" if is_of_whole(of) else ratio_cell(ratio_of(of)),
    "p50": lambda of: _time(of.p50_ms),
    "p90": lambda of: _time(of.p90_ms),
    "p95": lambda of: _time(of.p95_ms),
    "p99": lambda of: _time(of.p99_ms),
    "Images/s": lambda of: amount(of.images_per_second, units.significant),
    "Cold start": lambda of: _time(of.cold_start_ms),
    "Peak memory": lambda of: amount(of.peak_memory_bytes, units.size, "bytes"),
    "Runs": lambda of: amount(of.runs, note=f"{of.processes} processes"),
}
