"""What a fresh process does, called in this one; and one for real."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import toy_timed
from toy_timed import onnx_file
from ttl.cost import worker
from ttl.cost.fresh import WORKER
from ttl.cost.subject import COMPILED, EAGER, Inspected, Request, Setting, Subject
from ttl.cost.worker import inspected, provider_that_ran, shares, timed

ONE = Setting(1, 1)


@pytest.fixture
def file(tmp_path: Path) -> Subject:
    return Subject("a", onnx_file(tmp_path / "a.onnx", ["n", 3, 4, 4]))


@pytest.fixture
def module(tmp_path: Path) -> Subject:
    (tmp_path / "factor").write_text("2")
    toy_timed.LOADED.clear()
    return Subject("m", tmp_path / "factor", EAGER, "toy_timed:load", (3, 4, 4))


def compiled(module: Subject) -> Subject:
    return Subject(module.name, module.path, COMPILED, module.loader, module.shape)


def kernel(provider: str) -> dict[str, object]:
    return {"cat": "Node", "name": "conv_kernel_time", "args": {"provider": provider}}


def test_models_are_opened_called_and_timed_in_turns(file: Subject) -> None:
    found = timed(Request((file, file), ONE, runs=7, seconds=100.0))
    assert [model.times_ms["cpu"].shape for model in found.models] == [(7,), (7,)]
    assert all(model.cold_start_ms > 0 for model in found.models)
    assert found.seconds > 0


def test_modules_are_called_once_before_the_first_is_timed(module: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first that is loaded is dropped after its call; the others are called cold, warming up, and in 5 rounds."""
    monkeypatch.setattr(torch, "compile", lambda model: model)
    monkeypatch.setattr(torch, "set_num_threads", lambda count: None)
    timed(Request((compiled(module), module), ONE, runs=5, seconds=1e-9))
    assert [len(loaded.calls) for loaded in toy_timed.LOADED] == [1, 6, 6]


def test_what_can_not_be_compiled_is_left_out(module: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(model: object) -> object:
        def call(images: object) -> None:
            raise RuntimeError("no working C++ compiler\nlong story")

        return call

    monkeypatch.setattr(torch, "compile", fails)
    monkeypatch.setattr(torch, "set_num_threads", lambda count: None)
    found = timed(Request((module, compiled(module)), ONE, runs=5, seconds=1e-9))
    assert [len(model.times_ms["cpu"]) for model in found.models] == [5, 0]
    assert [model.failed for model in found.models] == ["", "RuntimeError: no working C++ compiler"]
    by_itself = timed(Request((compiled(module),), ONE, runs=5))
    assert (by_itself.warm, by_itself.seconds) == (True, 0.0)


def test_a_file_alone_is_measured_and_its_provider_seen(
    file: Subject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker.gc, "collect", lambda: 0)  # of a whole test session it takes seconds
    found = inspected(Request((file,), ONE))
    assert found.provider == "CPUExecutionProvider"
    assert found.peak_memory_bytes is None or found.peak_memory_bytes >= 0
    assert list(tmp_path.iterdir()) == [file.path]


def test_peak_memory_is_what_a_model_adds(file: Subject, module: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "forget_peak", lambda: None)  # collecting a test session's garbage takes a second
    found: dict[str, int | None] = {"VmRSS": 5_000, "VmHWM": 9_000}
    monkeypatch.setattr(worker, "memory_bytes", found.__getitem__)
    assert inspected(Request((file,), ONE)).peak_memory_bytes == 4_000
    monkeypatch.setattr(torch, "set_num_threads", lambda count: None)
    assert inspected(Request((module,), ONE)) == Inspected(4_000, "cpu")
    found["VmHWM"] = None
    assert inspected(Request((file,), ONE)).peak_memory_bytes is None


def test_resident_memory_is_read_from_the_kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    status, references, collected = tmp_path / "status", tmp_path / "clear_refs", []
    monkeypatch.setattr(worker.gc, "collect", lambda: collected.append("before"))
    status.write_text("Name:\tttl\nVmHWM:\t      40 kB\nVmRSS:\t      30 kB\n")
    monkeypatch.setattr(worker, "STATUS", status)
    monkeypatch.setattr(worker, "REFERENCES", references)
    worker.forget_peak()
    assert (references.read_text(), collected) == ("5", ["before"])
    assert (worker.memory_bytes("VmRSS"), worker.memory_bytes("VmHWM")) == (30 * 1024, 40 * 1024)
    monkeypatch.setattr(worker, "STATUS", tmp_path / "nowhere")
    monkeypatch.setattr(worker, "REFERENCES", tmp_path / "no folder" / "clear_refs")
    worker.forget_peak()
    assert (worker.memory_bytes("VmRSS"), worker.memory_bytes("VmHWM")) == (None, None)


def test_the_provider_that_ran_is_that_of_the_nodes() -> None:
    cuda, cpu = "CUDAExecutionProvider", "CPUExecutionProvider"
    other = {"cat": "Session", "name": "model_run", "args": {}}
    assert shares([kernel(cuda)] * 3 + [other], cuda) == cuda
    assert shares([kernel(cpu)] + [kernel(cuda)] * 119, cuda) == "CUDAExecutionProvider (1 of 120 nodes on CPU)"
    assert shares([kernel(cpu)] * 2, cuda) == cpu
    assert shares([other], cpu) == cpu


def test_a_profile_is_of_a_real_call(file: Subject, tmp_path: Path) -> None:
    assert provider_that_ran(file, ONE) == "CPUExecutionProvider"
    assert list(tmp_path.iterdir()) == [file.path]


def test_the_answer_is_all_that_is_on_standard_output_and_nothing_slow_is_imported(file: Subject) -> None:
    """Imports of the child are listed on its standard error."""
    request = pickle.dumps((timed, Request((file,), ONE, runs=5, seconds=1e-9)))
    command = [sys.executable, "-X", "importtime", *WORKER[1:]]
    done = subprocess.run(command, input=request, capture_output=True, check=True)
    (model,) = pickle.loads(done.stdout).models
    assert {device: len(times_ms) for device, times_ms in model.times_ms.items()} == {"cpu": 5}
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.decode().splitlines()}
    assert "ttl.cost.callers" in imported
    assert not imported & {"torch", "timm", "scipy", "sklearn", "pydantic", "ttl.cost.bench"}
