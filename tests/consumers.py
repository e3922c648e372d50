"""Tests that need a foreign program are skipped where it isn't there, and nowhere else: a plugin for pytest.

A test marked `consumers` is skipped with a reason that names its program. Where that program is there, or where the
reason names none, the test has failed: otherwise a check that nobody runs any more would look like one that passed.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from importlib.util import find_spec

import pytest

PROGRAMS = {
    "Chromium": ("chromium", "chromium-browser", "google-chrome"),
    "node": ("node",),
    "OpenVINO": ("openvino",),
    "Ray": ("ray",),
}
"""Each with its commands, or with the module that it is imported as."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    report: pytest.TestReport = yield
    if report.skipped and not hasattr(report, "wasxfail") and item.get_closest_marker("consumers"):
        _, _, reason = report.longrepr
        fault = fault_of(reason)
        if fault:
            report.outcome, report.longrepr = "failed", f"{fault} It was skipped: {reason}"
    return report


def fault_of(reason: str) -> str:
    """Why a test may not be skipped for that reason; empty where it may."""
    needed = [name for name in PROGRAMS if re.search(rf"\b{name}\b", reason, re.IGNORECASE)]
    if not needed:
        return f"The reason names none of {', '.join(PROGRAMS)}."
    if all(is_there(name) for name in needed):
        return f"{' and '.join(needed)} can be had here."
    return ""


def is_there(program: str) -> bool:
    """Whether a program is on PATH, or can be imported."""
    return any(shutil.which(name) or find_spec(name) for name in PROGRAMS[program])
