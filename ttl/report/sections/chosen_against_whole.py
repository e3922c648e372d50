"""The card: chosen and whole network side by side."""

from __future__ import annotations

from math import isfinite, nan

from ttl.report.cells import Cell, amount, estimate_cell, interval_ends, metric_cell
from ttl.report.page_blocks import Listing, Prose, Row, Section, Table, row
from ttl.report.schema import RunReport
from ttl.report.schema.run_report import is_of_whole, ratio_of
from ttl.report.schema.searched import PointResult
from ttl.report.sections.exported_files import ratio_cell
from ttl.report.sections.why_this_point import HEAD_EXCLUDED, cost_cells, seeds_cell
from ttl.report.wording import noun, tested_units, undertrained
from ttl.words import units
from ttl.words.estimate import Estimate
from ttl.words.metric import METRICS, Metric
from ttl.words.text import capitalised

OF_PIXELS = ("dice", "jaccard", "dice_pooled", "jaccard_pooled", "hd95")
POINT_METRICS = ("sensitivity", "specificity", "balanced_accuracy")
AT_HALF = ("accuracy", "balanced_accuracy", "f1", "kappa")
"""Metrics of the test predictions that no operating point moves."""
GENERAL = (
    "95% interval: the range of values that fit the images at hand; other images of the same kind could give any of "
    "them. Where that of a difference holds 0, the images don't tell the two apart.",
    "Parameters and MACs: the numbers a network holds, and the multiply-adds that one image costs.",
)
OF_CLASSES = (
    "Sensitivity (recall): the share of the positive images that is found. Specificity: the share of the others that is"
    " left alone. Precision: the share of the images called positive that are.",
)
POINT = {
    "network": "Truncation point (cut): the block after which the pretrained network ends; a small head follows it.",
    "U-Net": "Truncation point (cut): the block after which the pretrained encoder ends; the decoder is shortened with"
    " it and begins there.",
}
"""By what is cut."""


def chosen_against_whole(report: RunReport) -> Section | None:
    """Cost, time and every metric; None before the choice."""
    chosen, what = report.chosen, noun(report)
    if chosen is None:
        return None
    rows = [*_size_rows(report, chosen), *_latency_rows(report), *_metric_rows(report, chosen)]
    rows += [*_seed_rows(report, chosen), *_point_rows(report)]
    number = report.decisions.units if report.decisions else report.task.split_images["test"]
    caption = f"Smaller figures are 95% intervals. Test figures are of {units.whole(number)} {tested_units(report)}."
    columns: tuple[str, ...] = ("", f"Truncated {what}", f"Whole {what}", "Truncated against whole")
    title = f"The truncated {what} against the whole one"
    if report.keeps_whole:
        columns, title = ("", f"Whole {what}"), f"The whole {what}"
        rows = [Row(line.cells[:2]) for line in rows]
    else:
        caption = f"Truncated: {report.model.name} up to {chosen.cut}. {caption}"
    notes = (Prose(sentence) for sentence in undertrained(report).values())
    return Section("card", title, (Table(caption, columns, tuple(rows)), *notes, _glossary(report)))


def _size_rows(report: RunReport, chosen: PointResult) -> list[Row]:
    whole, export, params = report.points[-1], report.export, Cell("Parameters", HEAD_EXCLUDED[noun(report)])
    sizes = (export.size_bytes, export.full_size_bytes) if export else (None, None)
    cut_bytes, whole_bytes = (nan if size is None else float(size) for size in sizes)

    def share(part: float, total: float) -> Cell:
        return amount(units.share(part, total), units.percent)

    byte_cells = (amount(size, units.size, "bytes") for size in (cut_bytes, whole_bytes))
    macs = Cell("MACs", "multiply-adds per image")
    (cut_params, cut_macs), (whole_params, whole_macs) = cost_cells(chosen), cost_cells(whole)
    return [
        row(params, cut_params, whole_params, share(chosen.params, whole.params)),
        row(macs, cut_macs, whole_macs, share(chosen.macs, whole.macs)),
        row(Cell("File size", "ONNX"), *byte_cells, share(cut_bytes, whole_bytes)),
    ]


def _latency_rows(report: RunReport) -> list[Row]:
    cut, whole = report.timed_pair()
    if report.keeps_whole:
        cut = whole = next((timing for timing in report.latency if is_of_whole(timing)), cut)
    if cut is None:
        return []
    where = f"{cut.runtime}, {cut.device}, batch {units.whole(cut.batch)}, threads {units.whole(cut.threads)}"
    times = (amount(of.p50_ms if of else None, units.milliseconds, "ms") for of in (cut, whole))
    return [row(Cell("Latency, median", where), *times, ratio_cell(ratio_of(cut)))]


def _metric_rows(report: RunReport, chosen: PointResult) -> list[Row]:
    """Every metric; the difference in the one that chooses is that of the paired comparison."""
    whole, rows = report.full.test if report.full else {}, []
    paired = {report.metric: report.comparison.difference} if report.comparison else {}
    if report.decisions and report.decisions.endpoint and not report.decisions.full.rule.thresholds:
        paired[report.decisions.endpoint.metric] = report.decisions.endpoint.difference
    for key in sorted(dict.fromkeys([*chosen.test, *whole]), key=lambda key: key != report.metric):
        metric = report.measure(key)
        note = _metric_note(report, key, metric)
        rows.append(_metric_row(metric, note, chosen.test.get(key), whole.get(key), paired.get(key)))
    return rows


def _metric_note(report: RunReport, key: str, metric: Metric) -> str:
    """What a reader must know of a figure: that it has nothing to do with the thresholds, where there are some."""
    if key in AT_HALF and report.decisions and report.decisions.full.rule.thresholds:
        of_labels = not report.task.kind.one_class_each
        return "from probability 0.5 on" if of_labels else "of the most probable class"
    believed = report.probabilities
    if key == "ece" and believed is not None:
        of = believed.full if report.keeps_whole else believed.chosen
        expected = metric.interval(of.expected_error) if of else ""
        return f"{metric.note}; where perfectly calibrated {expected}" if expected else metric.note
    return metric.note


def _metric_row(
    metric: Metric, note: str, cut: Estimate | None, whole: Estimate | None, paired: Estimate | None = None
) -> Row:
    gap = metric_cell((cut or Estimate()).value - (whole or Estimate()).value, metric, is_difference=True)
    if paired and paired.has_interval:
        ends = f"{metric.signed(paired.ci_low)} to {metric.signed(paired.ci_high)}"
        gap = Cell(metric.signed(paired.value), ends, paired.value, metric.unit, interval_ends(paired))
    return row(Cell(f"Test {metric.name}", note), estimate_cell(cut, metric), estimate_cell(whole, metric), gap)


def _seed_rows(report: RunReport, chosen: PointResult) -> list[Row]:
    """The test metric over the seeds, mean and standard deviation; nothing where there is one seed."""
    if chosen.spread is None:
        return []
    cut, whole = (report.over_seeds(of, "test").mean for of in (chosen, report.full))
    name = Cell(f"Test {report.score.name} over seeds", "mean ± standard deviation")
    cells = (seeds_cell(report, of, "test") for of in (chosen, report.full))
    return [row(name, *cells, metric_cell(cut - whole, report.score, is_difference=True))]


def _point_rows(report: RunReport) -> list[Row]:
    """What is found and what is left alone where each network decides; nothing without thresholds."""
    decided = report.decisions
    cut = None if decided is None else decided.full if report.keeps_whole else decided.chosen
    if decided is None or cut is None or not cut.rule.thresholds:
        return []
    whole = decided.full
    paired = {decided.endpoint.metric: decided.endpoint.difference} if decided.endpoint else {}
    rows = []
    for key in POINT_METRICS:
        if key in cut.rates:
            values = cut.rates.get(key), whole.rates.get(key), paired.get(key)
            rows.append(_metric_row(report.measure(key), "at the operating point", *values))
    return rows


def _glossary(report: RunReport) -> Listing:
    per_pixel, counts, names = report.task.kind.per_pixel, report.task.counts["test"], report.task.class_names
    # The AUPRC that guessing gets, of two classes, is the share of positive images.
    chance = units.share(counts[names[1]], sum(counts.values())) if report.task.kind == "binary" else nan
    if report.task.kind == "binary" and report.decisions is not None:
        chance = report.decisions.prevalence
    lines = []
    for key, metric in METRICS.items():
        if metric.meaning and (key in OF_PIXELS) == per_pixel:
            guess = f" Guessing gets {units.score(chance)} on these {tested_units(report)}."
            line = f"{capitalised(metric.name)}: {metric.meaning}"
            lines.append(line + (guess if key == "auprc" and isfinite(chance) else ""))
    of_classes = () if per_pixel else OF_CLASSES
    return Listing((*lines, *of_classes, *GENERAL, POINT[noun(report)]), summary="What the words mean")
