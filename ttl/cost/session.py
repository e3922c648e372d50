"""An onnxruntime session with its threads and its provider set explicitly, and the machine it runs on."""

from __future__ import annotations

import os
import platform
import subprocess
from dataclasses import dataclass
from pathlib import Path

import onnxruntime as ort

from ttl.cost.subject import CPU, CUDA
from ttl.errors import ExportError, LatencyError, UsageError

PROVIDERS = {CPU: "CPUExecutionProvider", CUDA: "CUDAExecutionProvider"}
ERRORS_ONLY, FATAL_ONLY = 3, 4
NO_CUDA = (
    "CUDA was asked for, and {why}: install a GPU build that fits its CUDA (pip install onnxruntime-gpu), or time on "
    "--device cpu."
)


@dataclass(frozen=True)
class Hardware:
    """The machine a figure was measured on.

    `cores` are the ones this process may use; `gpu` is None where there is none to be seen.
    """

    cpu: str
    cores: int
    system: str
    gpu: str | None = None


def available_threads() -> int:
    """The number of cores this process may run on: its cpuset, not the machine's core count."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def hardware() -> Hardware:
    """The machine, as it is now."""
    system = f"{platform.system()} {platform.release()} {platform.machine()}"
    return Hardware(_cpu_name(), available_threads(), system, _gpu_name())


def load_average() -> float | None:
    """Processes that computed or waited for a core, on the average of the last minute; None where nothing counts them.

    It is the whole machine's, other containers included.
    """
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None


def provider_of(device: str) -> str:
    """The execution provider that a device stands for.

    Raises:
        UsageError: there is no such device.
        LatencyError: this onnxruntime was built without it.
    """
    if device not in PROVIDERS:
        raise UsageError(f"--device is {device}: onnxruntime is timed on {' or '.join(PROVIDERS)}.")
    if PROVIDERS[device] not in ort.get_available_providers():
        raise LatencyError(NO_CUDA.format(why="this onnxruntime is built without it"))
    return PROVIDERS[device]


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


def check_file(path: Path) -> None:
    """Refuse what can't be a model.

    Raises:
        ExportError: there is no such file.
    """
    if not path.is_file():
        raise ExportError(f"{path} doesn't exist or isn't a file: give the path of an ONNX file.")


def open_session(
    path: Path,
    *,
    threads: int,
    optimize: bool = True,
    device: str = CPU,
    profile: Path | None = None,
) -> ort.InferenceSession:
    """Open an ONNX file.

    `threads` is the size of the one thread pool (operators run one after another). Its threads spin while
    the session runs, as onnxruntime does by default, and stop when the run ends: the spinning threads of an
    idle session would take the cores from the one that is being timed beside it.

    Args:
        path: the file.
        threads: CPU threads within an operator, at least 1.
        optimize: whether onnxruntime may rewrite the graph (fuse, fold) before running it.
        device: `cpu` or `cuda`. On CUDA, operators that it doesn't have run on the CPU.
        profile: what the name of the profile that the session writes begins with; None writes none.

    Raises:
        ExportError: when there is no such file, or onnxruntime can't run it.
        LatencyError: CUDA was asked for and can't be had.
    """
    check_file(path)
    return _session(str(path), str(path), _options(threads, optimize), device=device, profile=profile)


def session_of(content: bytes, name: str, *, threads: int, optimize: bool = True) -> ort.InferenceSession:
    """The same, on the CPU, of a file's content that was never written; `name` stands for it in messages.

    Raises:
        ExportError: when onnxruntime can't run it.
    """
    return _session(content, name, _options(threads, optimize))


def _session(
    model: str | bytes, name: str, options: ort.SessionOptions, *, device: str = CPU, profile: Path | None = None
) -> ort.InferenceSession:
    provider = provider_of(device)
    if device == CUDA:
        ort.preload_dlls()
        options.log_severity_level = FATAL_ONLY
    if profile is not None:
        options.enable_profiling, options.profile_file_prefix = True, str(profile)
    try:
        session = ort.InferenceSession(model, options, providers=list(dict.fromkeys([provider, PROVIDERS[CPU]])))
    except Exception as error:  # onnxruntime has a dozen unrelated exception classes and exports no base
        reason = str(error).strip().splitlines()[0].rpartition(" failed:")[2]
        raise ExportError(f"{name} can't be run as an ONNX model: {reason}") from error
    # A provider that doesn't load is left out by onnxruntime, and the model runs on the CPU.
    if provider not in session.get_providers():
        raise LatencyError(NO_CUDA.format(why="onnxruntime could not load it"))
    return session


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


def _gpu_name() -> str | None:
    """Name and driver of the first GPU, as NVIDIA's tool gives them."""
    command = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.splitlines()
    except (OSError, subprocess.SubprocessError):
        return None
    return ", driver ".join(part.strip() for part in found[0].split(",")) if found else None
