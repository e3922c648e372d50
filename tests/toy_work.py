"""Trials that need no network, for engines that run them in other processes; and a look at those processes."""

from __future__ import annotations

import os
import select
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ttl.errors import RunFolderError, TrainingError
from ttl.study.engines.engine import Remote, Tell, Trial


@dataclass(frozen=True)
class Toy:
    """A `Setup`; what a trial does is its cut's name.

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

    def work(self, trial: Trial, tell: Tell) -> dict[str, Any]:
        tell((trial.cut, os.getpid()))
        kind = (trial.cut or "").split()[0]
        if kind == "dies":
            self._die(trial)
        elif kind == "fails":
            raise TrainingError("The training loss is nan")
        elif kind == "ends":
            raise RunFolderError("The run folder can't be written: make room")
        elif kind == "breaks":
            raise ValueError("a mistake")
        elif kind in ("gives", "takes"):  # each waits for the other
            os.close(os.open(self.folder / "meeting", os.O_WRONLY if kind == "gives" else os.O_RDONLY))
        tell((trial.cut, "done"))
        return {"cut": trial.cut, "threads": os.environ.get("OMP_NUM_THREADS")}

    def _die(self, trial: Trial) -> None:
        """`dies 2` twice, then it lives."""
        assert trial.cut is not None
        mark = self.folder / trial.cut
        deaths = len(mark.read_text()) if mark.is_file() else 0
        if deaths < int(trial.cut.split()[1]):
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
