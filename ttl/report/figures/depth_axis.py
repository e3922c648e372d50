"""What the plots of truncation points share: the axis of depth, the points' roles, and the chosen one's guide."""

from __future__ import annotations

from itertools import groupby
from typing import Literal

from markupsafe import Markup

from ttl.report.figures import svg
from ttl.report.schema import RunReport

Role = Literal["chosen", "full", "other"]
"""Of a point; also the CSS class of its mark and its row."""
ROLES: dict[Role, str] = {"chosen": "chosen", "full": "whole network", "other": ""}
DEPTH = "truncation point, lowest to whole network"
NARROW_STAGE, WIDE_STAGE = 24, 100
"""User units: in a narrower band its number finds no room, in a wider one the word does, too."""


def role(report: RunReport, cut: str) -> Role:
    """What a point is in this search."""
    return "chosen" if report.is_chosen(cut) else "full" if report.is_whole(cut) else "other"


def depth_axes(report: RunReport, values: tuple[float, float], *, above: float = 26.0) -> svg.Axes:
    """Axes with all points of the network along x; `above` is left free on top, for the numbers of the stages."""
    return svg.Axes.spanning((0.5, report.points[-1].index + 0.5), values, above=above)


def chosen_guide(report: RunReport, axes: svg.Axes) -> tuple[Markup, ...]:
    """A line over the whole height at the chosen point; none before the choice."""
    return (axes.down(report.chosen.index, "guide chosen"),) if report.chosen else ()


def stages(report: RunReport, axes: svg.Axes) -> Markup:
    """The network's resolution stages as bands over the whole height."""
    bands = []
    for stage, points in groupby(report.points, key=lambda point: point.stage):
        members = list(points)
        left, right = axes.x(members[0].index - 0.5), axes.x(members[-1].index + 0.5)
        top, width = axes.y.stop, right - left
        label = f"stage {stage}" if width > WIDE_STAGE else str(stage) if width > NARROW_STAGE else ""
        names, class_ = f"stage {stage}: {members[0].name} to {members[-1].name}", "band odd" if stage % 2 else "band"
        band = svg.rectangle(class_, left, top, width, axes.y.start - top, names)
        bands.append(svg.element("g", band, svg.text(label, left + width / 2, top - 12)))
    return svg.element("g", *bands)
