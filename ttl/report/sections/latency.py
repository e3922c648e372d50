"""How the files were timed."""

from __future__ import annotations

import math

from ttl.report.blocks import Block, Cell, Prose, Row, Section, Table, row
from ttl.report.reading import Report, Timing
from ttl.report.sections.choice import ratio_cell
from ttl.words import units

COLUMNS = (
    "Model",
    "Runtime",
    "Batch",
    "Threads",
    "Time against whole",
    "p50",
    "p90",
    "p95",
    "p99",
    "Images/s",
    "Cold start",
    "Peak memory",
    "Runs",
)
PROTOCOL = (
    "The models took turns in {processes}, called in a random order in each round after a warm-up. A percentile is "
    "given only where there are runs enough for it: 64 for p90, 130 for p95, 662 for p99."
)
CAPTION = (
    "Time per batch. Time against whole is the time divided by the whole network's, with its 95% interval: below 1 is "
    "faster; where the interval holds 1.0 there is no measurable speed-up. A cold start is opening the file, which the "
    "system has in its cache, and the first call; peak memory is what that takes at most."
)


def latency(report: Report) -> Section | None:
    """The protocol in two sentences, what it ran on, and every timing."""
    if not report.latency:
        return None
    first = report.latency[0]
    processes = f"each of {first.processes:.0f} fresh processes" if first.processes > 1 else "one process"
    blocks: list[Block] = [Prose(PROTOCOL.format(processes=processes))]
    conditions = _conditions(first)
    if conditions:
        blocks.append(Prose(conditions))
    blocks.append(Table(CAPTION, COLUMNS, tuple(_row(timing) for timing in report.latency), n_text=2))
    return Section("latency", "Latency", tuple(blocks))


def _conditions(timing: Timing) -> str:
    """The processor and how busy the machine was; empty where the report doesn't tell."""
    before, after = timing.load_average
    if not timing.cpu:
        return ""
    load = f"; load average {before:.2f} before, {after:.2f} after" if math.isfinite(before) else ""
    return f"Timed on {timing.cpu}{load}. On a machine that does other work the ratios hold better than the times."


def _row(timing: Timing) -> Row:
    return row(
        timing.model,
        Cell(timing.runtime, timing.provider or timing.device),
        units.whole(timing.batch),
        units.whole(timing.threads),
        "reference" if timing.is_full else ratio_cell(timing.ratio),
        units.milliseconds(timing.p50_ms),
        units.milliseconds(timing.p90_ms),
        units.milliseconds(timing.p95_ms),
        units.milliseconds(timing.p99_ms),
        units.significant(timing.images_per_second),
        units.milliseconds(timing.cold_start_ms),
        units.size(timing.peak_memory_bytes),
        Cell(units.whole(timing.runs), f"{timing.processes:.0f} processes" if timing.processes > 0 else ""),
    )
