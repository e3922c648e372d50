"""The two files of a run folder, timed against each other."""

from __future__ import annotations

from pathlib import Path

from ttl.cost.bench import bench
from ttl.cost.latency import Latency, latency_rows
from ttl.cost.subject import Subject
from ttl.stats import ratio_interval

CHOSEN, FULL = "model.onnx", "full.onnx"


def measure_latency(
    folder: Path, *, image_size: int, threads: int | None, budget_seconds: float, seed: int
) -> tuple[Latency, ...]:
    """Both files of a run folder, by the protocol of `ttl bench`, on one thread and on all (or on `threads`)."""
    timed = bench(
        [Subject(name, folder / name) for name in (CHOSEN, FULL)],
        threads=[threads] if threads else None,
        seconds=budget_seconds,
        image_size=image_size,
        seed=seed,
    )
    return latency_rows(timed, reference=FULL, ratio=ratio_interval)
