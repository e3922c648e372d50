"""One look at many candidates: a value for each, and how sure it is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import isnan

from ttl.errors import TrainingError
from ttl.study.candidate import Candidate
from ttl.typed import Figure


@dataclass(frozen=True)
class Look:
    """What one candidate looks like."""

    cut: str  # the candidate's name
    mean: Figure  # its value; NaN where there is none
    se: Figure  # its standard error


@dataclass(frozen=True)
class Curve:
    """Candidate -> value ± standard error, whatever it came from."""

    evidence: str  # which look it is: `probe`, `joint`, `svcca`
    metric: str  # what the values are
    looks: tuple[Look, ...]  # one a candidate, lowest first
    # Whether the standard errors are of each candidate's difference to the best one, not of its own value.
    paired: bool = False
    # What a candidate that the curve speaks for can go on from: the network that was trained for the look.
    start: Candidate | None = field(default=None, compare=False)


Evidence = Callable[[], Curve]  # produces a curve; costs only when it is asked


def one_standard_error(candidates: Sequence[Candidate], curve: Curve) -> Candidate:
    """The smallest candidate whose mean is within a standard error of the best one's (Breiman et al. 1984, 3.4.3).

    Raises:
        TrainingError: no candidate could be scored.
    """
    looks = {look.cut: look for look in curve.looks if not isnan(look.mean)}
    scored = [(one, looks[one.top.name]) for one in candidates if one.top.name in looks]
    if not scored:
        raise TrainingError("No point could be probed: a class is absent from the folds; use --strategy two-stage")
    best = max((look for _, look in scored), key=lambda look: look.mean)
    # Of too few patients there is no standard error: nothing but the best one is then known to be enough.
    enough = [
        one for one, look in scored if look is best or look.mean >= best.mean - (look if curve.paired else best).se
    ]
    return min(enough, key=lambda one: (one.costs.params, one.top.index))
