"""What accuracy costs: the validation metric of every candidate against its MACs, and the best there is for each."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import PurePath

from ttl.report.blocks import Cell, Figure, Table, estimate_cell, row
from ttl.report.figures import svg
from ttl.report.figures.plots import ROLES, candidate_mark, candidates_key, role, validation
from ttl.report.reading import Candidate, Report, mapping, records
from ttl.words import units
from ttl.words.estimate import number


def pareto_figure(report: Report) -> Figure | None:
    """The candidates by their MACs, and the front through the best; None if there is nothing to draw."""
    tried = sorted(
        (c for c in report.candidates if math.isfinite(c.macs) and validation(report, c).known), key=lambda c: c.macs
    )
    if not tried:
        return None
    scale, prefix = _scale(tried[-1].macs)
    estimates = [validation(report, c) for c in tried]
    values = [bound for e in estimates for bound in (e.value, e.low, e.high)]
    width = (0.0, 1.06 * max(tried[-1].macs / scale, 1e-9))
    axes = svg.Axes.spanning(width, svg.padded(values, 0.0, report.score.ceiling))
    front = front_of(report, tried)
    picture = svg.plot(
        "pareto",
        f"validation {report.metric_name} against MACs",
        _described(report, tried, front),
        axes.frame(f"MACs of an image, {prefix}".rstrip(" ,"), f"validation {report.score.titled}", whole=False),
        axes.path(*_steps(report, front, scale, width[1]), "front"),
        *(candidate_mark(axes, report, c, c.macs / scale) for c in sorted(tried, key=report.is_chosen)),
    )
    caption = (
        f"Validation {report.metric_name} of every truncation point that was tried against the computation that an "
        "image costs (MACs: multiply-adds), with 95% intervals. On the line: nothing that was tried is both cheaper "
        "and better. The vertical axis does not start at 0."
    )
    key = (*candidates_key(report, tried), ("line-key front", "best for the computation"))
    return Figure("pareto", picture, caption, key, _data(report, tried, front))


def front_of(report: Report, tried: Sequence[Candidate]) -> list[Candidate]:
    """Those than which none is cheaper and at least as good, or as cheap and better; by rising MACs."""
    sign = -1 if report.score.lower_is_better else 1

    def worth(candidate: Candidate) -> float:
        return sign * validation(report, candidate).value

    front: list[Candidate] = []
    for candidate in sorted(tried, key=lambda c: (c.macs, -worth(c))):
        if not front or worth(candidate) > worth(front[-1]):
            front.append(candidate)
    return front


def _scale(macs: float) -> tuple[float, str]:
    """What MACs are divided by on the axis, and the prefix that says it: 1e9 and G."""
    step = min(max(0, math.floor(math.log10(max(macs, 1)) / 3)), len(units.SUFFIXES) - 1)
    return 1000.0**step, units.SUFFIXES[step].strip()


def _steps(report: Report, front: Sequence[Candidate], scale: float, end: float) -> tuple[list[float], list[float]]:
    """The best for each cost, as steps up to the right edge."""
    xs, ys = [], []
    for candidate, x in zip(front, [*(c.macs / scale for c in front[1:]), end], strict=True):
        xs += [candidate.macs / scale, x]
        ys += [validation(report, candidate).value] * 2
    return xs, ys


def _described(report: Report, tried: Sequence[Candidate], front: Sequence[Candidate]) -> str:
    points = ", ".join(
        f"{c.cut} {units.large(c.macs)} MACs {report.score.text(validation(report, c).value)} "
        f"{ROLES[role(report, c)]}".strip()
        for c in tried
    )
    best = ", ".join(c.cut for c in front)
    return f"{len(tried)} candidates from the cheapest to the dearest: {points}. Best for their cost: {best}."


def _data(report: Report, tried: Sequence[Candidate], front: Sequence[Candidate]) -> Table:
    timed = _timed(report)
    rows = tuple(
        row(
            c.cut,
            ROLES[role(report, c)],
            "yes" if c in front else "no",
            units.large(c.macs),
            units.large(c.params),
            estimate_cell(validation(report, c), report.score),
            *((_time_cell(timed.get(c.cut)),) if timed else ()),
            mark=role(report, c),
        )
        for c in tried
    )
    columns = ("Point", "Role", "On the line", "MACs", "Params", f"Validation {report.metric_name}")
    return Table("Data of this plot", (*columns, *(("Latency, median",) if timed else ())), rows, n_text=3, folded=True)


def _timed(report: Report) -> Mapping[str, float]:
    """Point -> milliseconds an image, where it was measured: for a budget, or of the exported files."""
    budget = records(mapping(mapping(report.raw, "search"), "max_latency_ms"), "measured")
    if budget:
        return {str(timed.get("cut")): number(timed.get("p50_ms")) for timed in budget}
    cut, whole = report.setting()
    files = ((report.full, whole), (report.chosen, cut))
    return {c.cut: timing.p50_ms for c, timing in files if c and timing and PurePath(timing.model).suffix}


def _time_cell(milliseconds: float | None) -> Cell:
    return Cell(units.milliseconds(math.nan if milliseconds is None else milliseconds))
