"""The budget that is measured: the points that take at most so many milliseconds an image on this machine."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil, log2
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast

import numpy as np
import torch

from ttl import processes
from ttl.cost.callers import open_callers
from ttl.cost.rounds import time_rounds
from ttl.cost.session import resolve_threads
from ttl.cost.subject import Setting, Subject
from ttl.errors import ExportError, TTLError, UsageError
from ttl.export.to_file import export_onnx
from ttl.finetune.accelerated import accelerator, from_main
from ttl.report.schema.searched import LatencyLimit, TimedPoint
from ttl.run.events import Note, Watch
from ttl.run.provenance import known_run, machine, versions
from ttl.run.setting import RunSetting
from ttl.study.candidate import Candidate
from ttl.study.folder import Study
from ttl.study.run_record import Machine
from ttl.study.trial import trial_id
from ttl.words.counts import counted
from ttl.words.units import milliseconds

KEPT = "latency_budget.json"
SECONDS_PER_POINT = 5.0
"""Wall-clock limit of timing one point, its export not counted."""
RUNS_PER_POINT = 100


@dataclass(frozen=True)
class KeptLimit:
    """latency_budget.json: what was measured, a hash of what it was asked for, and where."""

    identity: str
    limit: LatencyLimit
    versions: Mapping[str, str]
    hardware: Machine


def within_latency(setting: RunSetting, study: Study | None, watch: Watch) -> RunSetting:
    """The run with its candidates narrowed to those within `--max-latency-ms`; as it is where none is asked for.

    No two measurements agree, so what was measured stays in the run folder: a run that is taken up again searches
    the points that it began with. Without a folder (`study` is None) it is measured and not kept.

    Raises:
        UsageError: no point is fast enough, or one can't be exported.
        RunFolderError: the folder is of another command, or can't be written.
    """
    budget_ms = setting.config.max_latency_ms
    if budget_ms is None:
        return setting
    limit = _from_main(setting, lambda: _kept(setting, budget_ms, study, watch))
    watch(Note(limit.words()))
    names = [candidate.name for candidate in setting.candidates]
    return replace(setting, candidates=setting.candidates[: names.index(limit.highest) + 1], latency=limit)


def _from_main(setting: RunSetting, find: Callable[[], LatencyLimit]) -> LatencyLimit:
    """What the main process finds, for all: its refusal too, or the others would wait for it."""
    if processes.count() == 1:
        return find()
    accelerator(setting.device, setting.config.amp)  # the first word between processes settles their device
    outcome: LatencyLimit | TTLError | None = None
    if processes.is_main():
        try:
            outcome = find()
        except TTLError as refusal:
            outcome = refusal
    outcome = from_main(outcome)
    if isinstance(outcome, TTLError):
        raise outcome
    return cast(LatencyLimit, outcome)


def _kept(setting: RunSetting, budget_ms: float, study: Study | None, watch: Watch) -> LatencyLimit:
    """What an earlier call on the folder measured, else what is measured now."""
    if study is None:
        return _measured(setting, budget_ms, watch)
    known_run(setting, study)  # a folder of another command is refused before its file is replaced
    config = setting.config
    # The machine isn't in it: a run may be taken up again on another.
    identity = trial_id(
        {
            "network": setting.network.name,
            "image_size": setting.network.spec.image_size,
            "finish": config.finish,
            "pool": config.pool,
            "classes": len(setting.task.class_names),
            "threads": config.threads,
            "budget_ms": config.max_latency_ms,
            "points": [candidate.name for candidate in setting.candidates],
        }
    )
    kept = study.read(KeptLimit, KEPT)
    if kept is not None and kept.identity == identity:
        return kept.limit
    measured = _measured(setting, budget_ms, watch)
    study.write(KEPT, KeptLimit(identity, measured, versions(), machine()))
    return measured


def _measured(setting: RunSetting, budget_ms: float, watch: Watch) -> LatencyLimit:
    threads = resolve_threads(setting.config.threads)
    points = {candidate.name: candidate for candidate in setting.candidates}
    most = ceil(log2(len(points) + 1))
    watch(Note(f"Exporting and timing at most {most} of {counted(len(points), 'point')}, to keep to --max-latency-ms"))
    measured, highest = highest_within(
        list(points), budget_ms, lambda name: median_ms(setting, points[name], threads=threads)
    )
    if highest is None:
        name, p50_ms = next(iter(measured.items()))
        raise UsageError(
            f"No point is left to search among: the smallest, {name}, takes {milliseconds(p50_ms)} an image here on "
            f"{counted(threads, 'thread')}, more than the {budget_ms:g} ms allowed; raise --max-latency-ms"
        )
    timed = tuple(TimedPoint(cut=name, p50_ms=p50_ms) for name, p50_ms in measured.items())
    return LatencyLimit(budget_ms=budget_ms, threads=threads, highest=highest, measured=timed)


def highest_within(
    names: Sequence[str], budget: float, measure: Callable[[str], float]
) -> tuple[dict[str, float], str | None]:
    """The highest of nested points that keeps to a budget, by bisection: what lies below it is a part of it.

    Noise can move the answer by as much as it moves the measurements; what is returned was measured to be within,
    and the next point, if there is one, not to be.

    `names` are lowest first; `measure` is called once for each of at most log2(n + 1) points, rounded up.

    Returns:
        what was measured, lowest first, and the highest point within; None where even the lowest isn't.
    """
    found: dict[str, float] = {}
    within, beyond = 0, len(names)
    while within < beyond:
        middle = (within + beyond) // 2
        found[names[middle]] = measure(names[middle])
        if found[names[middle]] <= budget:
            within = middle + 1
        else:
            beyond = middle
    in_order = {name: found[name] for name in names if name in found}
    return in_order, names[within - 1] if within else None


def median_ms(setting: RunSetting, candidate: Candidate, *, threads: int) -> float:
    """Milliseconds of one image through a candidate, head included, as an ONNX file on the CPU.

    Timed in this process and by itself: whether a point is within a budget is no question of a few percent.

    Raises:
        UsageError: it can't be exported.
    """
    model, point = candidate.build(setting.network, setting.head, setting.config.seed), candidate.top
    # Images of the task would have to be decoded first, and take the same time.
    image = torch.randn(1, point.image_channels, *point.sides, generator=torch.Generator().manual_seed(0))
    with TemporaryDirectory() as folder:
        path = Path(folder) / "cut.onnx"
        try:
            export_onnx(model, path, check_on=image)
            rng = np.random.default_rng(0)
            (caller,) = open_callers(Subject(point.name, path), Setting(1, threads), rng)
            calls = {point.name: caller.call}
            rounds = time_rounds(calls, runs=RUNS_PER_POINT, budget_seconds=SECONDS_PER_POINT, rng=rng)
            return float(np.median(rounds.times_ms[point.name]))
        except ExportError as error:
            raise UsageError(
                f"The latency of the cut at {point.name} can't be measured ({str(error).rstrip('.')}): "
                "leave out --max-latency-ms"
            ) from error
