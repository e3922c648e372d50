"""What a fresh process does that times models: cold starts, then rounds."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np

from ttl.cost.callers import Caller, open_callers
from ttl.cost.rounds import Runner, time_rounds
from ttl.cost.subject import COMPILED, EAGER, ONNXRUNTIME, ModelTimes, Request, Subject, Timed


def timed(request: Request) -> Timed:
    """Open the models in a random order, and time them in turns.

    Raises:
        TTLError: a model can't be opened, or doesn't fit the setting.
    """
    rng = np.random.default_rng(request.seed)
    get_going(request, rng)
    found: dict[int, ModelTimes] = {}
    calls: dict[str, Runner] = {}
    for position in map(int, rng.permutation(len(request.subjects))):
        found[position], opened = _cold_start(request, request.subjects[position], rng)
        calls |= {f"{position} {caller.device}": caller.call for caller in opened}
    models = [found[position] for position in range(len(found))]
    if not calls:
        return Timed(tuple(models), warm=True, seconds=0.0)
    rounds = time_rounds(dict(sorted(calls.items())), runs=request.runs, budget_seconds=request.seconds, rng=rng)
    for key, times_ms in rounds.times_ms.items():
        position, device = int(key.partition(" ")[0]), key.partition(" ")[2]
        models[position] = replace(models[position], times_ms={**models[position].times_ms, device: times_ms})
    return Timed(tuple(models), rounds.warm, rounds.seconds)


def get_going(request: Request, rng: np.random.Generator) -> None:
    """Call a model once and drop it: what the library needs to get going is the same for all, and not the first's."""
    first = request.subjects[0]
    plain = first if first.runtime == ONNXRUNTIME else replace(first, runtime=EAGER)
    open_callers(plain, request.setting, rng)[0].call()


def _cold_start(request: Request, subject: Subject, rng: np.random.Generator) -> tuple[ModelTimes, tuple[Caller, ...]]:
    """Open a model and call it once. One that PyTorch can't compile is named, and left out."""
    start = time.perf_counter_ns()
    opened = open_callers(subject, request.setting, rng)
    failed = ""
    try:
        opened[0].call()
    except Exception as error:
        if subject.runtime != COMPILED:
            raise
        reason = str(error).strip().partition("\n")[0]
        failed = f"{type(error).__name__}: {reason}"
    cold_start_ms = (time.perf_counter_ns() - start) / 1e6
    found = ModelTimes(opened[0].runtime, cold_start_ms, {caller.device: np.empty(0) for caller in opened}, failed)
    return found, () if failed else opened
