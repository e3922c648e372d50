"""The evidence for the choice."""

from __future__ import annotations

import math

from ttl.report.cells import Cell, amount, estimate_cell
from ttl.report.figures.candidate_plots import depth_figure, pareto_figure
from ttl.report.figures.depth_axis import ROLES, role
from ttl.report.figures.evidence_plots import evidence_figure, svcca_figure
from ttl.report.page_blocks import Block, Columns, Listing, Prose, Section, Table, row, table
from ttl.report.schema import RunReport
from ttl.report.schema.searched import CandidateResult, LatencyLimit, TimedPoint
from ttl.report.sections.points_table import HEAD_EXCLUDED, macs_cell, params_cell, points_table, seeds_cell
from ttl.report.wording import noun
from ttl.words import units


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
    return Section("why", title, (*blocks, points_table(report)))


def _timed_points(limit: LatencyLimit) -> Table:
    """What was timed to keep to a latency."""

    def within(timed: TimedPoint) -> str:
        return "" if math.isnan(timed.p50_ms) else "yes" if timed.p50_ms <= limit.budget_ms else "no"

    columns: Columns[TimedPoint] = {
        "Point": lambda timed: timed.cut,
        "Time": lambda timed: amount(timed.p50_ms, units.milliseconds, "ms"),
        "Within": within,
    }
    caption = (
        f"The points that were timed to keep to {units.milliseconds(limit.budget_ms)} an image, threads "
        f"{units.whole(limit.threads)}. The search went up to {limit.highest}, the highest that is within. The time is "
        "the median of one image."
    )
    return table(caption, columns, limit.measured)


def _name_cell(report: RunReport, candidate: CandidateResult) -> Cell:
    is_both = report.keeps_whole and report.is_chosen(candidate.cut)
    return Cell(candidate.cut, "chosen, whole network" if is_both else ROLES[role(report, candidate.cut)])


def _candidates_table(report: RunReport) -> Table:
    metric, rule = report.score, "The choice rests on the validation column only."
    over_seeds: Columns[CandidateResult] = {}
    if any(candidate.spread for candidate in report.candidates):
        over_seeds = {
            f"Val {metric.name}, seeds": lambda c: seeds_cell(report, c, "val"),
            f"Test {metric.name}, seeds": lambda c: seeds_cell(report, c, "test"),
        }
        rule = (
            "The choice rests on the mean validation value over the seeds; the other figures are of the seed "
            "that validates best, whose weights were kept."
        )
    columns: Columns[CandidateResult] = {
        "Point": lambda c: _name_cell(report, c),
        "Index": lambda c: amount(c.index),
        f"Val {metric.name}": lambda c: estimate_cell(report.validation(c), metric),
        f"Test {metric.name}": lambda c: estimate_cell(report.tested(c), metric),
        **over_seeds,
        "Params": params_cell,
        "MACs": macs_cell,
        "Epochs": lambda c: amount(c.epochs),
        "Time": lambda c: amount(c.seconds, units.duration, "s"),
        "Trials": lambda c: Cell(str(len(c.trials)), ", ".join(c.trials)),
    }
    caption = f"Every candidate that was tried. {rule} Params and MACs: {HEAD_EXCLUDED[noun(report)]}."
    return table(caption, columns, report.candidates, mark=lambda c: role(report, c.cut))


def _all_metrics_table(report: RunReport) -> Table:
    keys = tuple(dict.fromkeys(key for c in report.candidates for key in (*c.val, *c.test)))
    columns = ("Point", *(f"{split} {report.measure(key).name}" for key in keys for split in ("Val", "Test")))
    rows = []
    for c in report.candidates:
        cells = (estimate_cell(split.get(key), report.measure(key)) for key in keys for split in (c.val, c.test))
        rows.append(row(_name_cell(report, c), *cells, mark=role(report, c.cut)))
    return Table("All metrics of every candidate", columns, tuple(rows), folded=True)
