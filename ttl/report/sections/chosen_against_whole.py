"""The card: chosen and whole network side by side."""

from __future__ import annotations

from math import nan

from ttl.report.figures.class_curves import class_records
from ttl.report.page_blocks import Cell, Row, Section, Table, amount, estimate_cell, interval_ends, metric_cell, row
from ttl.report.schema import RunReport
from ttl.report.schema.run_report import is_of_whole, ratio_of
from ttl.report.schema.searched import PointResult
from ttl.report.sections.glossary import glossary
from ttl.report.sections.points_table import HEAD_EXCLUDED, cost_cells, seeds_cell
from ttl.report.sections.timings import ratio_cell
from ttl.report.wording import noun
from ttl.words import units
from ttl.words.estimate import Estimate


def chosen_against_whole(report: RunReport) -> Section | None:
    """Cost, time and every metric; None before the choice."""
    chosen = report.chosen
    if chosen is None:
        return None
    whole, truncated = (f"{which} {noun(report)}" for which in ("Whole", "Truncated"))
    columns: tuple[str, ...] = ("", truncated, whole, "Truncated against whole")
    title = f"The truncated {noun(report)} against the whole one"
    tested = units.whole(report.task.split_images["test"])
    caption = f"Smaller figures are 95% intervals. Test figures are of {tested} images."
    rows = [*_size_rows(report, chosen), *_latency_rows(report), *_metric_rows(report, chosen)]
    rows += [*_seed_rows(report, chosen), *_half_rows(report)]
    if report.keeps_whole:
        columns, title = ("", whole), f"The whole {noun(report)}"
        rows = [Row(line.cells[:2]) for line in rows]
    else:
        caption = f"Truncated: {report.model.name} up to {chosen.cut}. {caption}"
    return Section("card", title, (Table(caption, columns, tuple(rows)), glossary(report)))


def _size_rows(report: RunReport, chosen: PointResult) -> list[Row]:
    whole, export = report.points[-1], report.export
    cut_costs, whole_costs = cost_cells(chosen), cost_cells(whole)
    shares = [units.share(*of) for of in ((chosen.params, whole.params), (chosen.macs, whole.macs))]
    params, macs = (amount(share, units.percent) for share in shares)
    sizes = (export.size_bytes, export.full_size_bytes) if export else (None, None)
    cut_bytes, whole_bytes = (nan if size is None else float(size) for size in sizes)
    return [
        row(Cell("Parameters", HEAD_EXCLUDED[noun(report)]), cut_costs[0], whole_costs[0], params),
        row(Cell("MACs", "multiply-adds per image"), cut_costs[1], whole_costs[1], macs),
        row(
            Cell("File size", "ONNX"),
            *(amount(size, units.size, "bytes") for size in (cut_bytes, whole_bytes)),
            amount(units.share(cut_bytes, whole_bytes), units.percent),
        ),
    ]


def _latency_rows(report: RunReport) -> list[Row]:
    cut, whole = report.timed_pair()
    if report.keeps_whole:
        whole = next((timing for timing in report.latency if is_of_whole(timing)), cut)
        cut = whole
    if cut is None:
        return []
    where = f"{cut.runtime}, {cut.device}, batch {units.whole(cut.batch)}, threads {units.whole(cut.threads)}"
    times = (amount(of.p50_ms if of else None, units.milliseconds, "ms") for of in (cut, whole))
    return [row(Cell("Latency, median", where), *times, ratio_cell(ratio_of(cut)))]


def _metric_rows(report: RunReport, chosen: PointResult) -> list[Row]:
    whole = report.full.test if report.full else {}
    names = sorted(dict.fromkeys([*chosen.test, *whole]), key=lambda name: name != report.metric)
    rows = []
    for name in names:
        cut, other, metric = chosen.test.get(name), whole.get(name), report.measure(name)
        difference = _difference_cell(report, name, cut or Estimate(), other or Estimate())
        title = Cell(f"Test {metric.name}", metric.note)
        rows.append(row(title, estimate_cell(cut, metric), estimate_cell(other, metric), difference))
    return rows


def _difference_cell(report: RunReport, name: str, cut: Estimate, whole: Estimate) -> Cell:
    """Of the metric that chooses with the interval of the paired comparison."""
    metric = report.measure(name)
    if name != report.metric or report.comparison is None or not report.comparison.difference.has_interval:
        return metric_cell(cut.value - whole.value, metric, is_difference=True)
    gap = report.comparison.difference
    ends = f"{metric.signed(gap.ci_low)} to {metric.signed(gap.ci_high)}"
    return Cell(metric.signed(gap.value), ends, gap.value, metric.unit, interval_ends(gap))


def _seed_rows(report: RunReport, chosen: PointResult) -> list[Row]:
    """The test metric over the seeds, mean and standard deviation; nothing where there is one seed."""
    if chosen.spread is None:
        return []
    cut, whole = (report.over_seeds(of, "test").mean for of in (chosen, report.full))
    name = Cell(f"Test {report.score.name} over seeds", "mean ± standard deviation")
    cells = (seeds_cell(report, of, "test") for of in (chosen, report.full))
    return [row(name, *cells, metric_cell(cut - whole, report.score, is_difference=True))]


def _half_rows(report: RunReport) -> list[Row]:
    """Of two classes, what is found and what is left alone where 0.5 decides; nothing elsewhere."""
    records = next(iter(class_records(report).values()), []) if report.task.kind == "binary" else []
    by_network = {side.network: side.of for side in records}
    whole, cut = by_network.get("full"), by_network.get("full" if report.keeps_whole else "chosen")
    if whole is None or cut is None:
        return []
    one, other = cut.at_threshold, whole.at_threshold
    lines = (
        ("sensitivity", f"{cut.name} found, from probability 0.5 on", one.sensitivity, other.sensitivity),
        ("specificity", "others left alone, likewise", one.specificity, other.specificity),
    )
    return [
        row(
            Cell(f"Test {name}", note),
            estimate_cell(own, report.measure(name)),
            estimate_cell(wholes, report.measure(name)),
            metric_cell(own.value - wholes.value, report.measure(name), is_difference=True),
        )
        for name, note, own, wholes in lines
    ]
