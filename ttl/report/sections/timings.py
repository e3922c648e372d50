"""How the files were timed."""

from __future__ import annotations

from ttl.cost.latency import Latency
from ttl.report.page_blocks import MISSING, Block, Cell, Columns, Prose, Section, amount, interval_ends, table
from ttl.report.schema import RunReport
from ttl.report.schema.run_report import is_of_whole, ratio_of
from ttl.words import units
from ttl.words.estimate import Estimate

PROTOCOL = (
    "The models took turns in {processes}, called in a random order in each round after a warm-up. A percentile is "
    "given only where there are runs enough for it: 64 for p90, 130 for p95, 662 for p99."
)
CAPTION = (
    "Time per batch. Time against whole is the time divided by the whole network's, with its 95% interval: below 1 is "
    "faster; where the interval holds 1.0 there is no measurable speed-up. A cold start is opening the file, which the "
    "system has in its cache, and the first call; peak memory is what that takes at most."
)


def timings(report: RunReport) -> Section | None:
    """The protocol in two sentences, what it ran on, and every timing."""
    if not report.latency:
        return None
    first = report.latency[0]
    processes = f"each of {first.processes} fresh processes" if first.processes > 1 else "one process"
    blocks: list[Block] = [Prose(PROTOCOL.format(processes=processes))]
    if first.cpu:
        blocks.append(Prose(_conditions(first)))
    blocks.append(table(CAPTION, COLUMNS, report.latency, n_text=2))
    return Section("latency", "Latency", tuple(blocks))


def _conditions(timing: Latency) -> str:
    """The processor and how busy the machine was."""
    before, after = timing.load_average or (None, None)
    load = "" if before is None else f"; load average {before:.2f} before, {after:.2f} after"
    return f"Timed on {timing.cpu}{load}. On a machine that does other work the ratios hold better than the times."


def ratio_cell(ratio: Estimate) -> Cell:
    """A time ratio with its interval, in words where the interval holds 1.0."""
    if not ratio.is_defined:
        return MISSING
    interval = f"{units.ratio(ratio.ci_low)} to {units.ratio(ratio.ci_high)}" if ratio.has_interval else ""
    if ratio.holds(1.0):
        interval += ": no measurable speed-up"
    return Cell(f"× {units.ratio(ratio.value)}", interval, ratio.value, parts=interval_ends(ratio))  # noqa: RUF001


def _time(milliseconds: float | None) -> Cell:
    return amount(milliseconds, units.milliseconds, "ms")


COLUMNS: Columns[Latency] = {
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
