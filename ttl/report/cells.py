"""Table cells: what the page shows of a value, and what CSV and JSON have of it."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ttl.typed import to_json
from ttl.words import units
from ttl.words.estimate import Estimate
from ttl.words.metric import Metric


@dataclass(frozen=True)
class Cell:
    """A table cell: `text` as the page shows it, and as a `note` smaller lines below it (an interval, a setting).

    CSV and JSON have `value` for the text, in `unit` (`s`, `ms`, `bytes`, `px`): the number unrounded (NaN where there
    is none), or of several values their JSON; None where the text is all. `parts` are the numbers of the note by name,
    a column each there.
    """

    text: str
    note: str = ""
    value: float | str | None = None
    unit: str = ""
    parts: tuple[tuple[str, float], ...] = ()


MISSING = Cell(units.MISSING)


def amount(value: float | None, write: Callable[[float], str] = units.whole, unit: str = "", note: str = "") -> Cell:
    """A number, written by one of `ttl.words.units`; `unit` is what it is in before it is written."""
    number = math.nan if value is None else value
    return Cell(write(number), note, number, unit if math.isfinite(number) else "")


def metric_cell(value: float | None, metric: Metric, *, is_difference: bool = False) -> Cell:
    """A metric's value, or the difference of two."""
    return amount(value, metric.signed if is_difference else metric.text, metric.unit)


def estimate_cell(estimate: Estimate | None, metric: Metric) -> Cell:
    """A metric's value with its interval below it."""
    if estimate is None or not estimate.is_defined:
        return MISSING
    text, interval = metric.text(estimate.value), metric.interval(estimate)
    return Cell(text, interval, estimate.value, metric.unit, interval_ends(estimate))


def share_cell(share: Estimate | None) -> Cell:
    """A metric that is a share, as a percentage, with its interval below it."""
    if share is None or not share.is_defined:
        return MISSING
    ends = f"{units.percent(share.ci_low)} to {units.percent(share.ci_high)}" if share.has_interval else ""
    return Cell(units.percent(share.value), ends, share.value, parts=interval_ends(share))


def interval_ends(estimate: Estimate) -> tuple[tuple[str, float], ...]:
    """The ends of an interval as parts of a cell; nothing where there is none."""
    return (("low", estimate.ci_low), ("high", estimate.ci_high)) if estimate.has_interval else ()


def plain_cell(value: object) -> Cell:
    """Any JSON value."""
    text = units.plain(value)
    if isinstance(value, str | bool) or value is None or text == units.MISSING:
        return Cell(text)
    several = isinstance(value, Mapping | Sequence)
    return Cell(text, value=json.dumps(value) if several else value)  # type: ignore[arg-type]  # a number is left


def facts(of: object, labels: Mapping[str, str]) -> tuple[tuple[str, Cell], ...]:
    """The fields of a dataclass that have a label, in the labels' order."""
    values = to_json(of)
    return tuple((label, plain_cell(values.get(name))) for name, label in labels.items())
