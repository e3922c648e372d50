"""The evidence for the choice."""

from __future__ import annotations

import math

from ttl.report.figures.candidate_plots import depth_figure, pareto_figure
from ttl.report.figures.depth_axis import ROLES, role
from ttl.report.figures.evidence_curves import evidence_figure
from ttl.report.figures.svcca_boxes import svcca_figure
from ttl.report.page_blocks import Block, Cell, Listing, Prose, Section, Table, amount, estimate_cell, row
from ttl.report.schema import RunReport
from ttl.report.schema.searched import CandidateResult, LatencyLimit
from ttl.report.sections.points_table import HEAD_EXCLUDED, cost_cells, points_table, seeds_cell
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
    rows = tuple(
        row(
            timed.cut,
            amount(timed.p50_ms, units.milliseconds, "ms"),
            "" if math.isnan(timed.p50_ms) else "yes" if timed.p50_ms <= limit.budget_ms else "no",
        )
        for timed in limit.measured
    )
    caption = (
        f"The points that were timed to keep to {units.milliseconds(limit.budget_ms)} an image, threads "
        f"{units.whole(limit.threads)}. The search went up to {limit.highest}, the highest that is within. The time is "
        "the median of one image."
    )
    return Table(caption, ("Point", "Time", "Within"), rows)


def _name_cell(report: RunReport, candidate: CandidateResult) -> Cell:
    is_both = report.keeps_whole and report.is_chosen(candidate.cut)
    return Cell(candidate.cut, "chosen, whole network" if is_both else ROLES[role(report, candidate.cut)])


def _candidates_table(report: RunReport) -> Table:
    name = report.score.name
    has_seeds = any(candidate.spread for candidate in report.candidates)
    rows = (
        row(
            _name_cell(report, c),
            amount(c.index),
            estimate_cell(report.validation(c), report.score),
            estimate_cell(report.tested(c), report.score),
            *((seeds_cell(report, c, split) for split in ("val", "test")) if has_seeds else ()),
            *cost_cells(c),
            amount(c.epochs),
            amount(c.seconds, units.duration, "s"),
            Cell(str(len(c.trials)), ", ".join(c.trials)),
            mark=role(report, c.cut),
        )
        for c in report.candidates
    )
    over_seeds = (f"Val {name}, seeds", f"Test {name}, seeds") if has_seeds else ()
    columns = ("Point", "Index", f"Val {name}", f"Test {name}", *over_seeds)
    columns += ("Params", "MACs", "Epochs", "Time", "Trials")
    rule = "The choice rests on the validation column only."
    if has_seeds:
        rule = (
            "The choice rests on the mean validation value over the seeds; the other figures are of the seed "
            "that validates best, whose weights were kept."
        )
    caption = f"Every candidate that was tried. {rule} Params and MACs: {HEAD_EXCLUDED[noun(report)]}."
    return Table(caption, columns, tuple(rows))


def _all_metrics_table(report: RunReport) -> Table:
    names = tuple(dict.fromkeys(name for c in report.candidates for name in (*c.val, *c.test)))
    columns = ("Point", *(f"{split} {report.measure(name).name}" for name in names for split in ("Val", "Test")))
    rows = (
        row(
            _name_cell(report, c),
            *(estimate_cell(split.get(name), report.measure(name)) for name in names for split in (c.val, c.test)),
            mark=role(report, c.cut),
        )
        for c in report.candidates
    )
    return Table("All metrics of every candidate", columns, tuple(rows), folded=True)
