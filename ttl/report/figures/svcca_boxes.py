"""How alike the features are before and after fine-tuning, against depth (Peng et al. 2023, Fig. 7)."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from ttl.report.figures import svg
from ttl.report.figures.depth_axis import chosen_guide, depth_axes, depth_plot
from ttl.report.page_blocks import Cell, Figure, Table, amount, row
from ttl.report.schema import RunReport
from ttl.report.schema.searched import ComparedPoint, Svcca
from ttl.words import units

WIDEST = 26.0
"""Of a box, in user units."""


def svcca_figure(report: RunReport) -> Figure | None:
    """A box plot of every point; None where nothing was compared."""
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
    return Figure("similarity", _picture(report, compared), caption, _key(report, compared), _table(report, compared))


def _picture(report: RunReport, compared: Svcca) -> Markup:
    # Percentiles lie within 0..1, and the whole of that says how far apart two boxes are.
    axes = depth_axes(report, (0.0, 1.0), above=10)
    medians = ", ".join(f"{point.cut} {units.score(point.percentiles[2])}" for point in compared.points)
    words = (
        "similarity of the features before and after fine-tuning, against depth",
        f"Medians from the lowest point to the highest: {medians}. Random features: {units.score(compared.random[2])}.",
    )
    boxes = (_box(report, axes, point) for point in compared.points)
    guide = chosen_guide(report, axes)
    return depth_plot(
        report,
        axes,
        "similarity",
        words,
        "canonical correlation",
        *guide,
        *boxes,
        behind=_chance(axes, compared.random),
    )


def _chance(axes: svg.Axes, percentiles: Sequence[float]) -> Markup:
    low, bottom, _, top, high = percentiles
    title = svg.element("title", f"random features: {_words(percentiles)}")
    return svg.element("g", title, axes.across(low, high, "chance"), axes.across(bottom, top, "chance core"))


def _box(report: RunReport, axes: svg.Axes, point: ComparedPoint) -> Markup:
    width, class_ = min(WIDEST, 0.6 * axes.step), "chosen" if report.is_chosen(point.cut) else "other"
    label = f"{point.cut}: {_words(point.percentiles)}; overlap {units.score(point.overlap)}"
    return axes.box(report.index_of(point.cut), point.percentiles, width, class_, label)


def _words(percentiles: Sequence[float]) -> str:
    low, bottom, middle, top, high = map(units.score, percentiles)
    return f"median {middle}, middle half {bottom} to {top}, whiskers {low} to {high}"


def _key(report: RunReport, compared: Svcca) -> tuple[tuple[str, str], ...]:
    chosen = next((point.cut for point in compared.points if report.is_chosen(point.cut)), None)
    key = [("other square", "before and after fine-tuning")] if len(compared.points) > (chosen is not None) else []
    key += [("chosen square", f"chosen: {chosen}")] if chosen else []
    return (*key, ("chance square", "random features"))


def _table(report: RunReport, compared: Svcca) -> Table:
    rows = [
        row(
            point.cut,
            amount(report.index_of(point.cut)),
            *_scores(point.percentiles),
            amount(point.overlap, units.score, note="substantial" if point.overlap >= compared.threshold else ""),
            mark="chosen" if report.is_chosen(point.cut) else "",
        )
        for point in compared.points
    ]
    rows.append(row("random features", "", *_scores(compared.random), ""))
    overlap = f"Overlap, substantial from {compared.threshold:g}"
    columns = ("Point", "Index", "5%", "25%", "Median", "75%", "95%", overlap)
    return Table("Data of this plot", columns, tuple(rows), folded=True)


def _scores(percentiles: Sequence[float]) -> list[Cell]:
    return [amount(value, units.score) for value in percentiles]
