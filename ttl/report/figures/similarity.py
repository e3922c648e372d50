"""How alike the features are before and after fine-tuning, against depth (Peng et al. 2023, Fig. 7)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from ttl.report.blocks import Cell, Figure, Row, Table, row
from ttl.report.figures import svg
from ttl.report.figures.depth import chosen_index, index_of
from ttl.report.figures.plots import DEPTH
from ttl.report.reading import Report, items, mapping, records
from ttl.words import units
from ttl.words.estimate import number

WIDEST = 26.0
"""Of a box, in user units."""


@dataclass(frozen=True)
class Spread:
    """Canonical correlations in five percentiles (5, 25, 50, 75, 95), each `nan` where the report has none."""

    cut: str
    index: float
    five: tuple[float, ...]
    overlap: float = math.nan

    @property
    def drawn(self) -> bool:
        """Whether it has a place in the plot."""
        return all(map(math.isfinite, (self.index, *self.five)))


@dataclass(frozen=True)
class Compared:
    """All points, from the lowest up, what chance alone gives, and from where on an overlap is substantial."""

    points: tuple[Spread, ...]
    chance: tuple[float, ...]
    threshold: float

    @classmethod
    def read(cls, report: Report) -> Compared:
        """From `svcca`."""
        value = mapping(report.raw, "svcca")
        points = [_spread(report, point) for point in records(value, "points")]
        points.sort(key=lambda point: point.index if math.isfinite(point.index) else math.inf)
        return cls(tuple(points), _five(value, "random"), number(value.get("threshold")))

    @property
    def first(self) -> Spread | None:
        """The lowest point whose overlap is substantial."""
        return next((point for point in self.points if point.overlap >= self.threshold), None)


def _spread(report: Report, value: Mapping[str, Any]) -> Spread:
    cut = str(value.get("cut", "?"))
    return Spread(cut, index_of(report, cut), _five(value, "percentiles"), number(value.get("overlap")))


def _five(parent: Mapping[str, Any], key: str) -> tuple[float, ...]:
    found = (*map(number, items(parent, key)), *[math.nan] * 5)
    return found[:5]


def similarity(report: Report) -> Figure | Table | None:
    """A box plot of every point; only the table where none can be drawn, None where nothing was compared."""
    compared = Compared.read(report)
    if not compared.points:
        return None
    if not any(point.drawn for point in compared.points):
        return _data(report, compared, _test(compared))
    caption = (
        "How alike each point's features are before and after fine-tuning, as canonical correlations (SVCCA; 1 is the "
        "same up to a linear map). Box: the middle half, with a line at the median; whiskers: from the 5th to the "
        f"95th percentile. Shaded: random features, their middle half darker. {_test(compared)}"
    )
    return Figure("similarity", _picture(report, compared), caption, _key(report, compared), _data(report, compared))


def _test(compared: Compared) -> str:
    words = (
        "The overlap is the probability that a random coefficient is above one of the features' (Mann-Whitney U over "
        "the number of pairs)"
    )
    if math.isnan(compared.threshold):
        return f"{words}."
    lowest = f"{compared.first.cut} is the lowest point where it is" if compared.first else "it is so at no point"
    return f"{words}; from {compared.threshold:g} it is substantial: {lowest}."


def _picture(report: Report, compared: Compared) -> Markup:
    drawn = [point for point in compared.points if point.drawn]
    last = report.points[-1].index if report.points else max(point.index for point in drawn)
    # Percentiles lie within 0..1, and the whole of that says how far apart two boxes are.
    axes = svg.Axes.spanning((0.5, last + 0.5), (0.0, 1.0), above=10)
    chosen = chosen_index(report)
    return svg.plot(
        "similarity",
        "similarity of the features before and after fine-tuning, against depth",
        _described(compared, drawn),
        _chance(axes, compared.chance),
        axes.frame(DEPTH, "canonical correlation"),
        *((axes.down(chosen, "chosen"),) if math.isfinite(chosen) else ()),
        *(_box(axes, point, "chosen" if point.index == chosen else "other") for point in drawn),
    )


def _described(compared: Compared, drawn: Sequence[Spread]) -> str:
    medians = ", ".join(f"{point.cut} {units.score(point.five[2])}" for point in drawn)
    chance = f" Random features: {units.score(compared.chance[2])}." if math.isfinite(compared.chance[2]) else ""
    return f"Medians from the lowest point to the highest: {medians}.{chance}"


def _chance(axes: svg.Axes, five: tuple[float, ...]) -> Markup:
    if not all(map(math.isfinite, five)):
        return Markup("")
    low, bottom, _, top, high = five
    title = svg.element("title", f"random features: {_percentiles(five)}")
    return svg.element("g", title, axes.across(low, high, "chance"), axes.across(bottom, top, "chance core"))


def _box(axes: svg.Axes, point: Spread, class_: str) -> Markup:
    width = min(WIDEST, 0.6 * axes.step)
    overlap = f"; overlap {units.score(point.overlap)}" if math.isfinite(point.overlap) else ""
    return axes.box(point.index, point.five, width, class_, f"{point.cut}: {_percentiles(point.five)}{overlap}")


def _percentiles(five: Sequence[float]) -> str:
    low, bottom, middle, top, high = map(units.score, five)
    return f"median {middle}, middle half {bottom} to {top}, whiskers {low} to {high}"


def _key(report: Report, compared: Compared) -> tuple[tuple[str, str], ...]:
    boxes = [point.index for point in compared.points if point.drawn]
    chosen = chosen_index(report)
    key = [("other square", "before and after fine-tuning")] if set(boxes) - {chosen} else []
    if report.chosen is not None and chosen in boxes:
        key.append(("chosen square", f"chosen: {report.chosen.cut}"))
    if all(map(math.isfinite, compared.chance)):
        key.append(("chance square", "random features"))
    return tuple(key)


def _data(report: Report, compared: Compared, caption: str = "Data of this plot") -> Table:
    chosen = report.chosen.cut if report.chosen else ""
    rows = [
        Row(
            (*_cells(point.cut, units.whole(point.index), point.five), _overlap(point, compared.threshold)),
            mark="chosen" if point.cut == chosen else "",
        )
        for point in compared.points
    ]
    if any(map(math.isfinite, compared.chance)):
        rows.append(Row((*_cells("random features", "", compared.chance), Cell(""))))
    substantial = f", substantial from {compared.threshold:g}" if math.isfinite(compared.threshold) else ""
    columns = ("Point", "Index", "5%", "25%", "Median", "75%", "95%", f"Overlap{substantial}")
    return Table(caption, columns, tuple(rows), folded=True)


def _cells(name: str, index: str, five: Sequence[float]) -> tuple[Cell, ...]:
    return row(name, index, *map(units.score, five)).cells


def _overlap(point: Spread, threshold: float) -> Cell:
    return Cell(units.score(point.overlap), "substantial" if point.overlap >= threshold else "")
