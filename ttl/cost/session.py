"""An onnxruntime session with its threads and its provider set explicitly, and the machine it runs on."""

from __future__ import annotations

import os
import platform
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import onnxruntime as ort

from ttl.cost.subject import CPU, CUDA
from ttl.errors import ExportError, LatencyError, UsageError
from ttl.processes import available_cores
from ttl.words.counts import counted

PROVIDERS = {CPU: "CPUExecutionProvider", CUDA: "CUDAExecutionProvider"}
ERRORS_ONLY, FATAL_ONLY = 3, 4
NO_CUDA = (
    "CUDA was asked for, and {why}: install a GPU build that fits its CUDA (pip install onnxruntime-gpu), or time on "
    "--device cpu."
)


@dataclass(frozen=True)
class Hardware:
    """The machine a figure was measured on: `cores` are the ones this process may use; no `gpu` where none is seen."""

    cpu: str
    cores: int
    system: str
    gpu: str | None = None


def available_threads() -> int:
    """The number of cores this process may keep busy: see `ttl.processes.available_cores`."""
    return available_cores()


def hardware() -> Hardware:
    """The machine, as it is now."""
    system = f"{platform.system()} {platform.release()} {platform.machine()}"
    return Hardware(_cpu_name(), available_threads(), system, _gpu_name())


def load_average() -> float | None:
    """Processes of the whole machine, other containers' too, that computed or waited for a core, on the average of the
    last minute; None where nothing counts them."""
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
    """The number of threads to use: the one asked for, or as many as the cores that this process may keep busy.

    Raises:
        UsageError: below 1, or more than the cores: threads that share one wait, and the figure is the scheduler's.
    """
    cores = available_threads()
    if threads is None:
        return cores
    if not 1 <= threads <= cores:
        raise UsageError(f"{threads} threads can't be used: this process has {counted(cores, 'core')}; give 1 to that.")
    return threads


def check_file(path: Path) -> None:
    """Refuse with an ExportError what is no file."""
    if not path.is_file():
        raise ExportError(f"{path} doesn't exist or isn't a file: give the path of an ONNX file.")


def open_session(
    model: Path | bytes,
    *,
    threads: int,
    optimize: bool = True,
    device: str = CPU,
    profile: Path | None = None,
    name: str = "The graph",
) -> ort.InferenceSession:
    """Open an ONNX file, or the content of one that was never written.

    Inputs and outputs are the file's own; one session thread (operators run one after another). Its threads spin while
    the session runs, as onnxruntime does by default, and stop when the run ends: the spinning threads of an
    idle session would take the cores from the one that is being timed beside it.

    Args:
        model: the path, or the content.
        threads: within an operator, at least 1.
        optimize: whether onnxruntime may rewrite the graph (fuse, fold) before running it.
        device: `cpu` or `cuda`. On CUDA, operators that it doesn't have run on the CPU.
        profile: what the name of the profile that the session writes begins with; None writes none.
        name: what messages call a content.

    Raises:
        ExportError: when there is no such file, or onnxruntime can't run it.
        LatencyError: CUDA was asked for and can't be had.
    """
    if isinstance(model, Path):
        check_file(model)
    provider = provider_of(device)
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = FATAL_ONLY if device == CUDA else ERRORS_ONLY
    options.add_session_config_entry("session.force_spinning_stop", "1")
    if not optimize:
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    if profile is not None:
        options.enable_profiling, options.profile_file_prefix = True, str(profile)
    if device == CUDA:
        ort.preload_dlls()
    given, name = (str(model), str(model)) if isinstance(model, Path) else (model, name)
    try:
        session = ort.InferenceSession(given, options, providers=list(dict.fromkeys([provider, PROVIDERS[CPU]])))
    except Exception as error:  # onnxruntime has a dozen unrelated exception classes and exports no base
        reason = str(error).strip().splitlines()[0].rpartition(" failed:")[2]
        raise ExportError(f"{name} can't be run as an ONNX model: {reason}") from error
    # A provider that doesn't load is left out by onnxruntime, and the model runs on the CPU.
    if provider not in session.get_providers():
        raise LatencyError(NO_CUDA.format(why="onnxruntime could not load it"))
    return session


def _cpu_name() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _gpu_name() -> str | None:
    """Name and driver of the first GPU, as NVIDIA's tool gives them."""
    command = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.splitlines()
    except (OSError, subprocess.SubprocessError):
        return None
    return ", driver ".join(part.strip() for part in found[0].split(",")) if found else None
