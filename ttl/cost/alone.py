"""What a fresh process does with one model alone: its peak memory, and where its operators ran."""

from __future__ import annotations

import ctypes
import gc
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from ttl.cost.callers import image_feed, open_callers
from ttl.cost.session import open_session, provider_of
from ttl.cost.subject import ONNXRUNTIME, Inspected, Request, Setting, Subject
from ttl.cost.worker import get_going

CALLS_FOR_PEAK = 3
STATUS, REFERENCES = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def inspected(request: Request) -> Inspected:
    """Peak memory of one model, the only one in this process, and where its operators run.

    The peak is the most resident memory while the model is opened and called a few times, less what the process held
    before. By then the model was opened and called once and dropped, so that the libraries' own memory isn't in it.
    Reading an ONNX file is part of opening it. How a PyTorch module comes to be is its loader's business: there the
    peak is that of holding and calling it. On a GPU it is the host's memory, not the GPU's.

    Raises:
        TTLError: the model can't be opened, or doesn't fit the setting.
    """
    (subject,), rng = request.subjects, np.random.default_rng(request.seed)
    get_going(request, rng)
    forget_peak()
    before = resident_bytes()
    caller = open_callers(subject, request.setting, rng)[0]
    if subject.runtime != ONNXRUNTIME:
        forget_peak()
    for _ in range(CALLS_FOR_PEAK):
        caller.call()
    peak = peak_bytes()
    used = None if before is None or peak is None else max(peak - before, 0)
    ran = provider_that_ran(subject, request.setting) if subject.runtime == ONNXRUNTIME else request.setting.device
    return Inspected(used, ran)


def resident_bytes() -> int | None:
    """Memory that this process holds now; Linux only, None elsewhere."""
    return _status("VmRSS")


def peak_bytes() -> int | None:
    """The most that was held since `forget_peak`, or since the process began where the kernel can't forget."""
    return _status("VmHWM")


def forget_peak() -> None:
    """Give back what is free, and begin anew to look for the peak: that of what was there before is another's."""
    gc.collect()
    with suppress(OSError, AttributeError):  # only glibc has it, and only glibc keeps so much
        ctypes.CDLL(None).malloc_trim(0)
    with suppress(OSError):
        REFERENCES.write_text("5", encoding="ascii")  # the kernel's word for it


def _status(field: str) -> int | None:
    try:
        lines = STATUS.read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{field}:")), None)


def provider_that_ran(subject: Subject, setting: Setting) -> str:
    """In words, from the profile of one call: `CUDAExecutionProvider (3 of 120 nodes on CPU)`.

    The session is one of its own, as writing a profile takes time; no file is left.
    """
    with TemporaryDirectory() as folder:
        profile = Path(folder) / "profile"
        session = open_session(subject.path, threads=setting.threads, device=setting.device, profile=profile)
        session.run(None, image_feed(session, subject.name, setting, np.random.default_rng(0)))
        events = json.loads(Path(session.end_profiling()).read_text(encoding="utf-8"))
    return shares(events, provider_of(setting.device))


def shares(events: Iterable[Mapping[str, Any]], asked: str) -> str:
    """The provider that was asked for, and how many nodes ran elsewhere; where none ran on it, the one that did.

    Args:
        events: of onnxruntime's profile.
        asked: the provider that the session was opened with; it leaves to the CPU what that doesn't have.
    """
    kernels = (event for event in events if event.get("cat") == "Node" and event["name"].endswith("_kernel_time"))
    nodes = Counter(str(event["args"]["provider"]) for event in kernels)
    if not nodes:
        return asked
    main = asked if asked in nodes else nodes.most_common(1)[0][0]
    elsewhere = [
        f"{count} of {nodes.total()} nodes on {name.removesuffix('ExecutionProvider')}"
        for name, count in nodes.most_common()
        if name != main
    ]
    return f"{main} ({', '.join(elsewhere)})" if elsewhere else main
