"""The validation metric of every candidate, against its depth and against the computation that it costs."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import PurePath

from markupsafe import Markup

from ttl.report.cells import amount, estimate_cell
from ttl.report.figures import svg
from ttl.report.figures.depth_axis import DEPTH, ROLES, Role, depth_axes, role, stages
from ttl.report.page_blocks import PLOTTED, Figure, Table, row
from ttl.report.schema import RunReport
from ttl.report.schema.searched import CandidateResult
from ttl.words import units
from ttl.words.text import capitalised

Candidates = Sequence[CandidateResult]


def depth_figure(report: RunReport) -> Figure | None:
    """The candidates against depth; None if there is nothing to draw."""
    tried = _scored(report)
    if not tried:
        return None
    axes, metric = depth_axes(report, _range(report, tried)), f"validation {report.score.name}"
    described = ", ".join(f"{c.cut} {_words(report, c)}" for c in tried)
    words = f"{metric} against depth", f"{len(tried)} candidates from the lowest to the highest: {described}."
    titles = DEPTH, f"validation {report.score.titled}"
    layers = _guides(report, axes, tried), *_marks(report, axes, tried, lambda c: c.index)
    picture = axes.plot("depth", words, titles, *layers, behind=stages(report, axes))
    caption = (
        f"{capitalised(metric)} of every truncation point that was tried, with 95% intervals. "
        "Shaded bands are the network's resolution stages; the axis does not start at 0."
    )
    rows = []
    for c in tried:
        value = estimate_cell(report.validation(c), report.score)
        rows.append(row(c.cut, ROLES[role(report, c.cut)], amount(c.index, units.plain), value))
    columns = ("Point", "Role", "Index", f"Validation {report.score.name}")
    data = Table(PLOTTED, columns, tuple(rows), n_text=2, folded=True)
    return Figure("depth", picture, caption, _key(report, tried), data)


def pareto_figure(report: RunReport) -> Figure | None:
    """The candidates by their MACs, and the front through the best; None if there is nothing to draw."""
    tried = sorted(_scored(report), key=lambda candidate: candidate.macs)
    if not tried:
        return None
    dearest = tried[-1].macs
    prefix = min(max(0, math.floor(math.log10(max(dearest, 1)) / 3)), len(units.SUFFIXES) - 1)
    scale = 1000.0**prefix
    width = (0.0, (1 + svg.AIR) * max(dearest / scale, 1e-9))
    axes, front = svg.Axes.spanning(width, _range(report, tried)), front_of(report, tried)
    starts = [c.macs / scale for c in front]
    xs = [x for ends in zip(starts, [*starts[1:], axes.x.high], strict=True) for x in ends]
    steps = axes.path(xs, [report.validation(c).value for c in front for _ in range(2)], "front")
    described = ", ".join(f"{c.cut} {units.large(c.macs)} MACs {_words(report, c)}" for c in tried)
    best = ", ".join(c.cut for c in front)
    words = (
        f"validation {report.score.name} against MACs",
        f"{len(tried)} candidates from the cheapest to the dearest: {described}. Best for their cost: {best}.",
    )
    titles = f"MACs of an image, {units.SUFFIXES[prefix].strip()}".rstrip(" ,"), f"validation {report.score.titled}"
    layers = steps, *_marks(report, axes, tried, lambda c: c.macs / scale)
    picture = axes.plot("pareto", words, titles, *layers, whole=False)
    caption = (
        f"Validation {report.score.name} of every truncation point that was tried against the computation that an "
        "image costs (MACs: multiply-adds), with 95% intervals. On the line: nothing that was tried is both cheaper "
        "and better. The vertical axis does not start at 0."
    )
    key = (*_key(report, tried), ("line-key front", "best for the computation"))
    return Figure("pareto", picture, caption, key, _costs(report, tried, front))


def front_of(report: RunReport, tried: Candidates) -> list[CandidateResult]:
    """Those than which none is cheaper and at least as good, or as cheap and better; by rising MACs."""

    def worth(candidate: CandidateResult) -> float:
        return (-1 if report.score.lower_is_better else 1) * report.validation(candidate).value

    front: list[CandidateResult] = []
    for candidate in sorted(tried, key=lambda c: (c.macs, -worth(c))):
        if not front or worth(candidate) > worth(front[-1]):
            front.append(candidate)
    return front


def _scored(report: RunReport) -> list[CandidateResult]:
    return [candidate for candidate in report.candidates if report.validation(candidate).is_defined]


def _range(report: RunReport, tried: Candidates) -> tuple[float, float]:
    estimates = [report.validation(c) for c in tried]
    return svg.padded((end for e in estimates for end in (e.value, e.ci_low, e.ci_high)), 0.0, report.score.ceiling)


def _words(report: RunReport, candidate: CandidateResult) -> str:
    return f"{report.score.text(report.validation(candidate).value)} {ROLES[role(report, candidate.cut)]}".strip()


def _marks(
    report: RunReport, axes: svg.Axes, tried: Candidates, x_of: Callable[[CandidateResult], float]
) -> list[Markup]:
    """Values with their intervals, the chosen one's above the others."""
    marks = []
    for candidate in sorted(tried, key=lambda c: report.is_chosen(c.cut)):
        x, estimate, class_ = x_of(candidate), report.validation(candidate), role(report, candidate.cut)
        label = f"{candidate.cut}: {report.score.text(estimate.value)}"
        mark = axes.dot(x, estimate.value, class_, label, square=report.is_whole(candidate.cut))
        if estimate.has_interval:
            mark = svg.element("g", axes.error_bar(x, estimate.ci_low, estimate.ci_high, class_), mark)
        marks.append(mark)
    return marks


def _guides(report: RunReport, axes: svg.Axes, tried: Candidates) -> Markup:
    """A line down from the chosen point, and one across at the whole network's value."""
    lines = []
    for candidate in tried:
        value = report.validation(candidate).value
        if report.is_whole(candidate.cut):
            lines.append(axes.level(value, "guide full"))
        if report.is_chosen(candidate.cut):
            lines.append(axes.down(candidate.index, "guide chosen", value))
    return svg.element("g", *lines)


def _key(report: RunReport, tried: Candidates) -> tuple[tuple[str, str], ...]:
    others = "other candidates" if report.chosen else "candidates"
    labels: dict[Role, str] = {"chosen": "chosen: {}", "full": "whole network: {}", "other": others}
    lowest = {role(report, c.cut): c.cut for c in reversed(tried)}
    key: list[tuple[str, str]] = [(of, label.format(lowest[of])) for of, label in labels.items() if of in lowest]
    if report.keeps_whole and "chosen" in lowest:
        key[0] = ("chosen square", f"chosen: the whole network, {lowest['chosen']}")
    return tuple(key)


def _costs(report: RunReport, tried: Candidates, front: Candidates) -> Table:
    timed, rows = _timed(report), []
    for c in tried:
        of, on_line, costs = role(report, c.cut), "yes" if c in front else "no", (c.macs, c.params)
        cells = [*(amount(cost, units.large) for cost in costs), estimate_cell(report.validation(c), report.score)]
        cells += [amount(timed.get(c.cut), units.milliseconds, "ms")] if timed else []
        rows.append(row(c.cut, ROLES[of], on_line, *cells, mark=of))
    columns = ["Point", "Role", "On the line", "MACs", "Params", f"Validation {report.score.name}"]
    columns += ["Latency, median"] if timed else []
    return Table(PLOTTED, tuple(columns), tuple(rows), n_text=3, folded=True)


def _timed(report: RunReport) -> dict[str, float | None]:
    """Point -> milliseconds an image, where it was measured: for a limit, or of the exported files."""
    if report.search.max_latency_ms:
        return {timed.cut: timed.p50_ms for timed in report.search.max_latency_ms.measured}
    cut, whole = report.timed_pair()
    files = ((report.full, whole), (report.chosen, cut))
    # Without a file's suffix a timing is of the model in PyTorch.
    return {result.cut: of.p50_ms for result, of in files if result and of and PurePath(of.model).suffix}
