"""Finished runs that tests of this folder only read."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from toy_runs import squares, tiny, tiny_unet
from ttl.run import delivering, run


@pytest.fixture(scope="package", autouse=True)
def short_timings() -> Iterator[None]:
    """How fast files are is no question here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(delivering, "LATENCY_SECONDS", 1.0)
        yield


@pytest.fixture(scope="package")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with its files."""
    return run(tiny(tmp_path_factory.mktemp("run") / "first")).folder


@pytest.fixture
def copied(finished: Path, tmp_path: Path) -> Path:
    """A copy of it, to be damaged."""
    return Path(shutil.copytree(finished, tmp_path / "copied"))


@pytest.fixture(scope="package")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images with masks."""
    return squares(tmp_path_factory.mktemp("squares"))


@pytest.fixture(scope="package")
def segmented(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on them, with its files."""
    folder = tmp_path_factory.mktemp("run") / "segmented"
    return run(tiny_unet(data, folder, strategy="two-stage", select="best", balance="loss")).folder
