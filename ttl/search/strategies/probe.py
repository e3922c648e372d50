"""Probe search: a linear classifier on frozen features at every point, from one pass of the pretrained network."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from math import isnan, nan

from ttl.cut.points import TruncationPoint
from ttl.errors import TrainingError
from ttl.search.strategy import Batch, Chooser, Strategy


@dataclass(frozen=True)
class Probed:
    """How well a linear classifier does on a point's frozen features: mean over folds, and its standard error."""

    mean: float
    se: float

    def to_json(self) -> dict[str, float | None]:
        """Both figures, nan as None."""
        return {name: None if isnan(figure) else figure for name, figure in asdict(self).items()}

    @classmethod
    def from_json(cls, told: Mapping[str, float | None]) -> Probed:
        """What `to_json` gave; other keys are left alone."""
        return cls(*(nan if (figure := told[name]) is None else figure for name in ("mean", "se")))


Curve = Mapping[str, Probed]
"""Point name -> what the probe found there."""


def probe(points: Sequence[TruncationPoint], choose: Chooser, curve: Callable[[], Curve]) -> Strategy:
    """Fine-tune at the point that the probe's curve speaks for, and the highest point to compare it with.

    Frozen features undersell the upper blocks, which fine-tuning adapts most: the curve is a prior, no verdict.

    Args:
        points: the network's points, lowest first.
        choose: picks between the two.
        curve: probes all points.
    """
    picked = one_standard_error(points, curve())
    tried = [picked] if picked is points[-1] else [picked, points[-1]]
    scores = yield Batch("probe", tuple(tried))
    return choose(tried, scores).after("the probe", picked, len(points))


def one_standard_error(points: Sequence[TruncationPoint], curve: Curve, *, paired: bool = False) -> TruncationPoint:
    """The smallest point whose mean is within a standard error of the best one's (Breiman et al. 1984, 3.4.3).

    Args:
        points: to pick from.
        curve: what was found there.
        paired: the standard errors are of each point's difference to the best one, not of the best one's mean.

    Raises:
        TrainingError: no point could be scored.
    """
    known = [point for point in points if point.name in curve and not isnan(curve[point.name].mean)]
    if not known:
        raise TrainingError("No point could be probed: a class is absent from the folds; use --strategy two-stage")
    best = max((curve[point.name] for point in known), key=lambda probed: probed.mean)
    enough = [
        point for point in known if curve[point.name].mean >= best.mean - (curve[point.name].se if paired else best.se)
    ]
    return min(enough, key=lambda point: (point.params, point.index))
