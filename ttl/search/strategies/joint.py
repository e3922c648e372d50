"""Joint search: one fine-tune of the whole network with a head at every point gives the whole curve at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ttl.cut.points import TruncationPoint
from ttl.search.strategies.probe import Curve, one_standard_error
from ttl.search.strategy import Batch, Chooser, Start, Strategy


def joint(
    points: Sequence[TruncationPoint], choose: Chooser, curve: Callable[[], Curve], *, start: Start = "joint"
) -> Strategy:
    """Fine-tune on at the point that the joint network's curve speaks for, and the highest point to compare it with.

    Args:
        points: the network's points, lowest first.
        choose: picks between the two.
        curve: fine-tunes the joint network and says how well each head does on the validation images; `se` is of the
            difference to the best one.
        start: whether the picked point goes on from the joint network, or begins anew.
    """
    picked, top = one_standard_error(points, curve(), paired=True), points[-1]
    scores = {} if picked is top else (yield Batch("joint", (picked,), start=start))
    scores |= yield Batch("whole", (top,))
    tried = [top] if picked is top else [picked, top]
    return choose(tried, scores).after("the heads of the joint network", picked, len(points))
