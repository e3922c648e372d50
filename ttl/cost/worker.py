"""What a fresh process does: it times models, cold starts and then rounds; or inspects one that it has to itself."""

from __future__ import annotations

import ctypes
import gc
import json
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from ttl.cost.callers import Caller, image_feed, open_callers
from ttl.cost.rounds import Runner, time_rounds
from ttl.cost.session import open_session, provider_of
from ttl.cost.subject import COMPILED, EAGER, ONNXRUNTIME, Inspected, ModelTimes, Request, Setting, Subject, Timed

CALLS_FOR_PEAK = 3
STATUS, REFERENCES = Path("/proc/self/status"), Path("/proc/self/clear_refs")
HELD_NOW, PEAK = "VmRSS", "VmHWM"
"""Fields of `STATUS`; the peak is since `forget_peak`, or since the process began where the kernel can't forget."""


def timed(request: Request) -> Timed:
    """Open the models in a random order, and time them in turns.

    Raises:
        TTLError: a model can't be opened, or doesn't fit the setting.
    """
    rng = np.random.default_rng(request.seed)
    _get_going(request, rng)
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


def _get_going(request: Request, rng: np.random.Generator) -> None:
    """Call a model once and drop it: what the library needs to get going is the same for all, and not the first's."""
    first = request.subjects[0]
    plain = replace(first, runtime=EAGER) if first.runtime == COMPILED else first
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


def inspected(request: Request) -> Inspected:
    """Peak memory of one model, the only one in this process, and where its operators run.

    The peak is the most resident memory while the model is opened and called a few times, less what the process held
    before. By then the model was opened and called once and dropped, so that the libraries' own memory isn't in it.
    Reading an ONNX file is part of opening it. How a PyTorch module comes to be is its loader's business: there the
    peak is that of holding and calling it. On a GPU it is the host's memory, not the GPU's.

    Raises:
        TTLError: the model can't be opened, or doesn't fit the setting.
    """
    (subject,), rng = request.subjects, np.random.default_rng(request.seed)
    _get_going(request, rng)
    forget_peak()
    before = memory_bytes(HELD_NOW)
    caller = open_callers(subject, request.setting, rng)[0]
    if subject.loader:
        forget_peak()
    for _ in range(CALLS_FOR_PEAK):
        caller.call()
    peak = memory_bytes(PEAK)
    used = None if before is None or peak is None else max(peak - before, 0)
    ran = provider_that_ran(subject, request.setting) if subject.runtime == ONNXRUNTIME else request.setting.device
    return Inspected(used, ran)


def forget_peak() -> None:
    """Give back what is free, and begin anew to look for the peak: that of what was there before is another's."""
    gc.collect()
    with suppress(OSError, AttributeError):  # only glibc has it, and only glibc keeps so much
        ctypes.CDLL(None).malloc_trim(0)
    with suppress(OSError):
        REFERENCES.write_text("5", encoding="ascii")  # the kernel's word for it


def memory_bytes(field: str) -> int | None:
    """What the kernel says of this process's memory; Linux only, None elsewhere."""
    with suppress(OSError):
        for line in STATUS.read_text(encoding="ascii").splitlines():
            if line.startswith(f"{field}:"):
                return int(line.split()[1]) * 1024
    return None


def provider_that_ran(subject: Subject, setting: Setting) -> str:
    """In words, from the profile of one call: `CUDAExecutionProvider (3 of 120 nodes on CPU)`.

    The session is one of its own, as writing a profile takes time; no file is left.
    """
    with TemporaryDirectory() as folder:
        profile = Path(folder) / "profile"
        session = open_session(subject.path, threads=setting.threads, device=setting.device, profile=profile)
        session.run(None, image_feed(session.get_inputs(), subject.name, setting, np.random.default_rng(0)))
        events = json.loads(Path(session.end_profiling()).read_text(encoding="utf-8"))
    return shares(events, provider_of(setting.device))


def shares(events: Iterable[Mapping[str, Any]], asked: str) -> str:
    """The provider that was `asked` for, and how many nodes ran elsewhere; where none ran on it, the one that did.

    The `events` are those of onnxruntime's profile: a session leaves to the CPU what its provider doesn't have.
    """
    kernels = (event for event in events if event.get("cat") == "Node" and event["name"].endswith("_kernel_time"))
    nodes = Counter(str(event["args"]["provider"]) for event in kernels)
    if not nodes:
        return asked
    main = asked if asked in nodes else nodes.most_common(1)[0][0]
    elsewhere = [
        f"{count} of {nodes.total()} nodes on {name.removesuffix('ExecutionProvider')}"
        for name, count in nodes.most_common()
        if name != main
    ]
    return f"{main} ({', '.join(elsewhere)})" if elsewhere else main
