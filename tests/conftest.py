from __future__ import annotations

import os
from pathlib import Path

import pytest

from consumers import pytest_runtest_makereport as pytest_runtest_makereport


@pytest.fixture(scope="session")
def realdata() -> Path:
    """The folder of real images and weights; the test is skipped where there is none."""
    folder = os.environ.get("TTL_REALDATA")
    if not folder:
        pytest.skip("TTL_REALDATA is not set: it names the folder with the real images and weights")
    return Path(folder).resolve()
