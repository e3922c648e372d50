"""Learning curves for an experiment tracker, through accelerate's."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ttl.errors import UsageError

FOLDER = "tensorboard"


def check_tracker(kind: str) -> None:
    """Refuse a tracker that isn't installed.

    Raises:
        UsageError: it isn't.
    """
    if kind == "tensorboard" and find_spec("tensorboard") is None:
        raise UsageError("--track tensorboard needs tensorboard: pip install 'ttl[tensorboard]', or leave it out")


@contextmanager
def tracker(kind: str, folder: Path, name: str, device: str) -> Iterator[Callable[[Mapping[str, Any]], None]]:
    """What to give each row of a learning curve.

    Args:
        kind: `none` or `tensorboard`.
        folder: the run folder; the tracker's files are under it.
        name: of the trial.
        device: of the fine-tune: accelerate wants to know before it lets anything be tracked.
    """
    if kind == "none":
        yield lambda row: None
        return
    from accelerate import Accelerator

    accelerator = Accelerator(cpu=device == "cpu", log_with=kind, project_dir=folder / FOLDER)
    accelerator.init_trackers(name)

    def log(row: Mapping[str, Any]) -> None:
        accelerator.log({key: value for key, value in row.items() if isinstance(value, float)}, step=row["epoch"])

    try:
        yield log
    finally:
        for known in accelerator.trackers:
            known.finish()
