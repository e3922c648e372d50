"""The latency table: percentiles, throughput, and ratios with their intervals, from raw times.

The ratio between two models is what can be trusted; the milliseconds are this machine's, under its load.
A model finds the processor's caches full of the other models' weights, as it would in a program that does
other work between two images; a small model loses more by that, a few percent, so ratios err on the side
of the large one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import attrgetter

import numpy as np

from ttl.cost.bench import Bench, Times, Way
from ttl.cost.subject import Array
from ttl.errors import UsageError
from ttl.words.estimate import Estimate

PLACE = attrgetter("runtime", "device", "batch", "threads")
"""What two models must have in common to be compared."""
Ratio = Callable[[Sequence[Array], Sequence[Array]], Estimate]
RUNS_FOR = {50: 1, 90: 64, 95: 130, 99: 662}
"""Fewest runs for a percentile: the counts of MLPerf Inference's early stopping. With so many, two or more runs lie
above the true percentile with 99 % confidence; with fewer, the figure may be that of one mishap, or too low."""


@dataclass(frozen=True)
class Latency(Way):
    """A row of the latency table."""

    # of a call, as the other percentiles; over all processes' runs together. None where it failed.
    p50_ms: float | None
    p90_ms: float | None  # None, as the higher ones, below the runs of `RUNS_FOR`
    p95_ms: float | None
    p99_ms: float | None
    images_per_second: float | None  # images over the total time of the calls, one caller at a time
    cold_start_ms: float | None  # opening and first call, the median over processes; see `ttl.cost.bench.Times`
    peak_memory_bytes: int | None  # see `ttl.cost.worker.inspected`; None where it isn't known
    # median time over that of the reference in the same runtime and setting: below 1 is faster. None where there is no
    # reference, 1 (without an interval) for the reference itself.
    ratio_to_full: float | None
    ratio_ci: tuple[float, float] | None  # its 95 % interval
    runs: int  # timed calls, all processes together
    processes: int
    cpu: str
    load_average: tuple[float, float] | None  # of the machine, before and after; None where the system doesn't give it
    failed: str = ""  # why it wasn't measured; empty where it was


def latency_rows(bench: Bench, *, reference: str | None, ratio: Ratio) -> tuple[Latency, ...]:
    """The table of what was measured: a row for each model and way to call it, setting by setting.

    Ratios are taken against the `reference`, if any, by `ratio`: of the times of both, an array a process, paired by
    round (`ttl.stats.ratio_interval`).

    Raises:
        UsageError: when the reference isn't among the models.
    """
    names = dict.fromkeys(times.model for times in bench.times)
    if reference is not None and reference not in names:
        raise UsageError(f"No model is called {reference!r}: the reference is one of {', '.join(names)}.")
    against = {PLACE(times): times for times in bench.times if times.model == reference}
    return tuple(_row(bench, times, against.get(PLACE(times)), ratio) for times in bench.times)


def _row(bench: Bench, times: Times, against: Times | None, ratio: Ratio) -> Latency:
    conditions = bench.conditions
    load = conditions.load_average_before, conditions.load_average_after
    compared = None
    if against is not None and against is not times and not times.failed and not against.failed:
        compared = ratio(times.times_ms, against.times_ms)
    pooled = np.concatenate([np.empty(0), *times.times_ms])
    p50_ms, p90_ms, p95_ms, p99_ms = (
        float(np.percentile(pooled, percent)) if len(pooled) >= fewest else None for percent, fewest in RUNS_FOR.items()
    )
    return Latency(
        *(times.model, times.runtime, times.device, times.provider, times.batch, times.threads),
        *(p50_ms, p90_ms, p95_ms, p99_ms),
        images_per_second=None if times.failed else float(1000 * times.batch / pooled.mean()),
        cold_start_ms=None if times.failed else float(np.median(times.cold_starts_ms)),
        peak_memory_bytes=times.peak_memory_bytes,
        ratio_to_full=compared.value if compared else (1.0 if against is times and not times.failed else None),
        ratio_ci=(compared.ci_low, compared.ci_high) if compared else None,
        runs=times.runs,
        processes=bench.processes,
        cpu=conditions.hardware.cpu,
        load_average=None if load[0] is None or load[1] is None else (load[0], load[1]),
        failed=times.failed,
    )
