"""What the plots of truncation points share: the axis of depth, the points' roles, and the chosen one's guide."""

from __future__ import annotations

from itertools import groupby
from typing import Literal

from markupsafe import Markup

from ttl.report.figures import svg
from ttl.report.schema import RunReport
from ttl.report.schema.searched import PointRecord

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


def depth_plot(
    report: RunReport,
    axes: svg.Axes,
    name: str,
    words: tuple[str, str],
    y_title: str,
    *layers: Markup,
    behind: Markup | None = None,
) -> Markup:
    """A finished plot against depth.

    Args:
        report: has the points.
        axes: of `depth_axes`.
        name: of the plot.
        words: its title and its description.
        y_title: of the vertical axis.
        layers: what is drawn.
        behind: behind grid and guide; the resolution stages where None.
    """
    background = _stages(axes, report.points) if behind is None else behind
    return svg.plot(name, *words, background, axes.frame(DEPTH, y_title), *layers)


def chosen_guide(report: RunReport, axes: svg.Axes) -> tuple[Markup, ...]:
    """A line over the whole height at the chosen point; none before the choice."""
    return (axes.down(report.chosen.index, "chosen"),) if report.chosen else ()


def _stages(axes: svg.Axes, points: tuple[PointRecord, ...]) -> Markup:
    """The network's resolution stages as bands over the whole height."""
    bands = (_stage(axes, stage, list(members)) for stage, members in groupby(points, key=lambda point: point.stage))
    return svg.element("g", *bands)


def _stage(axes: svg.Axes, stage: int, members: list[PointRecord]) -> Markup:
    left, right = axes.x(members[0].index - 0.5), axes.x(members[-1].index + 0.5)
    top, width = axes.y.stop, right - left
    label = f"stage {stage}" if width > WIDE_STAGE else str(stage) if width > NARROW_STAGE else ""
    names = svg.element("title", f"stage {stage}: {members[0].name} to {members[-1].name}")
    class_ = "band odd" if stage % 2 else "band"
    band = svg.element("rect", names, class_=class_, x=left, y=top, width=width, height=axes.y.start - top)
    text = svg.element("text", label, x=left + width / 2, y=top - 12, text_anchor="middle")
    return svg.element("g", band, text)
