"""What a truncation point costs: the table of all of them, and params and MACs with the encoder's share."""

from __future__ import annotations

import math

from ttl.report.blocks import Cell, Table, row
from ttl.report.reading import Candidate, Point, Report
from ttl.words import units

HEAD_EXCLUDED = {
    "network": "everything up to the point, head excluded",
    "U-Net": "encoder up to the point and its decoder, segmentation head excluded",
}
"""What is counted, by what is cut."""


def counted_cells(of: Point | Candidate) -> tuple[Cell, Cell]:
    """Params and MACs; of a U-Net, how they are shared out below."""
    return (
        Cell(units.large(of.params), _shared_out(of.encoder.params)),
        Cell(units.large(of.macs), _shared_out(of.encoder.macs)),
    )


def _shared_out(encoder: float) -> str:
    if not math.isfinite(encoder):
        return ""
    return f"encoder {units.percent(encoder)}\ndecoder {units.percent(1 - encoder)}"


def points_table(report: Report) -> Table:
    """All points where the network can be cut, folded."""
    rows = (
        row(
            Cell(p.name, "stage end" if p.is_stage_end else ""),
            units.whole(p.index),
            units.whole(p.stage),
            units.whole(p.channels),
            units.whole(p.reduction),
            *counted_cells(p),
        )
        for p in report.points
    )
    columns = ("Point", "Index", "Stage", "Channels", "Reduction", "Params", "MACs")
    counted = f"Params and MACs: {HEAD_EXCLUDED[report.noun]}."
    caption = f"All {len(report.points)} points where {report.model} can be cut. {counted}"
    return Table(caption, columns, tuple(rows), folded=True)
