"""The exported files: what was checked on them, and how they were timed."""

from __future__ import annotations

from ttl.export.checks import FileComparison
from ttl.report.cells import MISSING, Cell, amount, interval_ends, metric_cell
from ttl.report.page_blocks import Block, Prose, Section, Table, row
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


COLUMNS = (
    "Model", "Runtime", "Batch", "Threads", "Time against whole", "p50", "p90", "p95", "p99", "Images/s", "Cold start",
    "Peak memory", "Runs",
)  # fmt: skip


def export_checks(report: RunReport) -> Section | None:
    """Every file in three states, then what each that passed was checked for."""
    if not report.exports:
        return None
    checked = [file for file in report.exports if file.checks]
    blocks: list[Block] = [Prose(INTRODUCTION), _files_table(report)]
    for file in checked:
        rows = tuple(row(check.name, check.found, check.wanted) for check in file.checks or ())
        folded, columns = file is not checked[0], ("Check", "Found", "Wanted")
        blocks.append(Table(f"Checks of {file.file}", columns, rows, n_text=3, folded=folded))
    return Section("export", "The exported files and their checks", tuple(blocks))


def _files_table(report: RunReport) -> Table:
    delivered, rows = report.export.path if report.export else None, []
    for file in report.exports:
        changed = file.decisions_changed
        cells = (
            amount(file.size_bytes, units.size, "bytes"),
            amount(file.parity_max_abs, units.significant),
            MISSING if changed is None else Cell(" of ".join(map(units.whole, changed))),
            metric_cell((file.test or {}).get(report.metric), report.score),
            _difference(file.comparison, report.score),
        )
        state = Cell("exported, but failed" if file.state == "failed" else file.state, file.why or "")
        mark = "chosen" if file.file == delivered else ""
        rows.append(row(Cell(file.file, file.precision), state, *cells, mark=mark))
    metric = f"Test {report.score.name}"
    columns = ("File", "State", "Size", "Off PyTorch by", "Decided otherwise", metric, "Less fp32's")
    return Table(FILES, columns, tuple(rows), n_text=2)


def _difference(comparison: FileComparison | None, metric: Metric) -> Cell:
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
    rows = []
    for of in report.latency:
        against = "reference" if is_of_whole(of) else ratio_cell(ratio_of(of))
        times = (of.p50_ms, of.p90_ms, of.p95_ms, of.p99_ms)
        cells = [amount(time, units.milliseconds, "ms") for time in times]
        cells += [amount(of.images_per_second, units.significant), amount(of.cold_start_ms, units.milliseconds, "ms")]
        cells += [amount(of.peak_memory_bytes, units.size, "bytes"), amount(of.runs, note=f"{of.processes} processes")]
        called = Cell(of.runtime, of.provider or of.device), amount(of.batch), amount(of.threads)
        rows.append(row(of.model, *called, against, *cells))
    return Section("latency", "Latency", (*blocks, Table(TIMES, COLUMNS, tuple(rows), n_text=2)))


def ratio_cell(ratio: Estimate) -> Cell:
    """A time ratio with its interval, in words where the interval holds 1.0."""
    if not ratio.is_defined:
        return MISSING
    interval = f"{units.ratio(ratio.ci_low)} to {units.ratio(ratio.ci_high)}" if ratio.has_interval else ""
    if ratio.holds(1.0):
        interval += ": no measurable speed-up"
    return Cell(f"× {units.ratio(ratio.value)}", interval, ratio.value, parts=interval_ends(ratio))  # noqa: RUF001
