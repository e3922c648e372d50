"""Timing things that can be called, in rounds, so that what disturbs one disturbs all.

A machine's speed drifts by more than many a difference between models. So they take turns in one process:
each round times every one of them once, in a random order, and times of the same round are comparable.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

FEWEST_ROUNDS = 5
WARMUP_WINDOW = 5
WARMUP_TOLERANCE = 0.05
WARMUP_MOST_ROUNDS = 50
WARMUP_SHARE = 0.25

Runner = Callable[[], object]
Clock = Callable[[], int]


@dataclass(frozen=True)
class Rounds:
    """Times: name → `(rounds,)` float64 in milliseconds, of which element i was measured in round i for every name.

    Before them went `warmup_rounds`; `warm` is whether times had settled then; all of it took so many `seconds`.
    """

    times_ms: Mapping[str, npt.NDArray[np.float64]] = field(repr=False)
    warmup_rounds: int
    warm: bool
    seconds: float


def time_rounds(
    runners: Mapping[str, Runner],
    *,
    runs: int,
    budget_seconds: float,
    rng: np.random.Generator,
    clock: Clock = time.perf_counter_ns,
) -> Rounds:
    """Warm up, then time rounds until there are enough or the budget is spent.

    Warming up ends when times have settled (`is_warm`), after 50 rounds, or at a quarter of the budget.
    There are at least 5 timed rounds, whatever the budget.

    Args:
        runners: name → a call that does the work and returns when it is done; `rng` draws their order in each round.
        budget_seconds: wall-clock limit; a round that has begun is finished.
        clock: nanoseconds, never going back.
    """
    start, warm = clock(), False

    def spent() -> float:
        return (clock() - start) / 1e9

    warmup: list[dict[str, float]] = []
    while not warm and len(warmup) < WARMUP_MOST_ROUNDS and spent() < WARMUP_SHARE * budget_seconds:
        warmup.append(_round(runners, rng, clock))
        warm = is_warm(warmup)
    timed: list[dict[str, float]] = []
    while len(timed) < FEWEST_ROUNDS or (len(timed) < runs and spent() < budget_seconds):
        timed.append(_round(runners, rng, clock))
    times_ms = {name: np.array([times[name] for times in timed]) for name in runners}
    return Rounds(times_ms, len(warmup), warm, spent())


def is_warm(rounds: Sequence[Mapping[str, float]]) -> bool:
    """Whether times (name → milliseconds, a mapping a round) have settled.

    They have where for each name the medians of the last 5 rounds and of the 5 before are within 5 %.
    """
    if len(rounds) < 2 * WARMUP_WINDOW:
        return False
    latest = rounds[-2 * WARMUP_WINDOW :]
    for times in ([each[name] for each in latest] for name in latest[0]):
        before, after = np.median(times[:WARMUP_WINDOW]), np.median(times[WARMUP_WINDOW:])
        if abs(after - before) > WARMUP_TOLERANCE * before:
            return False
    return True


def _round(runners: Mapping[str, Runner], rng: np.random.Generator, clock: Clock) -> dict[str, float]:
    names = list(runners)
    times: dict[str, float] = {}
    for position in rng.permutation(len(names)):
        start = clock()
        runners[names[position]]()
        times[names[position]] = (clock() - start) / 1e6
    return times
