"""What this process is given: its place among several, as `accelerate launch` and torchrun set it, and its cores."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath

CGROUPS, OWN_CGROUP = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")
"""Where Linux shows the limits of groups of processes, and which groups this process is in (cgroups(7))."""
V2, CPU_CONTROLLER = "", "cpu"
"""The controllers of a line of `OWN_CGROUP`: none stand there in version 2."""


def count() -> int:
    """How many processes work on this together; 1 where nothing launched several."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def is_main() -> bool:
    """Whether this is the one that writes and prints."""
    return int(os.environ.get("RANK", "0")) == 0


def available_cores(cgroups: Path = CGROUPS, own: Path = OWN_CGROUP) -> int:
    """The number of cores that this process may keep busy, at least 1: those of its cpuset, not all the machine's.

    A container's CPU quota (`docker run --cpus`, Kubernetes' limits) lowers it, rounded down: with more threads than
    the quota pays for, all of them are stopped for the rest of each period.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min([cores, *(int(quota) for quota in _quotas(cgroups, own))]))


def _quotas(cgroups: Path, own: Path) -> Iterator[float]:
    """The quotas in cores, of this process's groups and of all above them; of both versions of cgroups."""
    lines: list[str] = []
    with suppress(OSError):
        lines = own.read_text(encoding="utf-8", errors="replace").splitlines()
    for line in lines:
        _, _, rest = line.partition(":")
        controllers, _, group = rest.partition(":")
        # A container may see its own group as the root, while the name is the host's: hence each level, and the root.
        names = [str(part).lstrip("/") for part in (PurePosixPath(group), *PurePosixPath(group).parents)]
        for folder in dict.fromkeys([*names, ""]):
            if controllers == V2:
                yield from _read(cgroups / folder / "cpu.max", None)
            elif CPU_CONTROLLER in controllers.split(","):
                for mount in dict.fromkeys((controllers, CPU_CONTROLLER)):
                    place = cgroups / mount / folder
                    yield from _read(place / "cpu.cfs_quota_us", place / "cpu.cfs_period_us")


def _read(quota: Path, period: Path | None) -> Iterator[float]:
    """Quota by period; nothing where there is no limit (`max`, -1) or no such file."""
    with suppress(OSError, ValueError):
        texts = quota.read_text(encoding="ascii").split()
        if period is not None:
            texts += period.read_text(encoding="ascii").split()
        given, each = (float(text) for text in texts)
        if given > 0 and each > 0:
            yield given / each
