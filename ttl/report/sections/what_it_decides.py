"""What the networks decide: the rule of each in words, its counts and rates, and the decision endpoint."""

from __future__ import annotations

from math import isfinite

from ttl.report.cells import MISSING, Cell, amount, share_cell
from ttl.report.page_blocks import Block, Prose, Row, Section, Table, row
from ttl.report.schema import RunReport
from ttl.report.schema.decided import AtPoint, Decisions
from ttl.report.verdict import Claim
from ttl.report.wording import Side, sides, tested_units
from ttl.words import units
from ttl.words.estimate import Estimate
from ttl.words.text import capitalised

COUNTS = (
    ("Found", "true positives"),
    ("Missed", "false negatives"),
    ("False alarms", "false positives"),
    ("Rightly left alone", "true negatives"),
)
RATES = {
    "sensitivity": "of the positive ones, the share that is found",
    "specificity": "of the others, the share that is left alone",
    "ppv": "of the positive decisions, the share that is right",
    "npv": "of the negative decisions, the share that is right",
    "balanced_accuracy": "",
    "accuracy": "the share of decisions that is right",
}
REPORTED = "The other rates are reported, not tested."
OF_SISTERS = (
    "Recalibration and thresholds were set out of fold, by {} sister models of each network, on all images of train "
    "and val; the networks themselves learned from all of those."
)
OF_MASKS = "Masks are decisions already: what is judged of them is their {}, as above."


def what_it_decides(report: RunReport) -> Section | None:
    """Rule, counts, rates and endpoint; None where nothing was decided."""
    of = report.decisions
    if of is None:
        return None
    networks = sides(report, full=of.full, chosen=of.chosen)[::-1]  # the chosen one first, as on the card
    blocks: list[Block] = [Prose(f"{_title(side)}: {side.of.words}") for side in networks]
    rows = [*_threshold_rows(networks), *_count_rows(report, networks), *_rate_rows(report, networks)]
    if rows:
        columns = ("", *(_title(side) for side in networks))
        blocks.append(Table(_caption(report, of), columns, tuple(rows)))
    if any(side.of.by_label for side in networks):
        blocks.append(_labels_table(report, networks))
    blocks.append(Prose(_judged(report, of)))
    if folds := report.run.config.get("folds"):
        blocks.append(Prose(OF_SISTERS.format(folds)))
    return Section("decides", "What it decides", tuple(blocks))


def _title(side: Side[AtPoint]) -> str:
    return capitalised(side.words)


def _threshold_rows(networks: list[Side[AtPoint]]) -> list[Row]:
    """Of one finding; those of several labels stand in their own table."""
    if any(len(side.of.rule.thresholds) != 1 for side in networks):
        return []
    name = Cell("Threshold", f"probability of {' or '.join(networks[0].of.rule.finding)}, positive from it on")
    return [row(name, *(amount(side.of.rule.thresholds[0], units.significant) for side in networks))]


def _count_rows(report: RunReport, networks: list[Side[AtPoint]]) -> list[Row]:
    counts = [side.of.counts for side in networks]
    if any(count is None for count in counts):
        return []
    return [
        row(Cell(name, note), *(amount(count[at]) for count in counts if count is not None))
        for at, (name, note) in enumerate(COUNTS)
    ]


def _rate_rows(report: RunReport, networks: list[Side[AtPoint]]) -> list[Row]:
    rows = []
    for key in dict.fromkeys((*RATES, *networks[0].of.rates)):
        if any(key in side.of.rates for side in networks):
            name = report.measure(key).name
            title = Cell(capitalised(name), RATES.get(key, ""))
            rows.append(row(title, *(share_cell(side.of.rates.get(key)) for side in networks)))
    return rows


def _caption(report: RunReport, of: Decisions) -> str:
    text = f"On {units.whole(of.units)} {tested_units(report)}. Smaller figures are 95% intervals."
    if "ppv" not in of.full.rates:
        return text
    own = f"{units.percent(of.prevalence)}" if isfinite(of.prevalence) else ""
    if of.assumed_prevalence is not None:
        beside = f" (among the {tested_units(report)} it is {own})" if own else ""
        return f"{text} PPV and NPV are for an assumed prevalence of {units.percent(of.assumed_prevalence)}{beside}."
    share = f"the prevalence among the {tested_units(report)}{f', {own}' if own else ' of each label'}"
    return f"{text} PPV and NPV hold for {share}; elsewhere they differ."


def _labels_table(report: RunReport, networks: list[Side[AtPoint]]) -> Table:
    keys = [key for key in RATES if any(key in rates for side in networks for rates in side.of.by_label.values())]
    rows = []
    for at, label in enumerate(report.task.class_names):
        for side in networks:
            rates, thresholds = side.of.by_label.get(label, {}), side.of.rule.thresholds
            own = amount(thresholds[at], units.significant) if at < len(thresholds) else MISSING
            cells = (share_cell(Estimate(rates[key]) if key in rates else None) for key in keys)
            rows.append(row(label, side.words, own, *cells))
    names = (report.measure(key).name for key in keys)
    columns = ("Label", "Network", "Threshold", *map(capitalised, names))
    return Table("Each label by its own threshold; above stand the means over labels.", columns, tuple(rows), n_text=2)


def _judged(report: RunReport, of: Decisions) -> str:
    if of.endpoint is not None and of.endpoint.difference.is_defined:
        claim = Claim(report.measure(of.endpoint.metric), of.endpoint)
        return f"The decision endpoint, truncated less whole. {claim.words()} {REPORTED}"
    if report.task.kind.per_pixel:
        return OF_MASKS.format(report.score.name)
    return "There is nothing to compare these rates with: they are reported, not tested."
