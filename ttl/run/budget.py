"""The budget that is measured: the points that take at most so many milliseconds an image on this machine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
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
from ttl.cut.points import TruncationPoint
from ttl.errors import ExportError, TTLError, UsageError
from ttl.export.to_file import export_onnx
from ttl.finetune.accelerated import accelerator, from_main
from ttl.run.events import Note, Watch
from ttl.run.latency_budget import LatencyBudget
from ttl.run.prepared import Prepared
from ttl.run.provenance import describe_machine, known_run
from ttl.study.study import Study, trial_id
from ttl.words.counts import counted
from ttl.words.units import milliseconds

KEPT = "latency_budget.json"
SECONDS_PER_POINT = 5.0
"""Wall-clock limit of timing one point, its export not counted."""
RUNS_PER_POINT = 100


def within_latency(prepared: Prepared, study: Study | None, watch: Watch) -> Prepared:
    """The run with its candidates narrowed to those within `--max-latency-ms`; as it is where none is asked for.

    No two measurements agree, so what was measured stays in the run folder: a run that is taken up again searches
    the points that it began with.

    Args:
        prepared: the run; its other budgets are kept first.
        study: the run folder; None measures and keeps nothing.
        watch: is told what was measured.

    Raises:
        UsageError: no point is fast enough, or one can't be exported.
        RunFolderError: the folder is of another command, or can't be written.
    """
    if prepared.config.max_latency_ms is None:
        return prepared
    budget_ms = prepared.config.max_latency_ms
    found = _from_main(prepared, lambda: _kept(prepared, budget_ms, study, watch))
    watch(Note(found.words()))
    return replace(prepared, latency=found)


def _from_main(prepared: Prepared, find: Callable[[], LatencyBudget]) -> LatencyBudget:
    """What the main process finds, for all: its refusal too, or the others would wait for it."""
    if processes.count() == 1:
        return find()
    accelerator(prepared.device, prepared.config.amp)  # the first word between processes settles their device
    found = from_main(_outcome(find) if processes.is_main() else None)
    if isinstance(found, TTLError):
        raise found
    return cast(LatencyBudget, found)


def _outcome(find: Callable[[], LatencyBudget]) -> LatencyBudget | TTLError:
    try:
        return find()
    except TTLError as refusal:
        return refusal


def _kept(prepared: Prepared, budget_ms: float, study: Study | None, watch: Watch) -> LatencyBudget:
    """What an earlier call on the folder measured, else what is measured now."""
    if study is None:
        return _measured(prepared, budget_ms, watch)
    known_run(prepared, study)  # a folder of another command is refused before its file is replaced
    identity = _identity(prepared)
    known = study.read(KEPT)
    if known is not None and known["identity"] == identity:
        return LatencyBudget.from_json(known)
    found = _measured(prepared, budget_ms, watch)
    study.write(KEPT, {"identity": identity, **found.to_json(), **describe_machine()})
    return found


def _identity(prepared: Prepared) -> str:
    """A hash of what was asked to be measured: the machine isn't in it, a run may be taken up again on another."""
    config = prepared.config
    told = {
        "backbone": prepared.backbone.name,
        "image_size": prepared.image_size,
        "finish": config.finish,
        "pool": config.pool,
        "classes": len(prepared.task.class_names),
        "threads": config.threads,
        "budget_ms": config.max_latency_ms,
        "points": [point.name for point in prepared.candidates],
    }
    return trial_id(told)


def _measured(prepared: Prepared, budget_ms: float, watch: Watch) -> LatencyBudget:
    threads = resolve_threads(prepared.config.threads)
    points = {point.name: point for point in prepared.candidates}
    most = ceil(log2(len(points) + 1))
    watch(Note(f"Exporting and timing at most {most} of {counted(len(points), 'point')}, to keep to --max-latency-ms"))
    measured, highest = highest_within(
        list(points), budget_ms, lambda name: median_ms(prepared, points[name], threads=threads)
    )
    if highest is None:
        name, p50_ms = next(iter(measured.items()))
        raise UsageError(
            f"No point is left to search among: the smallest, {name}, takes {milliseconds(p50_ms)} an image here on "
            f"{counted(threads, 'thread')}, more than the {budget_ms:g} ms allowed; raise --max-latency-ms"
        )
    return LatencyBudget(budget_ms, threads, highest, measured)


def highest_within(
    names: Sequence[str], budget: float, measure: Callable[[str], float]
) -> tuple[dict[str, float], str | None]:
    """The highest of nested points that keeps to a budget, by bisection: what lies below it is a part of it.

    Noise can move the answer by as much as it moves the measurements; what is returned was measured to be within,
    and the next point, if there is one, not to be.

    Args:
        names: of the points, lowest first.
        budget: the most that is allowed.
        measure: takes a name, gives what it takes; called once for each of at most log2(n + 1) points, rounded up.

    Returns:
        What was measured, lowest first; and the highest point within, None where there is none: then the lowest
        was measured.
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


def median_ms(prepared: Prepared, point: TruncationPoint, *, threads: int) -> float:
    """Milliseconds of one image through the network cut at `point`, head included, as an ONNX file on the CPU.

    Timed in this process and by itself: whether a point is within a budget is no question of a few percent.

    Raises:
        UsageError: it can't be exported.
    """
    side, model = point.image_size, prepared.truncated(point, prepared.config.seed)
    # Images of the task would have to be decoded first, and take the same time.
    image = torch.randn(1, point.image_channels, side, side, generator=torch.Generator().manual_seed(0))
    with TemporaryDirectory() as folder:
        path = Path(folder) / "cut.onnx"
        try:
            export_onnx(model, path, check_on=image)
            return _time_of(Subject(point.name, path), Setting(1, threads))
        except ExportError as error:
            raise UsageError(
                f"The latency of the cut at {point.name} can't be measured ({str(error).rstrip('.')}): "
                "leave out --max-latency-ms"
            ) from error


def _time_of(subject: Subject, setting: Setting) -> float:
    """The median of calls in this process, in milliseconds."""
    rng = np.random.default_rng(0)
    (caller,) = open_callers(subject, setting, rng)
    rounds = time_rounds({subject.name: caller.call}, runs=RUNS_PER_POINT, budget_seconds=SECONDS_PER_POINT, rng=rng)
    return float(np.median(rounds.times_ms[subject.name]))
