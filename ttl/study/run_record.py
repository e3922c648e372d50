"""run.json: what was asked for, and what it ran on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

SCHEMA = 2  # 1 was version 0.1, whose trials have other names: such a folder is read, and not gone on with


@dataclass(frozen=True)
class Machine:
    """What it is computed on."""

    cpu: str
    cores: int | None
    gpu: str | None
    platform: str
    torch_threads: int


@dataclass(frozen=True)
class DataRecord:
    """Which data."""

    fingerprint: str
    name: str


@dataclass(frozen=True)
class WeightsRecord:
    """Which weights."""

    sha256: str | None
    summary: str


@dataclass(frozen=True)
class RunRecord:
    """A run folder's beginning."""

    schema: int
    command: str  # as it was typed
    config: Mapping[str, object]  # all options, as JSON values
    seed: int
    resolved: Mapping[str, object]  # what became of the options: the definition that trials share
    data: DataRecord
    weights: WeightsRecord
    versions: Mapping[str, str]  # of the libraries, by name
    hardware: Machine
    started: str  # ISO 8601, UTC
    id: str = ""  # by it records of another folder are noticed; empty in folders of version 0.1
    splits_sha256: str = ""  # of splits.csv; empty likewise
