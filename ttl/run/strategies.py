"""The search strategies by name, and what a run finds out for those that ask for more than fine-tunes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ttl.config import RunConfig
from ttl.cut.points import TruncationPoint
from ttl.errors import UsageError
from ttl.search.select import choose_best
from ttl.search.strategies.exhaustive import exhaustive
from ttl.search.strategies.halving import halving
from ttl.search.strategies.joint import joint
from ttl.search.strategies.probe import Curve, probe
from ttl.search.strategies.svcca import Similarity, svcca
from ttl.search.strategies.two_stage import two_stage
from ttl.search.strategy import Chooser, Start, Strategy


@dataclass(frozen=True)
class Sources:
    """What strategies may ask for beside fine-tunes; each costs only when it is asked.

    Attributes:
        probe: linear classifiers on the pretrained features, by point.
        joint: the heads of the joint network, by point.
        similarities: features before and after the whole network's fine-tune, by point.
        start: what the point that a joint search picks begins with.
    """

    probe: Callable[[], Curve]
    joint: Callable[[], Curve]
    similarities: Callable[[], Mapping[str, Similarity]]
    start: Start = "joint"


BY_FINE_TUNES: dict[str, Callable[[Sequence[TruncationPoint], Chooser], Strategy]] = {
    "two-stage": two_stage,
    "exhaustive": exhaustive,
}
BY_MORE: dict[str, Callable[[Sequence[TruncationPoint], Chooser, Sources], Strategy]] = {
    "svcca": lambda points, choose, sources: svcca(points, choose, sources.similarities),
    "probe": lambda points, choose, sources: probe(points, choose, sources.probe),
    "joint": lambda points, choose, sources: joint(points, choose, sources.joint, start=sources.start),
}


def strategy(
    name: str,
    points: Sequence[TruncationPoint],
    choose: Chooser = choose_best,
    sources: Sources | None = None,
) -> Strategy:
    """The search strategy of that name over `points`, which leaves the choice among those it tried to `choose`.

    Args:
        name: of the strategy.
        points: to search among, lowest first.
        choose: picks among those that were tried.
        sources: for strategies that need more than fine-tunes.

    Raises:
        UsageError: there is none, or it needs sources.
    """
    if name in BY_FINE_TUNES:
        return BY_FINE_TUNES[name](points, choose)
    if name not in BY_MORE:
        raise UsageError(f"There is no strategy {name!r}: choose one of {', '.join((*BY_FINE_TUNES, *BY_MORE))}")
    if sources is None:
        raise UsageError(f"--strategy {name} needs the images that a run has: use ttl run, or another strategy")
    return BY_MORE[name](points, choose, sources)


def strategy_of(
    config: RunConfig, points: Sequence[TruncationPoint], choose: Chooser, sources: Sources, *, margin: float
) -> Strategy:
    """The search that a run asks for: its strategy, with halving where that is asked for.

    Args:
        config: of the run.
        points: to search among, lowest first.
        choose: picks among those that were tried.
        sources: for strategies that need more than fine-tunes.
        margin: the loss in the metric that doesn't matter.
    """
    asked = strategy(config.strategy, points, choose, sources)
    if config.halving is None:
        return asked
    return halving(asked, first=config.halving, cap=config.epochs, margin=margin, spared=points[-1].name)
