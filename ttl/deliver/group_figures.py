"""How one model does on a part of the test images, for its card."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ttl.words.estimate import Estimate


@dataclass(frozen=True, kw_only=True)
class GroupFigures:
    """One value of an attribute: `units` images or patients, the metric that chooses, and rates at the operating point.

    `too_few` groups have figures, which say nothing.
    """

    column: str
    value: str
    units: int
    too_few: bool
    score: Estimate
    rates: Mapping[str, Estimate]
