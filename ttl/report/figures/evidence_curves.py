"""The evidence on all points before fine-tunes of their own: a probe, and the heads of the joint network."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from markupsafe import Markup

from ttl.report.figures import svg
from ttl.report.figures.depth_axis import chosen_guide, depth_axes, depth_plot
from ttl.report.page_blocks import Figure, Table, amount, metric_cell, row
from ttl.report.schema import RunReport
from ttl.search.evidence.curve import Look

SOURCES = {
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
NAME = "looks"
"""Of the plot and its table: people read `why-looks.csv`."""

Curves = Mapping[str, Sequence[Look]]
"""Key of `SOURCES` -> its curve, from the lowest point up."""


def evidence_figure(report: RunReport) -> Figure | Table | None:
    """The curves against depth; only their table where none has a value, None where there are none."""
    given = {"probe": report.probe, "joint": report.joint}
    curves = {key: sorted(curve, key=lambda p: report.index_of(p.cut)) for key, curve in given.items() if curve}
    if not curves:
        return None
    drawn = {key: curve for key, curve in curves.items() if any(math.isfinite(point.mean) for point in curve)}
    meaning = " ".join(SOURCES[key][1] for key in curves)
    if not drawn:
        return _table(report, curves, f"What was seen of the points before fine-tuning there. {meaning}")
    caption = (
        f"{report.score.name} at every point before a fine-tune of its own, with a band of one standard error to "
        f"either side. {meaning} Such a look says where a fine-tune is worth it."
    )
    return Figure(NAME, _picture(report, drawn), caption, _key(report, drawn), _table(report, curves))


def _picture(report: RunReport, drawn: Curves) -> Markup:
    ends = (end for curve in drawn.values() for p in curve for end in (p.mean, p.mean - p.se, p.mean + p.se))
    axes = depth_axes(report, svg.padded(ends, 0.0, report.score.ceiling))
    words = (
        f"{' and '.join(SOURCES[key][0] for key in drawn)} against depth",
        " ".join(_described(report, key, curve) for key, curve in drawn.items()),
    )
    lines = (_curve(report, axes, key, curve) for key, curve in drawn.items())
    return depth_plot(report, axes, NAME, words, report.score.titled, *chosen_guide(report, axes), *lines)


def _described(report: RunReport, key: str, curve: Sequence[Look]) -> str:
    points = ", ".join(f"{point.cut} {report.score.text(point.mean)}" for point in curve)
    return f"{SOURCES[key][0].capitalize()}, from the lowest point to the highest: {points}."


def _curve(report: RunReport, axes: svg.Axes, key: str, curve: Sequence[Look]) -> Markup:
    xs, text = [report.index_of(point.cut) for point in curve], report.score.text
    plain = key if axes.step > CROWDED else f"unseen {key}"
    dots = []
    for x, point in zip(xs, curve, strict=True):
        if math.isfinite(point.mean):
            error = f", standard error {text(point.se)}" if math.isfinite(point.se) else ""
            label = f"{point.cut}: {SOURCES[key][0]} {text(point.mean)}{error}"
            dots.append(axes.dot(x, point.mean, f"kept {key}" if report.is_chosen(point.cut) else plain, label))
    return svg.element(
        "g",
        axes.area(xs, [p.mean - p.se for p in curve], [p.mean + p.se for p in curve], key),
        axes.path(xs, [p.mean for p in curve], f"{key} dashed" if key == "probe" else key),
        *dots,
    )


def _key(report: RunReport, drawn: Curves) -> tuple[tuple[str, str], ...]:
    styles = {"probe": "line-key probe dashed", "joint": "line-key joint"}
    lines = tuple((styles[key], SOURCES[key][0]) for key in drawn)
    return (*lines, ("line-key upright chosen", f"chosen: {report.chosen.cut}")) if report.chosen else lines


def _table(report: RunReport, curves: Curves, caption: str = "Data of this plot") -> Table:
    by_cut = [{point.cut: (point.mean, point.se) for point in curve} for curve in curves.values()]
    cuts = [point.name for point in report.points if any(point.name in curve for curve in by_cut)]
    rows = (
        row(
            cut,
            amount(report.index_of(cut)),
            *(metric_cell(value, report.score) for curve in by_cut for value in curve.get(cut, (None, None))),
            mark="chosen" if report.is_chosen(cut) else "",
        )
        for cut in cuts
    )
    pairs = ((f"{SOURCES[key][0].capitalize()}, {report.score.name}", "Its standard error") for key in curves)
    columns = ("Point", "Index", *(title for pair in pairs for title in pair))
    return Table(caption, columns, tuple(rows), folded=True)
