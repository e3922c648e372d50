"""The evidence for the choice, and what truncation points cost and reached."""

from __future__ import annotations

import math

from ttl.report.cells import MISSING, Cell, amount, estimate_cell
from ttl.report.figures.candidate_plots import depth_figure, pareto_figure
from ttl.report.figures.depth_axis import ROLES, role
from ttl.report.figures.evidence_plots import evidence_figure, svcca_figure
from ttl.report.page_blocks import Block, Listing, Prose, Section, Table, row
from ttl.report.schema import RunReport
from ttl.report.schema.searched import CandidateResult, LatencyLimit, PointRecord, PointResult
from ttl.report.wording import noun
from ttl.words import units

HEAD_EXCLUDED = {
    "network": "everything up to the point, head excluded",
    "U-Net": "encoder up to the point and its decoder, segmentation head excluded",
}
"""What is counted, by what is cut."""


def why_this_point(report: RunReport) -> Section:
    """The metric against depth and cost, what was seen of all points, and every candidate."""
    blocks: list[Block] = [Prose(report.search.reason)] if report.search.reason else []
    figures = (depth_figure(report), pareto_figure(report), evidence_figure(report), svcca_figure(report))
    blocks += [block for block in figures if block is not None]
    if report.candidates:
        blocks += [_candidates_table(report), _all_metrics_table(report)]
    if report.search.max_latency_ms:
        blocks.append(_timed_points(report.search.max_latency_ms))
    if report.failed:
        causes = tuple(f"{failed.cut}: {failed.cause}" for failed in report.failed)
        blocks.append(Listing(causes, "Fine-tunes that failed"))
    title = "Why this point" if report.chosen else "What was tried so far"
    return Section("why", title, (*blocks, _points_table(report)))


def _timed_points(limit: LatencyLimit) -> Table:
    rows = []
    for timed in limit.measured:
        within = "" if math.isnan(timed.p50_ms) else "yes" if timed.p50_ms <= limit.budget_ms else "no"
        rows.append(row(timed.cut, amount(timed.p50_ms, units.milliseconds, "ms"), within))
    caption = (
        f"The points that were timed to keep to {units.milliseconds(limit.budget_ms)} an image, threads "
        f"{units.whole(limit.threads)}. The search went up to {limit.highest}, the highest that is within. The time is "
        "the median of one image."
    )
    return Table(caption, ("Point", "Time", "Within"), tuple(rows))


def _name_cell(report: RunReport, candidate: CandidateResult) -> Cell:
    is_both = report.keeps_whole and report.is_chosen(candidate.cut)
    return Cell(candidate.cut, "chosen, whole network" if is_both else ROLES[role(report, candidate.cut)])


def _candidates_table(report: RunReport) -> Table:
    metric, has_seeds = report.score, any(candidate.spread for candidate in report.candidates)
    rows = []
    for c in report.candidates:
        cells = [estimate_cell(report.validation(c), metric), estimate_cell(report.tested(c), metric)]
        cells += [seeds_cell(report, c, split) for split in ("val", "test")] if has_seeds else []
        cells += [*cost_cells(c), amount(c.epochs), amount(c.seconds, units.duration, "s")]
        trials = Cell(str(len(c.trials)), ", ".join(c.trials))
        rows.append(row(_name_cell(report, c), amount(c.index), *cells, trials, mark=role(report, c.cut)))
    columns = ["Point", "Index", f"Val {metric.name}", f"Test {metric.name}"]
    rule = "The choice rests on the validation column only."
    if has_seeds:
        columns += [f"Val {metric.name}, seeds", f"Test {metric.name}, seeds"]
        rule = (
            "The choice rests on the mean validation value over the seeds; the other figures are of the seed "
            "that validates best, whose weights were kept."
        )
    columns += ["Params", "MACs", "Epochs", "Time", "Trials"]
    caption = f"Every candidate that was tried. {rule} Params and MACs: {HEAD_EXCLUDED[noun(report)]}."
    return Table(caption, tuple(columns), tuple(rows))


def _all_metrics_table(report: RunReport) -> Table:
    keys = tuple(dict.fromkeys(key for c in report.candidates for key in (*c.val, *c.test)))
    columns = ("Point", *(f"{split} {report.measure(key).name}" for key in keys for split in ("Val", "Test")))
    rows = []
    for c in report.candidates:
        cells = (estimate_cell(split.get(key), report.measure(key)) for key in keys for split in (c.val, c.test))
        rows.append(row(_name_cell(report, c), *cells, mark=role(report, c.cut)))
    return Table("All metrics of every candidate", columns, tuple(rows), folded=True)


def _points_table(report: RunReport) -> Table:
    rows = []
    for point in report.points:
        counts = map(amount, (point.index, point.stage, point.channels, point.reduction))
        name = Cell(point.name, "stage end" if point.is_stage_end else "")
        rows.append(row(name, *counts, *cost_cells(point)))
    counted = f"Params and MACs: {HEAD_EXCLUDED[noun(report)]}."
    caption = f"All {len(report.points)} points where {report.model.name} can be cut. {counted}"
    columns = ("Point", "Index", "Stage", "Channels", "Reduction", "Params", "MACs")
    return Table(caption, columns, tuple(rows), folded=True)


def cost_cells(of: PointRecord | PointResult) -> tuple[Cell, Cell]:
    """Params and MACs; of a U-Net, how they are shared out below."""

    def shared_out(total: int, encoder: int | None) -> Cell:
        share = units.share(encoder or 0, total)
        note = f"encoder {units.percent(share)}\ndecoder {units.percent(1 - share)}"
        return amount(total, units.large, note="" if encoder is None else note)

    return shared_out(of.params, of.encoder_params), shared_out(of.macs, of.encoder_macs)


def seeds_cell(report: RunReport, result: PointResult | None, split: str) -> Cell:
    """Mean and standard deviation over the seeds of the metric that chooses."""
    if result is None or result.spread is None:
        return MISSING
    over_seeds, text = report.over_seeds(result, split), report.score.text
    words, note = f"{text(over_seeds.mean)} ± {text(over_seeds.sd)}", f"{len(result.spread.seeds)} seeds"
    return Cell(words, note, over_seeds.mean, parts=(("standard deviation", over_seeds.sd),))
