"""Parts of the test images: by sex, site, scanner, or what else the data know."""

from __future__ import annotations

from collections.abc import Sequence

from ttl.report.cells import MISSING, Cell, amount, estimate_cell, interval_ends
from ttl.report.page_blocks import Section, Table, row
from ttl.report.schema import RunReport
from ttl.report.schema.subgroups import Subgroup
from ttl.report.wording import networks
from ttl.words.metric import Metric, metric

SHOWN = ("sensitivity", "specificity")


def groups_of_images(report: RunReport) -> Section | None:
    """The groups of a run's test images; None where no column was asked for."""
    named = networks(report)
    words = tuple(named[which] for which in ("chosen", "full") if which in named)
    unit = "Patients" if report.run.config.get("decide_per") == "patient" else "Images"
    return groups_section(report.subgroups, report.score, words, unit) if report.subgroups else None


def groups_section(groups: Sequence[Subgroup], score: Metric, words: Sequence[str], unit: str) -> Section:
    """A table of the groups; `words` name the networks, the chosen one first, or the whole one alone."""
    rates = [name for name in SHOWN if name in groups[0].full.rates]
    rows = []
    for group in groups:
        of = [each for each in (group.chosen, group.full) if each is not None]
        cells = [estimate_cell(each.score, score) for each in of]
        cells += [estimate_cell(of[0].rates.get(name), metric(name)) for name in rates]
        if group.chosen is not None:
            cells.append(_difference(group, score))
        positives = MISSING if group.positives is None else amount(group.positives)
        value = Cell(group.value, "too few to say anything" if group.too_few else "")
        rows.append(row(group.column, value, amount(group.units), positives, *cells))
    first = f", {words[0]}"
    columns = (
        *("Column", "Group", unit, "Positive"),
        *(f"{score.name}, {name}" for name in words),
        *(f"{metric(name).titled}{first}" for name in rates),
        *((f"{score.name}, truncated less whole",) if len(words) > 1 else ()),
    )
    caption = (
        "Of each column the worst group first. Smaller figures are 95% intervals; of several groups some look bad by "
        "chance."
    )
    return Section("groups", "Groups of test images", (Table(caption, columns, tuple(rows), n_text=2),))


def _difference(group: Subgroup, score: Metric) -> Cell:
    gap = group.difference
    if gap is None:
        return MISSING
    ends = f"{score.signed(gap.ci_low)} to {score.signed(gap.ci_high)}" if gap.has_interval else ""
    return Cell(score.signed(gap.value), ends, gap.value, score.unit, interval_ends(gap))
