"""An onnxruntime session with its threads set explicitly, and the machine it runs on."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from pathlib import Path

import onnxruntime as ort

from ttl.errors import ExportError, UsageError

PROVIDER = "CPUExecutionProvider"
ERRORS_ONLY = 3


@dataclass(frozen=True)
class Hardware:
    """The machine a figure was measured on.

    `cores` are the ones this process may use; `load_average` is over 1, 5 and 15 minutes when it was read,
    empty where the system has none.
    """

    cpu: str
    cores: int
    system: str
    onnxruntime: str
    load_average: tuple[float, ...]


def available_threads() -> int:
    """The number of cores this process may run on: its cpuset, not the machine's core count."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def hardware() -> Hardware:
    """The machine, as it is now."""
    return Hardware(
        cpu=_cpu_name(),
        cores=available_threads(),
        system=f"{platform.system()} {platform.release()} {platform.machine()}",
        onnxruntime=ort.__version__,
        load_average=tuple(round(load, 2) for load in os.getloadavg()) if hasattr(os, "getloadavg") else (),
    )


def resolve_threads(threads: int | None) -> int:
    """The number of threads to use: the one asked for, or every core of the cpuset.

    Raises:
        UsageError: when it is below 1, or more than the process has cores: threads that share a core wait
            for each other, and the figure would be the scheduler's.
    """
    cores = available_threads()
    if threads is None:
        return cores
    if not 1 <= threads <= cores:
        raise UsageError(f"{threads} threads can't be used: this process has {cores} cores; give 1 to that.")
    return threads


def open_session(path: Path, *, threads: int, optimize: bool = True) -> ort.InferenceSession:
    """Open an ONNX file on the CPU.

    `threads` is the size of the one thread pool (operators run one after another). Its threads spin while
    the session runs, as onnxruntime does by default, and stop when the run ends: the spinning threads of an
    idle session would take the cores from the one that is being timed beside it.

    Args:
        path: the file.
        threads: threads within an operator, at least 1.
        optimize: whether onnxruntime may rewrite the graph (fuse, fold) before running it.

    Raises:
        ExportError: when there is no such file, or onnxruntime can't run it.
    """
    if not path.is_file():
        raise ExportError(f"{path} doesn't exist or isn't a file: give the path of an ONNX file.")
    return _session(str(path), str(path), threads, optimize)


def session_of(content: bytes, name: str, *, threads: int, optimize: bool = True) -> ort.InferenceSession:
    """The same of a file's content that was never written; `name` stands for it in messages.

    Raises:
        ExportError: when onnxruntime can't run it.
    """
    return _session(content, name, threads, optimize)


def _session(model: str | bytes, name: str, threads: int, optimize: bool) -> ort.InferenceSession:
    try:
        return ort.InferenceSession(model, _options(threads, optimize), providers=[PROVIDER])
    except Exception as error:  # onnxruntime has a dozen unrelated exception classes and exports no base
        reason = str(error).strip().splitlines()[0].rpartition(" failed:")[2]
        raise ExportError(f"{name} can't be run as an ONNX model: {reason}") from error


def _options(threads: int, optimize: bool) -> ort.SessionOptions:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = ERRORS_ONLY
    options.add_session_config_entry("session.force_spinning_stop", "1")
    if not optimize:
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    return options


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
