"""Latency of ONNX files: milliseconds of one call, measured side by side in one process.

The ratio between two files is what can be trusted; the milliseconds are this machine's, under its load.
A model finds the processor's caches full of the other models' weights, as it would in a program that does
other work between two images; a small model loses more by that, a few percent, so ratios err on the side
of the large one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from ttl.cost.feed import image_feed
from ttl.cost.rounds import Rounds, Runner, time_rounds
from ttl.cost.session import Hardware, hardware, open_session, resolve_threads
from ttl.errors import UsageError

RUNS_FOR_P90 = 64
"""Fewest runs for a 90th percentile (MLPerf Inference's early-stopping count)."""

FloatArray = npt.NDArray[np.floating[Any]]


class Interval(Protocol):
    """A value with its confidence interval, such as `ttl.stats.Estimate`."""

    @property
    def value(self) -> float:
        """The estimate."""

    @property
    def ci_low(self) -> float:
        """The lower end."""

    @property
    def ci_high(self) -> float:
        """The upper end."""


Ratio = Callable[[npt.NDArray[np.float64], npt.NDArray[np.float64]], Interval]


@dataclass(frozen=True)
class Timings:
    """Raw times of several models, and what they were measured on and with.

    `hardware` was read, load average included, before the first call.
    """

    rounds: Rounds
    batch: int
    threads: int
    hardware: Hardware


@dataclass(frozen=True)
class Latency:
    """A row of the latency table.

    `p90_ms` is None below 64 runs. A ratio below 1 means faster than the reference; it is None where no
    reference was named, and for the reference itself it is 1, without an interval.
    """

    model: str
    runtime: str
    device: str
    batch: int
    threads: int
    p50_ms: float
    p90_ms: float | None
    ratio_to_full: float | None
    ratio_ci: tuple[float, float] | None
    runs: int


def bench(
    models: Mapping[str, Path],
    *,
    batch: int = 1,
    threads: int | None = None,
    runs: int = 100,
    budget_seconds: float = 60.0,
    image_size: int | None = None,
    inputs: Mapping[str, FloatArray] | None = None,
    seed: int = 0,
) -> Timings:
    """Time ONNX files against each other on the CPU; `latency_rows` makes the table of it.

    Args:
        models: name → file; any ONNX file with one float input `(batch, channels, height, width)`.
        batch: images a call.
        threads: threads of each session; every core of the process's cpuset by default.
        runs: timed calls of each model.
        budget_seconds: wall-clock limit for warming up and timing; at least 5 rounds are timed.
        image_size: height and width, for files that leave them open.
        inputs: name → normalised images `(batch, channels, height, width)`; random ones by default (dense
            convolutions take the same time whatever the values).
        seed: orders the models in each round and draws random images.

    Raises:
        ExportError: when a file can't be opened.
        UsageError: when an option makes no sense, or a file's input doesn't fit it.
    """
    _check_options(models, batch, runs, budget_seconds)
    count = resolve_threads(threads)
    rng = np.random.default_rng(seed)
    runners: dict[str, Runner] = {}
    for name, path in models.items():
        session = open_session(Path(path), threads=count)
        given = None if inputs is None else inputs.get(name)
        feed = image_feed(session, name, batch=batch, image_size=image_size, given=given, rng=rng)
        runners[name] = partial(session.run, None, feed)
    machine = hardware()
    rounds = time_rounds(runners, runs=runs, budget_seconds=budget_seconds, rng=rng)
    return Timings(rounds, batch, count, machine)


def latency_rows(timings: Timings, *, reference: str | None, ratio: Ratio) -> tuple[Latency, ...]:
    """The table of what was measured: one row a model, in the order they were given.

    Args:
        timings: from `bench`.
        reference: the model that ratios are taken against, or None for no ratios.
        ratio: takes the times of a model and of the reference, paired by round: `ttl.stats.ratio_interval`.

    Raises:
        UsageError: when the reference isn't among the models.
    """
    times_ms = timings.rounds.times_ms
    if reference is not None and reference not in times_ms:
        raise UsageError(f"No model is called {reference!r}: the reference is one of {', '.join(times_ms)}.")
    rows = []
    for model in times_ms:
        compared = None
        if reference is not None and model != reference:
            compared = ratio(times_ms[model], times_ms[reference])
        rows.append(_row(timings, model, compared, is_reference=model == reference))
    return tuple(rows)


def _row(timings: Timings, model: str, ratio: Interval | None, *, is_reference: bool) -> Latency:
    times_ms = timings.rounds.times_ms[model]
    without_ratio = 1.0 if is_reference else None
    return Latency(
        model=model,
        runtime=f"onnxruntime {timings.hardware.onnxruntime}",
        device="cpu",
        batch=timings.batch,
        threads=timings.threads,
        p50_ms=float(np.percentile(times_ms, 50)),
        p90_ms=float(np.percentile(times_ms, 90)) if len(times_ms) >= RUNS_FOR_P90 else None,
        ratio_to_full=float(ratio.value) if ratio else without_ratio,
        ratio_ci=(float(ratio.ci_low), float(ratio.ci_high)) if ratio else None,
        runs=len(times_ms),
    )


def _check_options(models: Mapping[str, Path], batch: int, runs: int, budget_seconds: float) -> None:
    if not models:
        raise UsageError("There is nothing to time: give at least one ONNX file.")
    for name, value in (("batch", batch), ("runs", runs), ("budget_seconds", budget_seconds)):
        if value <= 0:
            raise UsageError(f"{name} is {value}: it must be above 0.")
