from __future__ import annotations

import shutil
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from timm.models import register_model
from torch import nn

from ttl.config import RunConfig
from ttl.errors import ExportError
from ttl.run import run


class Block(nn.Sequential):
    def __init__(self, channels: int, width: int, stride: int) -> None:
        convolution = nn.Conv2d(channels, width, 3, stride, 1, bias=False)
        super().__init__(convolution, nn.BatchNorm2d(width), nn.ReLU())


@register_model
def toy_of_three_blocks(pretrained: bool = False, **options: Any) -> nn.Module:
    """So small that PyTorch exports it in a second or two, and with weights enough for int8 to save something."""
    blocks = Block(3, 16, 2), Block(16, 64, 2), Block(64, 96, 1)
    network = nn.Sequential(*blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(96, 10))
    network.pretrained_cfg = {
        "input_size": (3, 32, 32),
        "mean": (0.5, 0.5, 0.5),
        "std": (0.25, 0.25, 0.25),
        "classifier": "5",
    }
    return network


def time_in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Starting processes takes longer than all else, and what is delivered doesn't depend on it."""
    monkeypatch.setattr("ttl.cost.bench.in_fresh_process", lambda work, request: work(request))
    monkeypatch.setattr(import_module("ttl.run.delivering"), "LATENCY_SECONDS", 0.1)


@pytest.fixture
def timed_here(monkeypatch: pytest.MonkeyPatch) -> None:
    time_in_this_process(monkeypatch)


@pytest.fixture
def no_export(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files can't be made: for what happens before and after."""

    def refuse(*_: object, **__: object) -> None:
        raise ExportError("not here")

    monkeypatch.setattr("ttl.deliver.exporting.export_model", refuse)


@pytest.fixture(scope="session")
def config(tmp_path_factory: pytest.TempPathFactory) -> RunConfig:
    """Two digits, three blocks, a few epochs: enough for the second block to be as good as the whole network."""
    options = {"data": "digits:0-1", "model": "toy_of_three_blocks", "weights": "none", "image_size": 32, "epochs": 4}
    out = tmp_path_factory.mktemp("run") / "first"
    return RunConfig.model_validate({**options, "strategy": "two-stage", "threads": 1, "out": out})


@pytest.fixture(scope="session")
def ran(config: RunConfig) -> Path:
    """A finished run."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        time_in_this_process(monkeypatch)
        return run(config).folder


@pytest.fixture
def folder(ran: Path, tmp_path: Path) -> Path:
    """A copy, for tests that change it."""
    return shutil.copytree(ran, tmp_path / "run")
