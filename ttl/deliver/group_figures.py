"""How networks do on a part of the test images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ttl.words.estimate import Estimate


@dataclass(frozen=True, kw_only=True)
class OfGroup:
    """One network on one group: the metric that chooses, and the rates at the network's operating point."""

    score: Estimate
    rates: Mapping[str, Estimate]


@dataclass(frozen=True, kw_only=True)
class GroupFigures(OfGroup):
    """The same for the network's card: one value of an attribute, of `units` images or patients.

    `too_few` groups have figures, which say nothing.
    """

    column: str
    value: str
    units: int
    too_few: bool
