from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb

import numpy as np
import pytest

from ttl.cost.bench import Bench, Conditions, Times
from ttl.cost.latency import RUNS_FOR, latency_rows
from ttl.cost.session import Hardware
from ttl.errors import UsageError

MACHINE = Hardware(cpu="a cpu", cores=2, system="a system")


@dataclass
class Ratio:
    value: float
    ci_low: float
    ci_high: float


def median_ratio(a: Sequence[np.ndarray], b: Sequence[np.ndarray]) -> Ratio:
    per_round = np.concatenate(a) / np.concatenate(b)
    return Ratio(float(np.median(per_round)), float(per_round.min()), float(per_round.max()))


def times(model: str, *processes: Sequence[float], **more: object) -> Times:
    arrays = tuple(np.array(process, np.float64) for process in processes)
    options = {"runtime": "onnxruntime 1.0", "device": "cpu", "batch": 1, "threads": 2, **more}
    return Times(
        model=model,
        provider="CPUExecutionProvider",
        times_ms=arrays,
        cold_starts_ms=tuple(float(10 * (n + 1)) for n in range(len(arrays))),
        peak_memory_bytes=2_000_000,
        **options,
    )


def bench_of(*measured: Times, before: float | None = 0.1) -> Bench:
    return Bench(measured, Conditions(MACHINE, before, 1.5), 4, 3, True)


def test_percentiles_throughput_and_cold_start_are_over_all_processes() -> None:
    """101 runs of 1 to 101 ms, of two images each: 202 images in 5.151 s; the cold starts are 10, 20, 30 ms."""
    measured = times("a", range(1, 51), range(51, 101), [101.0], batch=2)
    (row,) = latency_rows(bench_of(measured), reference=None, ratio=median_ratio)
    assert (row.p50_ms, row.p90_ms, row.p95_ms, row.p99_ms) == (51.0, 91.0, None, None)
    assert (row.runs, row.processes, row.batch, row.threads) == (101, 3, 2, 2)
    assert row.images_per_second == pytest.approx(202 / 5.151)
    assert (row.cold_start_ms, row.peak_memory_bytes) == (20.0, 2_000_000)
    assert (row.ratio_to_full, row.ratio_ci) == (None, None)
    assert (row.runtime, row.device, row.provider) == ("onnxruntime 1.0", "cpu", "CPUExecutionProvider")
    assert (row.cpu, row.load_average) == ("a cpu", (0.1, 1.5))


@pytest.mark.parametrize(("percent", "runs"), [(90, 64), (95, 130), (99, 662)])
def test_a_percentile_needs_so_many_runs(percent: int, runs: int) -> None:
    for few, given in ((runs - 1, False), (runs, True)):
        (row,) = latency_rows(bench_of(times("a", [1.0] * few)), reference=None, ratio=median_ratio)
        assert (getattr(row, f"p{percent}_ms") is not None) == given


@pytest.mark.parametrize("percent", [90, 95, 99])
def test_the_counts_are_the_fewest_of_which_two_lie_above_with_99_percent_confidence(percent: int) -> None:
    def at_most_one_above(n: int) -> float:
        above = 1 - percent / 100
        return sum(comb(n, k) * above**k * (1 - above) ** (n - k) for k in (0, 1))

    assert at_most_one_above(RUNS_FOR[percent]) <= 0.01 < at_most_one_above(RUNS_FOR[percent] - 1)


def test_ratios_are_within_one_runtime_device_and_setting() -> None:
    eager = {"runtime": "PyTorch 2.0 eager"}
    measured = bench_of(
        times("small", [1.0, 2.0], [8.0]),
        times("full", [2.0, 4.0], [16.0]),
        times("small", [9.0], **eager),
        times("full", [10.0], **eager),
        times("small", [5.0], threads=1),
    )
    rows = latency_rows(measured, reference="full", ratio=median_ratio)
    assert [row.ratio_to_full for row in rows] == [0.5, 1.0, 0.9, 1.0, None]
    assert [row.ratio_ci for row in rows] == [(0.5, 0.5), None, (0.9, 0.9), None, None]


def test_what_failed_has_no_figures_and_nothing_is_compared_with_it() -> None:
    failed = times("full", failed="no compiler")
    rows = latency_rows(bench_of(times("a", [1.0]), failed), reference="full", ratio=median_ratio)
    assert [row.ratio_to_full for row in rows] == [None, None]
    assert (rows[1].p50_ms, rows[1].images_per_second, rows[1].cold_start_ms) == (None, None, None)
    assert (rows[1].failed, rows[1].runs) == ("no compiler", 0)


def test_unknown_reference() -> None:
    measured = bench_of(times("a", [1.0]), times("b", [1.0]))
    with pytest.raises(UsageError, match="No model is called 'full': the reference is one of a, b"):
        latency_rows(measured, reference="full", ratio=median_ratio)


@pytest.mark.parametrize(("before", "busy"), [(None, False), (0.2, False), (0.5, False), (0.51, True)])
def test_a_machine_on_which_others_compute_is_busy(before: float | None, busy: bool) -> None:
    assert bench_of(before=before).conditions.busy == busy
    (row,) = latency_rows(bench_of(times("a", [1.0]), before=before), reference=None, ratio=median_ratio)
    assert (row.load_average is None) == (before is None)
