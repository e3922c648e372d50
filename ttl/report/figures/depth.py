"""Where the points that report.json names stand on the axis of depth."""

from __future__ import annotations

import math

from ttl.report.reading import Report


def index_of(report: Report, cut: str) -> float:
    """A point's index; `nan` where the report doesn't have it."""
    named = (point.index for point in report.points if point.name == cut)
    tried = (candidate.index for candidate in report.candidates if candidate.cut == cut)
    return next(named, next(tried, math.nan))


def chosen_index(report: Report) -> float:
    """The chosen point's index; `nan` where none is chosen, or it isn't known."""
    if report.chosen is None:
        return math.nan
    return report.chosen.index if math.isfinite(report.chosen.index) else index_of(report, report.chosen.cut)
