"""Joint search: one fine-tune of the whole network with a head at every point gives the whole curve at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf, isnan

from ttl.points import TruncationPoint
from ttl.search.probe import Curve, one_standard_error
from ttl.search.strategy import Batch, Choice, Chooser, Strategy


def joint(points: Sequence[TruncationPoint], choose: Chooser, curve: Callable[[], Curve]) -> Strategy:
    """Fine-tune on at the point that the joint network's curve speaks for.

    Where that is the highest point, the answer is not to cut: it is fine-tuned from the pretrained weights, as the
    network that every other one is compared with.

    Args:
        points: the network's points, lowest first.
        choose: is handed the one that was tried.
        curve: fine-tunes the joint network and says how well each head does on the validation images; `se` is of the
            difference to the best one.
    """
    found = curve()
    picked = one_standard_error(points, found, paired=True)
    scores = yield Batch("joint", (picked,), start="pretrained" if picked is points[-1] else "joint")
    tried = choose([picked], scores)
    best = max(found.values(), key=lambda probed: -inf if isnan(probed.mean) else probed.mean)
    words = f"is the smallest of {len(points)} points whose head in the joint network validates within a standard error"
    return Choice(
        tried.point, f"{picked.name} {words} of the best one ({found[picked.name].mean:.4f}, {best.mean:.4f})"
    )
