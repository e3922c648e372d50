"""The two files of a run folder, timed against each other."""

from __future__ import annotations

from pathlib import Path

from ttl.cost.latency import Latency, bench, latency_rows
from ttl.cost.session import available_threads
from ttl.stats import ratio_interval

CHOSEN, FULL = "model.onnx", "full.onnx"


def measure_latency(
    folder: Path, *, image_size: int, threads: int | None, budget_seconds: float, seed: int
) -> tuple[Latency, ...]:
    """Both files of a run folder, interleaved in this process, on one thread and on all (or on `threads`)."""
    models = {CHOSEN: folder / CHOSEN, FULL: folder / FULL}
    counts = [threads] if threads else sorted({1, available_threads()})
    rows: list[Latency] = []
    for count in counts:
        share = budget_seconds / len(counts)
        timings = bench(models, threads=count, image_size=image_size, budget_seconds=share, seed=seed)
        rows += latency_rows(timings, reference=FULL, ratio=ratio_interval)
    return tuple(rows)
