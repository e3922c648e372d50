"""Bytes of resident memory that this process holds; Linux only, None elsewhere."""

from __future__ import annotations

import ctypes
import gc
from contextlib import suppress
from pathlib import Path

STATUS, REFERENCES = Path("/proc/self/status"), Path("/proc/self/clear_refs")
FORGET_PEAK = "5"


def resident_bytes() -> int | None:
    """What is held now."""
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
        REFERENCES.write_text(FORGET_PEAK, encoding="ascii")


def _status(field: str) -> int | None:
    try:
        lines = STATUS.read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{field}:")), None)
