"""The figures of the first screen: what the chosen network costs and reaches, against the whole one."""

from __future__ import annotations

from collections.abc import Callable
from math import isnan

from ttl.report.page_blocks import Tile
from ttl.report.schema import RunReport
from ttl.report.schema.run_report import is_of_whole, ratio_of
from ttl.report.schema.searched import PointResult
from ttl.report.wording import known_of_some, noun, patients, share_with_interval, with_interval
from ttl.words import units
from ttl.words.estimate import Estimate
from ttl.words.metric import Metric
from ttl.words.text import capitalised

RATES = ("sensitivity", "specificity")


def tiles_of(report: RunReport) -> tuple[Tile, ...]:
    """Size, time, what is decided, how well it ranks, and on how many images; nothing before the choice."""
    chosen = report.chosen
    if chosen is None:
        return ()
    tiles = [_size(report, chosen), _time(report), *_decided(report)]
    if chosen.test:
        tiles += _metrics(report, chosen)
        tiles.append(_tested_on(report))
    return tuple(tiles)


def _size(report: RunReport, chosen: PointResult) -> Tile:
    whole, export = report.points[-1].params, report.export
    if report.keeps_whole:
        size = units.size(export.size_bytes) if export and export.size_bytes else ""
        return Tile("Parameters", units.large(whole), beside=f"file {size}" if size else "")
    note, beside = f"{units.large(chosen.params)} of {units.large(whole)}", ""
    if export and export.size_bytes and export.full_size_bytes:
        beside = f"file {units.size(export.size_bytes)} of {units.size(export.full_size_bytes)}"
    return Tile("Parameters", units.percent(units.share(chosen.params, whole)), note, beside)


def _time(report: RunReport) -> Tile:
    timing, whole = report.timed_pair()
    title = "Time per image"
    if report.keeps_whole:
        whole = next((row for row in report.latency if is_of_whole(row)), None)
        if whole is None or not whole.p50_ms:
            return Tile(title, "not timed")
        return Tile(title, units.milliseconds(whole.p50_ms), beside=whole.runtime)
    ratio = ratio_of(timing) if timing else Estimate()
    if timing is None or not ratio.is_defined:
        return Tile(title, "not timed")
    if ratio.holds(1.0):
        note = f"{_ends(ratio)}: no measurable speed-up"
    else:
        note = f"{_ends(ratio)} of the whole {noun(report)}'s".strip()
    times = ""
    if whole and whole.p50_ms and timing.p50_ms:
        times = f"{units.milliseconds(timing.p50_ms)} of {units.milliseconds(whole.p50_ms)}"
    return Tile(title, units.percent(ratio.value), note, times)


def _ends(ratio: Estimate) -> str:
    """An interval of shares, with as many digits as tell its ends apart."""
    if not ratio.has_interval:
        return ""
    low, high = (units.percent(end) for end in (ratio.ci_low, ratio.ci_high))
    if low == high and ratio.ci_low < ratio.ci_high:
        low, high = (f"{units.significant(100 * end)}%" for end in (ratio.ci_low, ratio.ci_high))
    return f"{low} to {high}"


def _decided(report: RunReport) -> list[Tile]:
    """Sensitivity and specificity at the operating point, or the balanced accuracy; of masks their metric says it."""
    of = report.decisions
    chosen = None if of is None else of.full if report.keeps_whole else of.chosen
    if of is None or chosen is None or report.task.kind.per_pixel:
        return []
    names = RATES if "sensitivity" in chosen.rates else ("balanced_accuracy",)
    return [
        _against(report, report.measure(name), chosen.rates.get(name), of.full.rates.get(name), share_with_interval)
        for name in names
    ]


def _metrics(report: RunReport, chosen: PointResult) -> list[Tile]:
    """The metric that chooses, and the AUROC."""
    whole = report.full.test if report.full else {}
    shown = [key for key in dict.fromkeys((report.metric, "auroc")) if key in chosen.test]
    return [_against(report, report.measure(key), chosen.test.get(key), whole.get(key)) for key in shown]


def _against(
    report: RunReport,
    metric: Metric,
    chosen: Estimate | None,
    whole: Estimate | None,
    write: Callable[[Metric, Estimate], str] = with_interval,
) -> Tile:
    name = capitalised(metric.name)
    value, _, interval = write(metric, chosen or Estimate()).partition(" (")
    beside = ""
    if not report.keeps_whole and whole is not None and not isnan(whole.value):
        beside = f"whole: {write(metric, whole)}"
    return Tile(name, value, interval.removesuffix(")"), beside)


def _tested_on(report: RunReport) -> Tile:
    images, of_split = report.task.split_images["test"], patients(report)
    unknown = "not all patients known" if known_of_some(report) else "patients not known"
    note = f"of {units.whole(of_split['test'])} patients" if "test" in of_split else unknown
    of = report.decisions
    if of is not None and of.full.rule.per == "patient":
        return Tile("Test patients", units.whole(of.units), beside=f"{units.whole(images)} images")
    return Tile("Test images", units.whole(images), beside=note)
