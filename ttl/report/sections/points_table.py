"""What a truncation point costs and reached: the table of all of them, and cells that other tables have too."""

from __future__ import annotations

from ttl.report.cells import MISSING, Cell, amount
from ttl.report.page_blocks import Columns, Table, table
from ttl.report.schema import RunReport
from ttl.report.schema.searched import PointRecord, PointResult
from ttl.report.wording import noun
from ttl.words import units

HEAD_EXCLUDED = {
    "network": "everything up to the point, head excluded",
    "U-Net": "encoder up to the point and its decoder, segmentation head excluded",
}
"""What is counted, by what is cut."""
Costs = PointRecord | PointResult


def params_cell(of: Costs) -> Cell:
    """Params; of a U-Net, how they are shared out below."""
    return _shared_out(of.params, of.encoder_params)


def macs_cell(of: Costs) -> Cell:
    """MACs, likewise."""
    return _shared_out(of.macs, of.encoder_macs)


def _shared_out(total: int, encoder: int | None) -> Cell:
    share = units.share(encoder or 0, total)
    note = f"encoder {units.percent(share)}\ndecoder {units.percent(1 - share)}"
    return amount(total, units.large, note="" if encoder is None else note)


def seeds_cell(report: RunReport, result: PointResult | None, split: str) -> Cell:
    """Mean and standard deviation over the seeds of the metric that chooses."""
    if result is None or result.spread is None:
        return MISSING
    over_seeds, text = report.over_seeds(result, split), report.score.text
    words, note = f"{text(over_seeds.mean)} ± {text(over_seeds.sd)}", f"{len(result.spread.seeds)} seeds"
    return Cell(words, note, over_seeds.mean, parts=(("standard deviation", over_seeds.sd),))


def points_table(report: RunReport) -> Table:
    """All points where the network can be cut, folded."""
    columns: Columns[PointRecord] = {
        "Point": lambda point: Cell(point.name, "stage end" if point.is_stage_end else ""),
        "Index": lambda point: amount(point.index),
        "Stage": lambda point: amount(point.stage),
        "Channels": lambda point: amount(point.channels),
        "Reduction": lambda point: amount(point.reduction),
        "Params": params_cell,
        "MACs": macs_cell,
    }
    counted = f"Params and MACs: {HEAD_EXCLUDED[noun(report)]}."
    caption = f"All {len(report.points)} points where {report.model.name} can be cut. {counted}"
    return table(caption, columns, report.points, folded=True)
