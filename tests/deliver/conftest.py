from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from ttl.config import RunConfig
from ttl.run import run


@pytest.fixture(scope="session")
def config(tmp_path_factory: pytest.TempPathFactory) -> RunConfig:
    """Two digits, the smallest ResNet, one epoch."""
    told = {"data": "digits:0-1", "model": "resnet10t", "weights": "none", "image_size": 32, "epochs": 1}
    out = tmp_path_factory.mktemp("run") / "first"
    return RunConfig.model_validate({**told, "strategy": "two-stage", "out": out})


@pytest.fixture(scope="session")
def ran(config: RunConfig) -> Path:
    """A finished run."""
    return run(config).folder


@pytest.fixture
def folder(ran: Path, tmp_path: Path) -> Path:
    """A copy, for tests that change it."""
    return shutil.copytree(ran, tmp_path / "run")
