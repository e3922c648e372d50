from __future__ import annotations

from pathlib import Path

import onnxruntime as ort
import pytest

from toy_timed import onnx_file
from ttl.cost import session
from ttl.cost.session import available_threads, hardware, load_average, open_session, resolve_threads
from ttl.errors import ExportError, LatencyError, UsageError


def test_sessions_stop_spinning_between_runs(tmp_path: Path) -> None:
    opened = open_session(onnx_file(tmp_path / "a.onnx", ["n", 3]), threads=1)
    options = opened.get_session_options()
    assert options.intra_op_num_threads == 1
    assert options.inter_op_num_threads == 1
    assert options.get_session_config_entry("session.force_spinning_stop") == "1"
    assert opened.get_providers() == ["CPUExecutionProvider"]


def test_the_machine_is_described() -> None:
    machine = hardware()
    assert machine.cpu
    assert machine.cores == available_threads() == resolve_threads(None)
    assert load_average() is None or load_average() >= 0


def test_the_gpu_is_what_the_driver_s_tool_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert hardware().gpu is None
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\necho 'NVIDIA H200, 570.1'\necho 'NVIDIA H200, 570.1'\n")
    tool.chmod(0o755)
    assert hardware().gpu == "NVIDIA H200, driver 570.1"


@pytest.mark.parametrize("threads", [0, 10_000])
def test_threads_beyond_the_cpuset_are_refused(threads: int) -> None:
    with pytest.raises(UsageError, match=f"{threads} threads can't be used: this process has"):
        resolve_threads(threads)


def test_file_that_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_text("not a model")
    with pytest.raises(ExportError, match="can't be run as an ONNX model"):
        open_session(tmp_path / "m.onnx", threads=1)
    with pytest.raises(ExportError, match="doesn't exist or isn't a file"):
        open_session(tmp_path / "n.onnx", threads=1)


def test_cuda_that_is_not_built_in_is_refused_and_so_is_another_device(tmp_path: Path) -> None:
    path = onnx_file(tmp_path / "a.onnx", ["n", 3])
    if "CUDAExecutionProvider" not in ort.get_available_providers():
        with pytest.raises(LatencyError, match=r"built without it: install .*pip install onnxruntime-gpu"):
            open_session(path, threads=1, device="cuda")
    with pytest.raises(UsageError, match="--device is tpu: onnxruntime is timed on cpu or cuda"):
        open_session(path, threads=1, device="tpu")


def test_cuda_that_does_not_load_is_refused_not_run_on_the_cpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """onnxruntime leaves out a provider whose libraries it can't load, and says so in its log only."""
    path = onnx_file(tmp_path / "a.onnx", ["n", 3])
    opened, asked = open_session(path, threads=1), []

    def fallen_back(name: str, options: object, providers: list[str]) -> ort.InferenceSession:
        asked.append(providers)
        return opened

    monkeypatch.setattr(session.ort, "get_available_providers", lambda: list(session.PROVIDERS.values()))
    monkeypatch.setattr(session.ort, "preload_dlls", lambda: asked.append("libraries"))
    monkeypatch.setattr(session.ort, "InferenceSession", fallen_back)
    with pytest.raises(LatencyError, match="could not load it"):
        open_session(path, threads=1, device="cuda")
    assert asked == ["libraries", ["CUDAExecutionProvider", "CPUExecutionProvider"]]
