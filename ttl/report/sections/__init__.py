"""The sections of the page, in its order: functions from a report to a section, or None if it has none."""

from __future__ import annotations

from collections.abc import Callable

from ttl.report.blocks import Section
from ttl.report.reading import Report
from ttl.report.sections.cams import where_it_looks
from ttl.report.sections.choice import at_a_glance, why_this_point
from ttl.report.sections.data import data
from ttl.report.sections.exported import export_checks
from ttl.report.sections.judging import errors, telling_apart, trust
from ttl.report.sections.latency import latency
from ttl.report.sections.overlays import what_is_drawn
from ttl.report.sections.repeat import do_it_again
from ttl.report.sections.training import fine_tuning, search_cost
from ttl.report.sections.weights import weights

SECTIONS: tuple[Callable[[Report], Section | None], ...] = (
    at_a_glance,
    why_this_point,
    fine_tuning,
    telling_apart,
    what_is_drawn,
    errors,
    trust,
    where_it_looks,
    data,
    export_checks,
    latency,
    search_cost,
    weights,
    do_it_again,
)
