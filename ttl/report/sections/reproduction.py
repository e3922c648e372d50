"""Everything needed to do it again."""

from __future__ import annotations

from collections.abc import Mapping

from ttl.report.page_blocks import Cell, Code, Facts, Section, facts, plain_cell
from ttl.report.schema import RunReport
from ttl.typed import to_json

LABELS = {"seed": "Seed", "started": "Started"} | {
    key: key for key in ("schema", "config", "resolved", "data", "weights")
}


def reproduction(report: RunReport) -> Section:
    """Command, options, seed, versions and hardware."""
    run = report.run
    machine = Facts(_pairs(run.versions), "Versions"), Facts(_pairs(to_json(run.hardware)), "Hardware")
    return Section("again", "To do it again", (Code(run.command), Facts(facts(run, LABELS)), *machine))


def _pairs(values: Mapping[str, str | int | float | None]) -> tuple[tuple[str, Cell], ...]:
    return tuple((name.replace("_", " "), plain_cell(value)) for name, value in values.items())
