"""run.json: what was asked for, and what it ran on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

SCHEMA = 2
"""1 was version 0.1, whose trials have other names: such a folder is read, and not gone on with."""


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
    """A run folder's beginning.

    Attributes:
        id: of the folder: records of another one are noticed by it; empty in those of version 0.1.
        command: as it was typed.
        config: all options, as JSON values.
        seed: of them.
        resolved: what became of the options: the definition that trials share.
        data: which data.
        weights: which weights.
        versions: of the libraries, by name.
        hardware: what it was begun on.
        started: ISO 8601, UTC.
        splits_sha256: of splits.csv; empty likewise.
    """

    schema: int
    command: str
    config: Mapping[str, object]
    seed: int
    resolved: Mapping[str, object]
    data: DataRecord
    weights: WeightsRecord
    versions: Mapping[str, str]
    hardware: Machine
    started: str
    id: str = ""
    splits_sha256: str = ""
