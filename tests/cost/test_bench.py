"""The protocol: which processes are asked for what; and one bench for real, of toys."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest

from toy_timed import onnx_file
from ttl.cost import bench as protocol
from ttl.cost import fresh
from ttl.cost.bench import bench
from ttl.cost.fresh import in_fresh_process
from ttl.cost.session import available_threads
from ttl.cost.subject import COMPILED, EAGER, Inspected, ModelTimes, Request, Setting, Subject, Timed
from ttl.cost.worker import inspected, timed
from ttl.errors import ExportError, LatencyError, UsageError

A, FULL = Subject("a", Path("a.onnx")), Subject("full", Path("full.onnx"))
IN_TORCH, TORCH_FULL = Subject("a", Path("a"), EAGER, "x:y", (3, 4, 4)), Subject("full", Path("f"), COMPILED, "x:y")


class Processes:
    """Answers requests: each call takes as many ms as the process's number plus the model's, each process 4 s."""

    def __init__(self) -> None:
        self.timing: list[Request] = []
        self.alone: list[Request] = []
        self.failed = ""
        self.runs: int | None = None

    def answer(self, work: Callable[[Request], Any], request: Request) -> Timed | Inspected:
        if work is inspected:
            self.alone.append(request)
            return Inspected(1000 * request.setting.batch, "CPUExecutionProvider")
        assert work is timed
        self.timing.append(request)
        models = tuple(self.model(request, number, subject) for number, subject in enumerate(request.subjects))
        return Timed(models, warm=request.seed[1] != 1, seconds=4.0)

    def model(self, request: Request, number: int, subject: Subject) -> ModelTimes:
        times_ms = np.full(self.runs or request.runs, float(request.seed[1] + number))
        failed = self.failed if subject.runtime == COMPILED else ""
        return ModelTimes(f"{subject.runtime} 1.0", 7.0, {"cpu": times_ms}, failed)


@pytest.fixture
def processes(monkeypatch: pytest.MonkeyPatch) -> Processes:
    fake = Processes()
    monkeypatch.setattr(protocol, "in_fresh_process", fake.answer)
    monkeypatch.setattr(protocol, "check_file", lambda path: None)
    return fake


def test_every_setting_is_measured_in_every_process(processes: Processes) -> None:
    found = bench([A, FULL], batches=[1, 8], threads=[1], runs=200, processes=3, seconds=60.0, seed=5)
    settings = [Setting(1, 1), Setting(8, 1)]
    assert [request.setting for request in processes.timing] == settings * 3
    assert [request.seed for request in processes.timing] == [(5, 0), (5, 0), (5, 1), (5, 1), (5, 2), (5, 2)]
    assert {request.runs for request in processes.timing} == {67}
    assert all(request.subjects == (A, FULL) for request in processes.timing)
    assert [(times.model, times.batch) for times in found.times] == [("a", 1), ("full", 1), ("a", 8), ("full", 8)]
    assert [len(times.times_ms) for times in found.times] == [3, 3, 3, 3]
    assert [array[0] for array in found.times[1].times_ms] == [1.0, 2.0, 3.0]
    assert found.times[0].runs == 201
    assert (found.cut_short, found.warm, found.processes) == (False, False, 3)


def test_what_a_process_leaves_of_the_seconds_the_others_have(processes: Processes) -> None:
    """60 s for six processes: ten for the first, and as each takes 4, (60 - 4 k) / (6 - k) for the others."""
    bench([A], batches=[1, 8], threads=[1], seconds=60.0)
    assert [request.seconds for request in processes.timing] == pytest.approx([10, 56 / 5, 13, 16, 22, 40])
    processes.timing.clear()
    bench([A], threads=[1], seconds=3.0)
    assert [request.seconds for request in processes.timing] == pytest.approx([1, 0, 0])


def test_one_thread_and_all_are_what_is_asked_for_by_default(processes: Processes) -> None:
    found = bench([A])
    assert [times.threads for times in found.times] == sorted({1, available_threads()})
    assert {request.setting.threads for request in processes.alone} == {available_threads()}


def test_pytorch_is_timed_in_processes_of_its_own(processes: Processes) -> None:
    found = bench([A, FULL, IN_TORCH, TORCH_FULL], threads=[1], processes=1)
    assert [request.subjects for request in processes.timing] == [(A, FULL), (IN_TORCH, TORCH_FULL)]
    assert [times.runtime for times in found.times] == ["onnxruntime 1.0"] * 2 + ["eager 1.0", "compiled 1.0"]
    assert [request.subjects for request in processes.alone] == [(A,), (FULL,), (IN_TORCH,)]
    assert [times.peak_memory_bytes for times in found.times] == [1000, 1000, 1000, None]
    assert [times.provider for times in found.times] == ["CPUExecutionProvider"] * 3 + ["cpu"]


def test_memory_may_be_left_out(processes: Processes) -> None:
    (times,) = bench([A], threads=[1], inspect=False).times
    assert times.peak_memory_bytes is None
    assert (len(processes.timing), processes.alone) == (3, [])


def test_what_can_not_be_compiled_is_named(processes: Processes) -> None:
    processes.failed = "no compiler"
    eager, compiled = bench([IN_TORCH, TORCH_FULL], threads=[1], runs=6).times
    assert (eager.failed, eager.runs) == ("", 6)
    assert (compiled.failed, compiled.runs, compiled.cold_starts_ms) == ("no compiler", 0, ())


def test_fewer_runs_than_asked_for_are_reported(processes: Processes) -> None:
    processes.runs = 5
    assert bench([A], threads=[1], runs=200).cut_short
    assert not bench([A], threads=[1], runs=15).cut_short


def test_what_begins_is_announced(processes: Processes) -> None:
    lines: list[str] = []
    bench([A], threads=[1], processes=2, tell=lines.append)
    assert lines == [
        "a, onnxruntime, batch 1: memory",
        "onnxruntime, batch 1, threads 1: process 1 of 2",
        "onnxruntime, batch 1, threads 1: process 2 of 2",
    ]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batches": [0]}, "batch is 0: it must be above 0"),
        ({"runs": 0}, "runs is 0"),
        ({"processes": 0}, "processes is 0"),
        ({"seconds": 0.0}, "seconds is 0"),
        ({"threads": [10_000]}, "10000 threads can't be used: this process has"),
        ({"device": "tpu"}, "--device is tpu"),
    ],
)
def test_options_that_make_no_sense(options: dict[str, Any], message: str, processes: Processes) -> None:
    with pytest.raises(UsageError, match=message):
        bench([A], **options)
    with pytest.raises(UsageError, match="There is nothing to time"):
        bench([])
    assert processes.timing == processes.alone == []


def test_files_are_timed_in_fresh_processes(tmp_path: Path) -> None:
    path = onnx_file(tmp_path / "a.onnx", ["n", 3, "h", "w"])
    found = bench(
        [Subject("a", path), Subject("b", path)], batches=[2], runs=12, processes=2, threads=[1], image_size=6
    )
    for times in found.times:
        assert [len(array) for array in times.times_ms] == [6, 6]
        assert all((array > 0).all() for array in times.times_ms)
        assert all(cold > 0 for cold in times.cold_starts_ms)
        assert times.runtime == f"onnxruntime {ort.__version__}"
        assert times.provider == "CPUExecutionProvider"
    assert not np.array_equal(found.times[0].times_ms[0], found.times[0].times_ms[1])
    assert list(tmp_path.iterdir()) == [path]


def test_a_refusal_of_the_process_is_the_callers_error(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="doesn't exist or isn't a file"):
        bench([Subject("a", tmp_path / "a.onnx")])
    with pytest.raises(ExportError, match="doesn't exist or isn't a file"):
        in_fresh_process(timed, Request((Subject("a", tmp_path / "a.onnx"),), Setting(1, 1)))


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("import os; os.kill(os.getpid(), 9)", "timed a, full was ended by SIGKILL: free some memory"),
        ("raise SystemError('a bug')", r"timed a, full failed \(SystemError: a bug\): time the models one by one"),
        ("raise SystemExit(3)", r"failed \(without a word\)"),
    ],
)
def test_a_process_that_dies_is_an_error(code: str, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fresh, "WORKER", (sys.executable, "-c", code))
    with pytest.raises(LatencyError, match=message):
        in_fresh_process(timed, Request((A, FULL), Setting(1, 1)))


def test_an_interrupt_ends_the_process(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    begun: list[subprocess.Popen[bytes]] = []

    class Interrupted(subprocess.Popen[bytes]):
        def communicate(self, *args: Any, **kwargs: Any) -> Any:
            begun.append(self)
            raise KeyboardInterrupt

    monkeypatch.setattr(subprocess, "Popen", Interrupted)
    monkeypatch.setattr(fresh, "WORKER", (sys.executable, "-c", "import time; time.sleep(600)"))
    with pytest.raises(KeyboardInterrupt):
        in_fresh_process(timed, Request((A,), Setting(1, 1)))
    assert [process.returncode for process in begun] == [-9]
