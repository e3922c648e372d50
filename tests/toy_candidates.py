"""Candidates of a tiny network, and tables of scores for them."""

from __future__ import annotations

from functools import cache

from toy_networks import TinyResNet
from ttl.cut.points import truncation_points
from ttl.search.candidates import Cut
from ttl.search.evidence.curve import Curve, Look


@cache
def cuts() -> tuple[Cut, ...]:
    """Five cuts of a tiny network, each with more parameters than the one below; the last is the whole of it."""
    return tuple(Cut("tiny", point) for point in truncation_points(TinyResNet(), image_size=16))


def curve_of(*means: float, se: float = 0.02, paired: bool = False, evidence: str = "probe") -> Curve:
    """A curve over `cuts()`."""
    looks = tuple(Look(cut.name, mean, se) for cut, mean in zip(cuts(), means, strict=True))
    return Curve(evidence, "auprc", looks, paired=paired)
