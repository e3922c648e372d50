"""What a fresh process does: a request as JSON comes on its standard input, the answer goes out as JSON.

python -m ttl.cost.worker < request.json > answer.json
"""

from __future__ import annotations

import json
import os
import time
from dataclasses import replace

import numpy as np

from ttl.cost.caller import Caller
from ttl.cost.callers import open_callers
from ttl.cost.memory import forget_peak, peak_bytes, resident_bytes
from ttl.cost.provider import provider_that_ran
from ttl.cost.rounds import time_rounds
from ttl.cost.subject import (
    COMPILED,
    EAGER,
    ONNXRUNTIME,
    Answer,
    Inspected,
    ModelAnswer,
    Refused,
    Request,
    Subject,
    Timed,
)
from ttl.errors import TTLError
from ttl.typed import from_json, to_json

CALLS_FOR_PEAK = 3


def answer(request: Request) -> Answer:
    """Do what is asked.

    Raises:
        TTLError: a model can't be opened, or doesn't fit the setting.
    """
    return Answer(inspected=_inspected(request)) if request.alone else Answer(timed=_timed(request))


def _timed(request: Request) -> Timed:
    """Cold starts, then rounds."""
    rng = np.random.default_rng(request.seed)
    _get_going(request, rng)
    models: dict[int, ModelAnswer] = {}
    callers: dict[tuple[int, str], Caller] = {}
    for position in map(int, rng.permutation(len(request.subjects))):
        models[position], opened = _cold_start(request, request.subjects[position], rng)
        callers |= {(position, caller.device): caller for caller in opened}
    in_order = [models[position] for position in range(len(models))]
    calls = {f"{position} {device}": callers[position, device].call for position, device in sorted(callers)}
    if not calls:
        return Timed(tuple(in_order), warm=True, seconds=0.0)
    rounds = time_rounds(calls, runs=request.runs, budget_seconds=request.seconds, rng=rng)
    for position, device in callers:
        times = {**in_order[position].times_ms, device: tuple(rounds.times_ms[f"{position} {device}"].tolist())}
        in_order[position] = replace(in_order[position], times_ms=times)
    return Timed(tuple(in_order), rounds.warm, rounds.seconds)


def _get_going(request: Request, rng: np.random.Generator) -> None:
    """Call a model once and drop it: what the library needs to get going is the same for all, and not the first's."""
    first = request.subjects[0]
    plain = first if first.runtime == ONNXRUNTIME else replace(first, runtime=EAGER)
    open_callers(plain, request.setting, rng)[0].call()


def _cold_start(request: Request, subject: Subject, rng: np.random.Generator) -> tuple[ModelAnswer, tuple[Caller, ...]]:
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
    found = ModelAnswer(opened[0].runtime, cold_start_ms, {caller.device: () for caller in opened}, failed)
    return found, () if failed else opened


def _inspected(request: Request) -> Inspected:
    """Peak memory of one model, the only one in this process, and where its operators run.

    The peak is the most resident memory while the model is opened and called a few times, less what the process held
    before. By then the model was opened and called once and dropped, so that the libraries' own memory isn't in it.
    Reading an ONNX file is part of opening it. How a PyTorch module comes to be is its loader's business: there the
    peak is that of holding and calling it. On a GPU it is the host's memory, not the GPU's.
    """
    (subject,), rng = request.subjects, np.random.default_rng(request.seed)
    _get_going(request, rng)
    forget_peak()
    before = resident_bytes()
    caller = open_callers(subject, request.setting, rng)[0]
    if subject.runtime != ONNXRUNTIME:
        forget_peak()
    for _ in range(CALLS_FOR_PEAK):
        caller.call()
    peak = peak_bytes()
    used = None if before is None or peak is None else max(peak - before, 0)
    ran = provider_that_ran(subject, request.setting) if subject.runtime == ONNXRUNTIME else request.setting.device
    return Inspected(used, ran)


def main() -> None:
    """Read, work, answer; an error that a user can cause is an answer too."""
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as out:
        os.dup2(2, 1)  # what libraries print isn't the answer
        with open(0, encoding="utf-8") as request:
            asked = from_json(Request, json.load(request), where="the request")
        try:
            content = answer(asked)
        except TTLError as error:
            content = Answer(refused=Refused(type(error).__name__, str(error)))
        json.dump(to_json(content), out)


if __name__ == "__main__":
    main()
