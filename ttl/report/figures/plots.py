"""The plots of the page: each takes what was read from report.json and gives a figure with its data table."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from markupsafe import Markup

from ttl.report.blocks import Figure, Table, estimate_cell, row
from ttl.report.figures import svg
from ttl.report.reading import Candidate, Point, Report
from ttl.words import units
from ttl.words.estimate import Estimate, number

ROLES = {"chosen": "chosen", "full": "whole network", "other": ""}
DEPTH = "truncation point, lowest to whole network"
KEPT = "The ringed epoch is the one whose weights were kept: the best by what the recipe watches."
LOSSES = "Dashed: training loss. Solid: validation loss."


def depth_figure(report: Report) -> Figure | None:
    """The validation metric of every candidate against its depth; None if there is nothing to draw."""
    tried = [c for c in report.candidates if math.isfinite(c.index) and validation(report, c).known]
    if not tried:
        return None
    last = report.points[-1].index if report.points else int(max(c.index for c in tried))
    estimates = [validation(report, c) for c in tried]
    values = [bound for e in estimates for bound in (e.value, e.low, e.high)]
    axes = svg.Axes.spanning((0.5, last + 0.5), svg.padded(values, 0.0, report.score.ceiling), above=26)
    metric = f"validation {report.metric_name}"
    picture = svg.plot(
        "depth",
        f"{metric} against depth",
        _describe_depth(report, tried),
        stages(axes, report.points),
        axes.frame(DEPTH, f"validation {report.score.titled}"),
        _guides(axes, report, tried),
        *(candidate_mark(axes, report, c, c.index) for c in sorted(tried, key=report.is_chosen)),
    )
    caption = (
        f"{metric[0].upper()}{metric[1:]} of every truncation point that was tried, with 95% intervals. "
        "Shaded bands are the network's resolution stages; the axis does not start at 0."
    )
    return Figure("depth", picture, caption, candidates_key(report, tried), _depth_data(report, tried))


def role(report: Report, candidate: Candidate) -> str:
    """`chosen`, `full` or `other`: also the CSS class of its mark and its row."""
    if report.is_chosen(candidate):
        return "chosen"
    return "full" if report.is_full(candidate) else "other"


def validation(report: Report, candidate: Candidate) -> Estimate:
    """The metric that chooses, on the validation images."""
    return candidate.val.get(report.metric, Estimate())


def _describe_depth(report: Report, tried: Sequence[Candidate]) -> str:
    points = (
        f"{c.cut} {report.score.text(validation(report, c).value)} {ROLES[role(report, c)]}".strip() for c in tried
    )
    return f"{len(tried)} candidates from the lowest to the highest: {', '.join(points)}."


def stages(axes: svg.Axes, points: Sequence[Point]) -> Markup:
    """The network's resolution stages as bands over the whole height."""
    bands = (_stage(axes, stage, list(members)) for stage, members in groupby(points, key=lambda p: p.stage))
    return svg.element("g", *bands)


def _stage(axes: svg.Axes, stage: int, members: Sequence[Point]) -> Markup:
    """The band of one resolution stage; its number stands above where there is room for it."""
    left, right = axes.x(members[0].index - 0.5), axes.x(members[-1].index + 0.5)
    top, width = axes.y.stop, right - left
    label = f"stage {stage}" if width > 100 else str(stage) if width > 24 else ""
    names = svg.element("title", f"stage {stage}: {members[0].name} to {members[-1].name}")
    class_ = "band odd" if stage % 2 else "band"
    band = svg.element("rect", names, class_=class_, x=left, y=top, width=width, height=axes.y.start - top)
    text = svg.element("text", label, x=left + width / 2, y=top - 12, text_anchor="middle")
    return svg.element("g", band, text)


def _guides(axes: svg.Axes, report: Report, tried: Sequence[Candidate]) -> Markup:
    """A line down from the chosen point, and one across at the whole network's value."""
    lines = []
    for candidate in tried:
        x, y = axes.x(candidate.index), axes.y(validation(report, candidate).value)
        if report.is_full(candidate):
            lines.append(svg.element("line", class_="guide full", x1=axes.x.start, x2=axes.x.stop, y1=y, y2=y))
        if report.is_chosen(candidate):
            lines.append(svg.element("line", class_="guide chosen", x1=x, x2=x, y1=y, y2=axes.y.start))
    return svg.element("g", *lines)


def candidate_mark(axes: svg.Axes, report: Report, candidate: Candidate, x: float) -> Markup:
    """A candidate's validation metric with its interval, at `x`."""
    estimate, class_ = validation(report, candidate), role(report, candidate)
    label = f"{candidate.cut}: {report.score.text(estimate.value)}"
    dot = axes.dot(x, estimate.value, class_, label, square=report.is_full(candidate))
    if not estimate.has_interval:
        return dot
    return svg.element("g", axes.error_bar(x, estimate.low, estimate.high, class_), dot)


def candidates_key(report: Report, tried: Sequence[Candidate]) -> tuple[tuple[str, str], ...]:
    """The key to the marks of candidates."""
    labels = {
        "chosen": "chosen: {}",
        "full": "whole network: {}",
        "other": "other candidates" if report.chosen else "candidates",
    }
    first = {role(report, c): c for c in reversed(tried)}
    key = [(class_, labels[class_].format(first[class_].cut)) for class_ in labels if class_ in first]
    if report.keeps_whole and "chosen" in first:
        key[0] = ("chosen square", f"chosen: the whole network, {first['chosen'].cut}")
    return tuple(key)


def _depth_data(report: Report, tried: Sequence[Candidate]) -> Table:
    rows = (
        row(
            c.cut, ROLES[role(report, c)], units.plain(int(c.index)), estimate_cell(validation(report, c), report.score)
        )
        for c in tried
    )
    columns = ("Point", "Role", "Index", f"Validation {report.metric_name}")
    return Table("Data of this plot", columns, tuple(rows), n_text=2, folded=True)


@dataclass(frozen=True)
class Series:
    """One line of a learning-curve plot; `ys` may hold `nan`. `marked` is the position of the epoch kept."""

    label: str
    class_: str
    ys: tuple[float, ...]
    marked: int | None = None

    @property
    def xs(self) -> tuple[int, ...]:
        """Epochs, counted from 1 through all phases."""
        return tuple(range(1, len(self.ys) + 1))


def curve_figures(report: Report, networks: Mapping[str, Candidate]) -> list[Figure]:
    """Validation metric and losses by epoch; `networks` maps a role (`chosen`, `full`) to its candidate."""
    curved = {role_: c for role_, c in networks.items() if c.curve}
    value, title = f"val_{report.metric}", f"validation {report.score.titled}"
    scores = [_series(c, ROLES[r], r, value, kept=True) for r, c in curved.items()]
    losses = [
        _series(c, f"{ROLES[r]}, {name}", f"{r} {style}", key)
        for r, c in curved.items()
        for key, name, style in (("train_loss", "training", "dashed"), ("val_loss", "validation", ""))
    ]
    figures = (
        _curve_figure("curve-metric", title, KEPT, scores, ceiling=report.score.ceiling, text=report.score.text),
        _curve_figure("curve-loss", "loss", LOSSES, losses, ceiling=math.inf),
    )
    return [figure for figure in figures if figure is not None]


def _series(candidate: Candidate, label: str, class_: str, key: str, *, kept: bool = False) -> Series:
    ys = tuple(number(epoch.get(key)) for epoch in candidate.curve)
    best = int(candidate.best_epoch) - 1 if math.isfinite(candidate.best_epoch) else -1
    marked = best if kept and 0 <= best < len(ys) and math.isfinite(ys[best]) else None
    return Series(label, class_.strip(), ys, marked)


def _curve_figure(
    name: str,
    y_title: str,
    hint: str,
    series: list[Series],
    *,
    ceiling: float,
    text: Callable[[float], str] = units.significant,
) -> Figure | None:
    drawn = [line for line in series if any(map(math.isfinite, line.ys))]
    if not drawn:
        return None
    last = max(len(line.ys) for line in drawn)
    axes = svg.Axes.spanning((0.5, last + 0.5), svg.padded((y for s in drawn for y in s.ys), 0.0, ceiling))
    layers = [axes.frame("epoch", y_title)]
    for line in drawn:
        layers.append(axes.path(line.xs, line.ys, line.class_))
        if line.marked is not None:
            y = line.ys[line.marked]
            label = f"{line.label}, epoch {line.marked + 1}: {text(y)}"
            layers.append(axes.dot(line.marked + 1, y, f"kept {line.class_}", label, square="full" in line.class_))
    description = "; ".join(f"{s.label}: {len(s.ys)} epochs, {_first_and_last(s.ys)}" for s in drawn)
    picture = svg.plot(name, f"{y_title} by epoch", f"{description}.", *layers)
    key = tuple((f"line-key {line.class_}", line.label) for line in drawn)
    caption = f"{y_title[0].upper()}{y_title[1:]} after each epoch. {hint}"
    return Figure(name, picture, caption, key, _curve_data(drawn))


def _first_and_last(ys: Sequence[float]) -> str:
    finite = [y for y in ys if math.isfinite(y)]
    return f"from {units.significant(finite[0])} to {units.significant(finite[-1])}"


def _curve_data(series: Sequence[Series]) -> Table:
    epochs = range(max(len(line.ys) for line in series))
    cells = ((line.ys[i] if i < len(line.ys) else math.nan for line in series) for i in epochs)
    rows = tuple(row(str(i + 1), *(units.significant(y) for y in ys)) for i, ys in zip(epochs, cells, strict=True))
    return Table("Data of this plot", ("Epoch", *(line.label for line in series)), rows, folded=True)


def epochs_table(label: str, curve: Sequence[Mapping[str, Any]]) -> Table:
    """Everything that was recorded of each epoch of one fine-tune."""
    keys = tuple(dict.fromkeys(key for epoch in curve for key in epoch))
    rows = tuple(row(*(units.plain(epoch.get(key)) for key in keys)) for epoch in curve)
    return Table(f"Every epoch: {label}", tuple(k.replace("_", " ") for k in keys), rows, folded=True)
