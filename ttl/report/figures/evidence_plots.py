"""The evidence on all points: a probe and the joint network's heads, and SVCCA (Peng et al. 2023, Fig. 7)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from markupsafe import Markup

from ttl.report.cells import Cell, amount, metric_cell
from ttl.report.figures import svg
from ttl.report.figures.depth_axis import DEPTH, chosen_guide, depth_axes, stages
from ttl.report.page_blocks import PLOTTED, Figure, Table, row
from ttl.report.schema import RunReport
from ttl.report.schema.searched import Svcca
from ttl.search.evidence.curve import Look
from ttl.words import units

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
"""Of the plot of curves and its table: people read `why-looks.csv`."""
WIDEST_BOX = 26.0
"""In user units."""

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
        return _curves_table(report, curves, f"What was seen of the points before fine-tuning there. {meaning}")
    caption = (
        f"{report.score.name} at every point before a fine-tune of its own, with a band of one standard error to "
        f"either side. {meaning} Such a look says where a fine-tune is worth it."
    )
    key = [(f"line-key {of}{' dashed' if of == 'probe' else ''}", SOURCES[of][0]) for of in drawn]
    key += [("line-key upright chosen", f"chosen: {report.chosen.cut}")] if report.chosen else []
    return Figure(NAME, _curves(report, drawn), caption, tuple(key), _curves_table(report, curves, PLOTTED))


def _curves(report: RunReport, drawn: Curves) -> Markup:
    score = report.score
    ends = (end for curve in drawn.values() for p in curve for end in (p.mean, p.mean - p.se, p.mean + p.se))
    axes = depth_axes(report, svg.padded(ends, 0.0, score.ceiling))
    described = []
    for key, curve in drawn.items():
        points = ", ".join(f"{point.cut} {score.text(point.mean)}" for point in curve)
        described.append(f"{SOURCES[key][0].capitalize()}, from the lowest point to the highest: {points}.")
    words = f"{' and '.join(SOURCES[key][0] for key in drawn)} against depth", " ".join(described)
    layers = *chosen_guide(report, axes), *(_curve(report, axes, key, curve) for key, curve in drawn.items())
    return axes.plot(NAME, words, (DEPTH, score.titled), *layers, behind=stages(report, axes))


def _curve(report: RunReport, axes: svg.Axes, key: str, curve: Sequence[Look]) -> Markup:
    xs, text = [report.index_of(point.cut) for point in curve], report.score.text
    plain = key if axes.step > CROWDED else f"unseen {key}"
    dots = []
    for x, point in zip(xs, curve, strict=True):
        if math.isfinite(point.mean):
            error = f", standard error {text(point.se)}" if math.isfinite(point.se) else ""
            label = f"{point.cut}: {SOURCES[key][0]} {text(point.mean)}{error}"
            dots.append(axes.dot(x, point.mean, f"kept {key}" if report.ends_at(point.cut) else plain, label))
    return svg.element(
        "g",
        axes.area(xs, [p.mean - p.se for p in curve], [p.mean + p.se for p in curve], key),
        axes.path(xs, [p.mean for p in curve], f"{key} dashed" if key == "probe" else key),
        *dots,
    )


def _curves_table(report: RunReport, curves: Curves, caption: str) -> Table:
    by_cut = [{point.cut: (point.mean, point.se) for point in curve} for curve in curves.values()]
    rows = []
    for point in report.points:
        if any(point.name in curve for curve in by_cut):
            values = (value for curve in by_cut for value in curve.get(point.name, (None, None)))
            cells = amount(point.index), *(metric_cell(value, report.score) for value in values)
            rows.append(row(point.name, *cells, mark="chosen" if report.ends_at(point.name) else ""))
    pairs = ((f"{SOURCES[key][0].capitalize()}, {report.score.name}", "Its standard error") for key in curves)
    return Table(caption, ("Point", "Index", *(title for pair in pairs for title in pair)), tuple(rows), folded=True)


def svcca_figure(report: RunReport) -> Figure | None:
    """How alike the features are before and after fine-tuning: a box at every point; None where none was compared."""
    compared = report.svcca
    if not compared.points:
        return None
    lowest = next((point for point in compared.points if point.overlap >= compared.threshold), None)
    caption = (
        "How alike each point's features are before and after fine-tuning, as canonical correlations (SVCCA; 1 is the "
        "same up to a linear map). Box: the middle half, with a line at the median; whiskers: from the 5th to the "
        "95th percentile. Shaded: random features, their middle half darker. The overlap is the probability that a "
        "random coefficient is above one of the features' (Mann-Whitney U over the number of pairs); from "
        f"{compared.threshold:g} it is substantial: "
        f"{f'{lowest.cut} is the lowest point where it is' if lowest else 'it is so at no point'}."
    )
    chosen = [point.cut for point in compared.points if report.ends_at(point.cut)]
    key = [("other square", "before and after fine-tuning")] if len(compared.points) > len(chosen) else []
    key += [*(("chosen square", f"chosen: {cut}") for cut in chosen), ("chance square", "random features")]
    return Figure("similarity", _boxes(report, compared), caption, tuple(key), _boxes_table(report, compared))


def _boxes(report: RunReport, compared: Svcca) -> Markup:
    # Percentiles lie within 0..1, and the whole of that says how far apart two boxes are.
    axes = depth_axes(report, (0.0, 1.0), above=10)
    medians = ", ".join(f"{point.cut} {units.score(point.percentiles[2])}" for point in compared.points)
    random = compared.random
    words = (
        "similarity of the features before and after fine-tuning, against depth",
        f"Medians from the lowest point to the highest: {medians}. Random features: {units.score(random[2])}.",
    )
    strips = axes.across(random[0], random[4], "chance"), axes.across(random[1], random[3], "chance core")
    chance = svg.element("g", svg.element("title", f"random features: {_percentiles(random)}"), *strips)
    boxes = []
    for point in compared.points:
        width, class_ = min(WIDEST_BOX, 0.6 * axes.step), "chosen" if report.ends_at(point.cut) else "other"
        label = f"{point.cut}: {_percentiles(point.percentiles)}; overlap {units.score(point.overlap)}"
        boxes.append(axes.box(report.index_of(point.cut), point.percentiles, width, class_, label))
    layers, titles = (*chosen_guide(report, axes), *boxes), (DEPTH, "canonical correlation")
    return axes.plot("similarity", words, titles, *layers, behind=chance)


def _percentiles(five: Sequence[float]) -> str:
    low, bottom, middle, top, high = map(units.score, five)
    return f"median {middle}, middle half {bottom} to {top}, whiskers {low} to {high}"


def _boxes_table(report: RunReport, compared: Svcca) -> Table:
    def scores(five: Sequence[float]) -> list[Cell]:
        return [amount(value, units.score) for value in five]

    rows = []
    for point in compared.points:
        overlap = amount(point.overlap, units.score, note="substantial" if point.overlap >= compared.threshold else "")
        cells = amount(report.index_of(point.cut)), *scores(point.percentiles), overlap
        rows.append(row(point.cut, *cells, mark="chosen" if report.ends_at(point.cut) else ""))
    rows.append(row("random features", "", *scores(compared.random), ""))
    overlap_title = f"Overlap, substantial from {compared.threshold:g}"
    columns = ("Point", "Index", "5%", "25%", "Median", "75%", "95%", overlap_title)
    return Table(PLOTTED, columns, tuple(rows), folded=True)
