"""What the cheap looks said of all points at once: a probe, and the heads of a network fine-tuned with one at each."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from ttl.report.blocks import Figure, Table, row
from ttl.report.figures import svg
from ttl.report.figures.depth import chosen_index, index_of
from ttl.report.figures.plots import DEPTH, stages
from ttl.report.reading import Report, records
from ttl.words import units
from ttl.words.estimate import number
from ttl.words.metric import Metric

KINDS = {
    "probe": (
        "probe",
        "The probe is a linear classifier on each point's frozen features, cross-validated on the training images; its "
        "standard error is over the folds.",
    ),
    "joint": (
        "joint network",
        "The joint network was fine-tuned with a head at every point; each head's value is on the validation images, "
        "its standard error that of the difference to the best head.",
    ),
}
"""Key in report.json, also the CSS class -> what it is called, and what it is."""
CROWDED = 14.0
"""With less room for a point, in user units, its dot is only a tooltip."""


@dataclass(frozen=True)
class Seen:
    """What one look saw at one point; each figure `nan` where the report has none."""

    cut: str
    index: float
    mean: float
    se: float

    @classmethod
    def read(cls, report: Report, value: Mapping[str, Any]) -> Seen:
        """From one entry of `probe` or `joint`."""
        cut = str(value.get("cut", "?"))
        return cls(cut, index_of(report, cut), number(value.get("mean")), number(value.get("se")))

    @property
    def drawn(self) -> bool:
        """Whether it has a place in the plot."""
        return math.isfinite(self.index) and math.isfinite(self.mean)

    @property
    def low(self) -> float:
        """A standard error below."""
        return self.mean - self.se

    @property
    def high(self) -> float:
        """A standard error above."""
        return self.mean + self.se


Looks = Mapping[str, Sequence[Seen]]
"""Key of `KINDS` -> what was seen, from the lowest point up."""


def looks(report: Report) -> Figure | Table | None:
    """The curves against depth; only their table where none can be drawn, None where there are none."""
    found = _read(report)
    if not found:
        return None
    drawn = {
        kind: [seen for seen in curve if math.isfinite(seen.index)]
        for kind, curve in found.items()
        if any(seen.drawn for seen in curve)
    }
    if not drawn:
        return _data(report, found, f"What was seen of the points before fine-tuning there. {_meaning(found)}")
    caption = (
        f"{report.metric_name} at every point before a fine-tune of its own, with a band of one standard error to "
        f"either side. {_meaning(found)} Such a look says where a fine-tune is worth it."
    )
    return Figure(
        "looks", _picture(report, drawn), caption, _key(report, drawn), _data(report, found, "Data of this plot")
    )


def _read(report: Report) -> Looks:
    curves = {kind: [Seen.read(report, value) for value in records(report.raw, kind)] for kind in KINDS}
    return {kind: sorted(curve, key=_depth) for kind, curve in curves.items() if curve}


def _depth(seen: Seen) -> float:
    return seen.index if math.isfinite(seen.index) else math.inf


def _meaning(found: Iterable[str]) -> str:
    return " ".join(KINDS[kind][1] for kind in found)


def _picture(report: Report, drawn: Looks) -> Markup:
    every = [seen for curve in drawn.values() for seen in curve]
    last = report.points[-1].index if report.points else max(seen.index for seen in every)
    values = svg.padded((value for s in every for value in (s.mean, s.low, s.high)), 0.0, report.score.ceiling)
    axes = svg.Axes.spanning((0.5, last + 0.5), values, above=26)
    chosen = chosen_index(report)
    return svg.plot(
        "looks",
        f"{' and '.join(KINDS[kind][0] for kind in drawn)} against depth",
        " ".join(_described(report.score, kind, curve) for kind, curve in drawn.items()),
        stages(axes, report.points),
        axes.frame(DEPTH, report.score.titled),
        *((axes.down(chosen, "chosen"),) if math.isfinite(chosen) else ()),
        *(_curve(axes, report.score, kind, curve, chosen) for kind, curve in drawn.items()),
    )


def _described(metric: Metric, kind: str, curve: Sequence[Seen]) -> str:
    points = ", ".join(f"{seen.cut} {metric.text(seen.mean)}" for seen in curve)
    return f"{KINDS[kind][0].capitalize()}, from the lowest point to the highest: {points}."


def _curve(axes: svg.Axes, metric: Metric, kind: str, curve: Sequence[Seen], chosen: float) -> Markup:
    xs = [seen.index for seen in curve]
    plain = kind if axes.step > CROWDED else f"unseen {kind}"
    dots = (
        axes.dot(s.index, s.mean, f"kept {kind}" if s.index == chosen else plain, f"{s.cut}: {_words(metric, kind, s)}")
        for s in curve
        if s.drawn
    )
    return svg.element(
        "g",
        axes.area(xs, [seen.low for seen in curve], [seen.high for seen in curve], kind),
        axes.path(xs, [seen.mean for seen in curve], f"{kind} dashed" if kind == "probe" else kind),
        *dots,
    )


def _words(metric: Metric, kind: str, seen: Seen) -> str:
    error = f", standard error {metric.text(seen.se)}" if math.isfinite(seen.se) else ""
    return f"{KINDS[kind][0]} {metric.text(seen.mean)}{error}"


def _key(report: Report, drawn: Looks) -> tuple[tuple[str, str], ...]:
    style = {"probe": "line-key probe dashed", "joint": "line-key joint"}
    lines = tuple((style[kind], KINDS[kind][0]) for kind in drawn)
    if report.chosen is None or math.isnan(chosen_index(report)):
        return lines
    return (*lines, ("line-key upright chosen", f"chosen: {report.chosen.cut}"))


def _data(report: Report, found: Looks, caption: str) -> Table:
    by_cut = [{seen.cut: seen for seen in curve} for curve in found.values()]
    points = {seen.cut: seen for curve in found.values() for seen in curve}
    chosen = report.chosen.cut if report.chosen else ""
    rows = tuple(
        row(
            cut,
            units.whole(seen.index),
            *(text for curve in by_cut for text in _figures(report.score, curve.get(cut))),
            mark="chosen" if cut == chosen else "",
        )
        for cut, seen in sorted(points.items(), key=lambda item: _depth(item[1]))
    )
    figures = ((f"{KINDS[kind][0].capitalize()}, {report.metric_name}", "Its standard error") for kind in found)
    return Table(caption, ("Point", "Index", *(title for pair in figures for title in pair)), rows, folded=True)


def _figures(metric: Metric, seen: Seen | None) -> tuple[str, str]:
    return (metric.text(seen.mean), metric.text(seen.se)) if seen else (units.MISSING, units.MISSING)
