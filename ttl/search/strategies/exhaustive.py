"""Exhaustive search: every candidate, the truth that the other strategies are measured against."""

from __future__ import annotations

from collections.abc import Sequence

from ttl.search.candidates import Cut
from ttl.search.strategy import Batch, Chooser, Strategy


def exhaustive(candidates: Sequence[Cut], choose: Chooser) -> Strategy:
    """Try every candidate; `choose` picks among all of them."""
    scores = yield Batch("exhaustive", tuple(candidates))
    return choose(candidates, scores)
