"""The cores that a container's quota leaves, from files as the kernel writes them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ttl.processes import available_cores

V1 = "5:cpuset:/\n4:cpu,cpuacct:{group}\n3:cpuacct:/elsewhere\n"


@pytest.fixture(autouse=True)
def many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(8)), raising=False)


def cores(folder: Path, own: str, files: dict[str, str]) -> int:
    (folder / "own").write_text(own)
    for name, text in files.items():
        path = folder / "fs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return available_cores(folder / "fs", folder / "own")


@pytest.mark.parametrize(
    ("group", "files", "wanted"),
    [
        ("/", {"cpu.max": "200000 100000\n"}, 2),
        ("/", {"cpu.max": "250000 100000\n"}, 2),
        ("/", {"cpu.max": "50000 100000\n"}, 1),
        ("/", {"cpu.max": "max 100000\n"}, 8),
        ("/", {"cpu.max": "1600000 100000\n"}, 8),
        ("/", {"cpu.max": "nonsense\n"}, 8),
        ("/pods/one", {"pods/one/cpu.max": "max 100000\n", "pods/cpu.max": "300000 100000\n"}, 3),
        ("/pods/one", {"pods/one/cpu.max": "100000 50000\n", "pods/cpu.max": "300000 100000\n"}, 2),
        ("/host/name/not/seen", {"cpu.max": "400000 100000\n"}, 4),
        ("/", {}, 8),
    ],
)
def test_quota_of_version_2(tmp_path: Path, group: str, files: dict[str, str], wanted: int) -> None:
    assert cores(tmp_path, f"0::{group}\n", files) == wanted


@pytest.mark.parametrize(
    ("group", "place", "quota", "wanted"),
    [
        ("/", "cpu,cpuacct", "300000", 3),
        ("/docker/ab", "cpu,cpuacct/docker/ab", "150000", 1),
        ("/docker/ab", "cpu", "500000", 5),  # the group is the root inside, and its mount a link
        ("/docker/ab", "cpu,cpuacct/docker", "-1", 8),
        ("/", "cpuacct", "100000", 8),
    ],
)
def test_quota_of_version_1(tmp_path: Path, group: str, place: str, quota: str, wanted: int) -> None:
    files = {f"{place}/cpu.cfs_quota_us": f"{quota}\n", f"{place}/cpu.cfs_period_us": "100000\n"}
    assert cores(tmp_path, V1.format(group=group), files) == wanted


def test_without_cgroups_the_cpuset_decides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert available_cores(tmp_path / "fs", tmp_path / "none") == 8
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {5}, raising=False)
    assert cores(tmp_path, "0::/\n", {"cpu.max": "200000 100000\n"}) == 1
