"""Trials that need no network, for engines that run them in other processes; and a look at those processes."""

from __future__ import annotations

import os
import select
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ttl.errors import RunFolderError, TrainingError
from ttl.study.candidate import Candidate
from ttl.study.engines.engine import Remote, Tell
from ttl.study.record import TrialRecord
from ttl.study.trial import Trial


@dataclass(frozen=True)
class Named(Candidate):
    """A candidate that nothing is known of but what its trial does."""

    does: str

    @property
    def name(self) -> str:
        return self.does


def trial_that(does: str) -> Trial:
    """See `Toy`."""
    return Trial(Named("tiny", does), 0)


def record_of(name: str, **fields: Any) -> TrialRecord:
    """What is left of a trial that took no time."""
    given = {"id": name, "status": "finished", "cut": name, "index": 1, "params": 1, "macs": 1, "seed": 0, **fields}
    return TrialRecord(**{"epochs": 1, "best_epoch": 1, "seconds": 0.0, **given})


@dataclass(frozen=True)
class Toy:
    """A `Setup`; what a trial does is its candidate's name.

    Attributes:
        folder: where trials leave marks and meet.
        broken: the preparation fails.
    """

    folder: Path
    broken: bool = False

    def __call__(self) -> Remote:
        if self.broken:
            raise TrainingError("There is no such device here: use another")
        return self.work

    def work(self, trial: Trial, tell: Tell) -> TrialRecord:
        name = trial.candidate.name
        tell((name, os.getpid()))
        kind = name.split()[0]
        if kind == "dies":
            self._die(name)
        elif kind == "fails":
            raise TrainingError("The training loss is nan")
        elif kind == "ends":
            raise RunFolderError("The run folder can't be written: make room")
        elif kind == "breaks":
            raise ValueError("a mistake")
        elif kind in ("gives", "takes"):  # each waits for the other
            os.close(os.open(self.folder / "meeting", os.O_WRONLY if kind == "gives" else os.O_RDONLY))
        tell((name, "done"))
        return record_of(name, notes=(os.environ.get("OMP_NUM_THREADS", ""),))

    def _die(self, name: str) -> None:
        """`dies 2` twice, then it lives."""
        mark = self.folder / name
        deaths = len(mark.read_text()) if mark.is_file() else 0
        if deaths < int(name.split()[1]):
            mark.write_text("x" * (deaths + 1))
            os.kill(os.getpid(), signal.SIGKILL)


def descendants(pid: int) -> list[int]:
    """The processes that a process started, and those that they started."""
    try:
        own = [int(child) for task in Path(f"/proc/{pid}/task").iterdir() for child in _read(task / "children").split()]
    except OSError:
        return []
    return [*own, *(below for child in own for below in descendants(child))]


def named(pid: int, name: str) -> bool:
    """Whether its command line has `name` in it."""
    return name in _read(Path(f"/proc/{pid}/cmdline"))


def gone(pid: int) -> bool:
    """Wait until a process has ended; False if it doesn't."""
    try:
        watched = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([watched], [], [], 60)[0])
    finally:
        os.close(watched)


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
