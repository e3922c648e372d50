"""How the files were timed."""

from __future__ import annotations

from ttl.report import units
from ttl.report.blocks import Section, Table, row
from ttl.report.reading import Report
from ttl.report.sections.choice import ratio_cell


def latency(report: Report) -> Section | None:
    """Every timing, and the sentence on what the ratio means."""
    if not report.latency:
        return None
    rows = tuple(
        row(
            timing.model,
            timing.runtime,
            timing.device,
            units.whole(timing.batch),
            units.whole(timing.threads),
            units.milliseconds(timing.p50_ms),
            units.milliseconds(timing.p90_ms),
            units.whole(timing.runs),
            "reference" if timing.is_full else ratio_cell(timing.ratio),
        )
        for timing in report.latency
    )
    columns = ("Model", "Runtime", "Device", "Batch", "Threads", "p50", "p90", "Runs", "Time against whole")
    caption = (
        "Time per batch. The last column is the time divided by the whole network's, with its 95% interval: "
        "below 1 is faster; where the interval holds 1.0 there is no measurable speed-up."
    )
    return Section("latency", "Latency", (Table(caption, columns, rows, n_text=3),))
