"""The search strategies by name.

To add one: a file with a generator (see `ttl.search.strategy`) and a row here that names the evidence it needs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ttl.errors import UsageError
from ttl.search.evidence.curve import Evidence
from ttl.search.select import choose_best
from ttl.search.strategies.by_curve import joint, probe, svcca
from ttl.search.strategies.halving import halving
from ttl.search.strategies.two_stage import exhaustive, two_stage
from ttl.search.strategy import Chooser, Strategy
from ttl.study.candidate import Candidate

__all__ = ["STRATEGIES", "Row", "halving", "strategy"]


@dataclass(frozen=True)
class Row:
    """A strategy."""

    # From candidates (lowest first), a chooser, and the evidence that it needs, in the order of `needs`.
    make: Callable[..., Strategy]
    needs: tuple[str, ...] = ()  # names of that evidence
    begins: str = ""  # what it looks at before it names a candidate, in words; empty where it names some at once


STRATEGIES = {
    "joint": Row(joint, ("joint",), "one fine-tune with a head at every point"),
    "two-stage": Row(two_stage),
    "exhaustive": Row(exhaustive),
    "svcca": Row(svcca, ("svcca",)),
    "probe": Row(probe, ("probe",), "a probe of all points"),
}


def strategy(
    name: str,
    candidates: Sequence[Candidate],
    choose: Chooser = choose_best,
    evidence: Mapping[str, Evidence] | None = None,
) -> Strategy:
    """The search strategy of that name.

    Candidates are lowest first; `choose` picks among those that were tried; evidence that a strategy doesn't need isn't
    produced.

    Raises:
        UsageError: there is none, or it needs evidence that isn't there.
    """
    if name not in STRATEGIES:
        raise UsageError(f"There is no strategy {name!r}: choose one of {', '.join(STRATEGIES)}")
    row, given = STRATEGIES[name], evidence or {}
    missing = [needed for needed in row.needs if needed not in given]
    if missing:
        raise UsageError(
            f"The strategy {name} needs a look at the images ({missing[0]}), and with an evaluate of your own there is "
            f"none: choose {' or '.join(other for other, row in STRATEGIES.items() if not row.needs)}"
        )
    return row.make(candidates, choose, *(given[needed] for needed in row.needs))
