"""What was chosen, against the whole network, and why this point."""

from __future__ import annotations

import math

from ttl.report.blocks import Block, Cell, Listing, Prose, Row, Section, Table, ends, estimate_cell, row
from ttl.report.figures.judging import judged_classes
from ttl.report.figures.looks import looks
from ttl.report.figures.pareto import pareto_figure
from ttl.report.figures.plots import depth_figure, role
from ttl.report.figures.similarity import similarity
from ttl.report.reading import Candidate, Report, mapping, records
from ttl.report.sections.glossary import glossary
from ttl.report.sections.points import HEAD_EXCLUDED, counted_cells, points_table
from ttl.words import units
from ttl.words.estimate import Estimate, number


def at_a_glance(report: Report) -> Section | None:
    """The card: chosen and whole network side by side."""
    if report.chosen is None:
        return None
    whole, truncated = (f"{which} {report.noun}" for which in ("Whole", "Truncated"))
    columns: tuple[str, ...] = ("", truncated, whole, "Truncated against whole")
    title = f"The truncated {report.noun} against the whole one"
    if report.keeps_whole:
        columns, title = ("", whole), f"The whole {report.noun}"
    rows = [*_size_rows(report, report.chosen), *_latency_rows(report), *_metric_rows(report, report.chosen)]
    rows += [*_spread_rows(report, report.chosen), *_at_half_rows(report)]
    if report.keeps_whole:
        rows = [Row(r.cells[:2]) for r in rows]
    tested = report.images("test")
    on = f" Test figures are of {units.whole(tested)} images." if tested > 0 else ""
    caption = f"Smaller figures are 95% intervals.{on}"
    if not report.keeps_whole:
        caption = f"Truncated: {report.model} up to {report.chosen.cut}. {caption}"
    table = Table(caption, columns, tuple(rows))
    return Section("card", title, (table, glossary(report)))


def _size_rows(report: Report, chosen: Candidate) -> list[Row]:
    full, export = report.full, mapping(report.raw, "export")
    cut, whole = counted_cells(chosen), counted_cells(full) if full else (Cell(units.MISSING),) * 2
    shares = [units.share(getattr(chosen, key), getattr(full, key, math.nan)) for key in ("params", "macs")]
    cut_bytes, full_bytes = number(export.get("size_bytes")), number(export.get("full_size_bytes"))
    if report.keeps_whole and math.isnan(cut_bytes):
        cut_bytes = full_bytes
    share = units.percent(units.share(cut_bytes, full_bytes))
    return [
        row(Cell("Parameters", HEAD_EXCLUDED[report.noun]), cut[0], whole[0], units.percent(shares[0])),
        row(Cell("MACs", "multiply-adds per image"), cut[1], whole[1], units.percent(shares[1])),
        row(Cell("File size", "ONNX"), units.size(cut_bytes), units.size(full_bytes), share),
    ]


def _latency_rows(report: Report) -> list[Row]:
    cut, whole = report.setting()
    if report.keeps_whole:
        whole = next((timing for timing in report.latency if timing.is_full), cut)
        cut = whole
    if cut is None:
        return []
    where = f"{cut.runtime}, {cut.device}, batch {units.whole(cut.batch)}, threads {units.whole(cut.threads)}"
    whole_ms = units.milliseconds(whole.p50_ms if whole else math.nan)
    name = Cell("Latency, median", where)
    return [row(name, units.milliseconds(cut.p50_ms), whole_ms, ratio_cell(cut.ratio))]


def ratio_cell(ratio: Estimate) -> Cell:
    """A time ratio with its interval, in words where the interval holds 1.0."""
    if not ratio.known:
        return Cell(units.MISSING)
    if not ratio.has_interval:
        return Cell(f"× {units.ratio(ratio.value)}", raw=ratio.value)  # noqa: RUF001
    interval = f"{units.ratio(ratio.low)} to {units.ratio(ratio.high)}"
    if ratio.low <= 1.0 <= ratio.high:
        interval += ": no measurable speed-up"
    return Cell(f"× {units.ratio(ratio.value)}", interval, raw=ratio.value, parts=ends(ratio))  # noqa: RUF001


def _metric_rows(report: Report, chosen: Candidate) -> list[Row]:
    whole = report.full.test if report.full else {}
    names = sorted(dict.fromkeys([*chosen.test, *whole]), key=lambda name: name != report.metric)
    return [
        row(
            Cell(f"Test {report.measure(name).name}", report.measure(name).note),
            estimate_cell(chosen.test.get(name), report.measure(name)),
            estimate_cell(whole.get(name), report.measure(name)),
            _difference_cell(report, name, chosen.test.get(name, Estimate()), whole.get(name, Estimate())),
        )
        for name in names
    ]


def _at_half_rows(report: Report) -> list[Row]:
    """Of two classes, what is found and what is left alone where 0.5 decides; nothing elsewhere."""
    sides = next(iter(judged_classes(report).values()), []) if report.kind == "binary" else []
    by_network = {side.network: side for side in sides}
    whole, cut = by_network.get("full"), by_network.get("full" if report.keeps_whole else "chosen")
    if whole is None or cut is None:
        return []
    pairs = (
        ("sensitivity", f"{cut.name} found, from probability 0.5 on", cut.sensitivity, whole.sensitivity),
        ("specificity", "others left alone, likewise", cut.specificity, whole.specificity),
    )
    return [
        row(
            Cell(f"Test {name}", note),
            estimate_cell(own, report.measure(name)),
            estimate_cell(other, report.measure(name)),
            Cell(report.measure(name).signed(own.value - other.value)),
        )
        for name, note, own, other in pairs
    ]


def _spread_rows(report: Report, chosen: Candidate) -> list[Row]:
    """The test metric over the seeds, mean and standard deviation; nothing where there is one seed."""
    if chosen.spread is None:
        return []
    whole = report.full
    means = [c.spread.of("test", report.metric)[0] if c and c.spread else math.nan for c in (chosen, whole)]
    name = Cell(f"Test {report.metric_name} over seeds", "mean ± standard deviation")
    cells = [_spread_cell(report, c, "test") if c else Cell(units.MISSING) for c in (chosen, whole)]
    return [row(name, *cells, report.score.signed(means[0] - means[1]))]


def _difference_cell(report: Report, metric: str, cut: Estimate, whole: Estimate) -> Cell:
    gap, signed = report.difference, report.measure(metric).signed
    if metric != report.metric or not gap.has_interval:
        return Cell(signed(cut.value - whole.value))
    return Cell(signed(gap.value), f"{signed(gap.low)} to {signed(gap.high)}", parts=ends(gap))


def why_this_point(report: Report) -> Section | None:
    """The evidence for the choice: metric against depth, and every candidate."""
    blocks: list[Block] = []
    reason = mapping(report.raw, "search").get("reason")
    if reason:
        blocks.append(Prose(str(reason)))
    figures = (depth_figure(report), pareto_figure(report), looks(report), similarity(report))
    blocks += [block for block in figures if block is not None]
    if report.candidates:
        blocks += [_candidates_table(report), _all_metrics_table(report)]
    blocks += _latency_budget(report)
    failed = tuple(f"{f.get('cut')}: {f.get('cause')}" for f in records(report.raw, "failed"))
    if failed:
        blocks.append(Listing(failed, "Fine-tunes that failed"))
    if report.points:
        blocks.append(points_table(report))
    title = "Why this point" if report.chosen else "What was tried so far"
    return Section("why", title, tuple(blocks)) if blocks else None


def _latency_budget(report: Report) -> tuple[Table, ...]:
    """What was timed to keep to a budget; nothing where there was none."""
    budget = mapping(mapping(report.raw, "search"), "max_latency_ms")
    measured = records(budget, "measured")
    if not measured:
        return ()
    most, threads, highest = number(budget.get("budget_ms")), number(budget.get("threads")), budget.get("highest")
    times = ((str(timed.get("cut")), number(timed.get("p50_ms"))) for timed in measured)
    rows = tuple(
        row(name, units.milliseconds(p50_ms), "" if math.isnan(p50_ms) else "yes" if p50_ms <= most else "no")
        for name, p50_ms in times
    )
    caption = (
        f"The points that were timed to keep to {units.milliseconds(most)} an image, threads {units.whole(threads)}. "
        f"The search went up to {highest}, the highest that is within. The time is the median of one image."
    )
    return (Table(caption, ("Point", "Time", "Within"), rows),)


def _named(report: Report, candidate: Candidate) -> Cell:
    notes = {"chosen": "chosen", "full": "whole network", "other": ""}
    whole_chosen = report.keeps_whole and report.is_chosen(candidate)
    return Cell(candidate.cut, "chosen, whole network" if whole_chosen else notes[role(report, candidate)])


def _candidates_table(report: Report) -> Table:
    name = report.metric_name
    repeated = any(c.spread for c in report.candidates)
    rows = (
        row(
            _named(report, c),
            units.whole(c.index),
            estimate_cell(c.val.get(report.metric), report.score),
            estimate_cell(c.test.get(report.metric), report.score),
            *((_spread_cell(report, c, "val"), _spread_cell(report, c, "test")) if repeated else ()),
            *counted_cells(c),
            units.whole(c.epochs),
            units.duration(c.seconds),
            Cell(str(len(c.trials)) if c.trials else units.MISSING, ", ".join(c.trials)),
            mark=role(report, c),
        )
        for c in report.candidates
    )
    over_seeds = (f"Val {name}, seeds", f"Test {name}, seeds") if repeated else ()
    columns = ("Point", "Index", f"Val {name}", f"Test {name}", *over_seeds)
    columns += ("Params", "MACs", "Epochs", "Time", "Trials")
    rule = "The choice rests on the validation column only."
    if repeated:
        rule = (
            "The choice rests on the mean validation value over the seeds; the other figures are of the seed "
            "that validates best, whose weights were kept."
        )
    caption = f"Every candidate that was tried. {rule} Params and MACs: {HEAD_EXCLUDED[report.noun]}."
    return Table(caption, columns, tuple(rows))


def _spread_cell(report: Report, candidate: Candidate, split: str) -> Cell:
    """Mean and standard deviation over the seeds of the metric that chooses."""
    if candidate.spread is None:
        return Cell(units.MISSING)
    mean, sd = candidate.spread.of(split, report.metric)
    text = f"{report.score.text(mean)} ± {report.score.text(sd)}"
    return Cell(text, f"{len(candidate.spread.seeds)} seeds", raw=mean, parts=(("standard deviation", sd),))


def _all_metrics_table(report: Report) -> Table:
    names = tuple(dict.fromkeys(name for c in report.candidates for name in (*c.val, *c.test)))
    columns = ("Point", *(f"{split} {report.measure(name).name}" for name in names for split in ("Val", "Test")))
    rows = (
        row(
            _named(report, c),
            *(estimate_cell(split.get(name), report.measure(name)) for name in names for split in (c.val, c.test)),
            mark=role(report, c),
        )
        for c in report.candidates
    )
    return Table("All metrics of every candidate", columns, tuple(rows), folded=True)
