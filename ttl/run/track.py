"""Learning curves for an experiment tracker, through accelerate's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from ttl import typed
from ttl.errors import UsageError
from ttl.finetune.epoch import Epoch

FOLDER = "tensorboard"


def check_tracker(kind: str) -> None:
    """Refuse a tracker that isn't installed.

    Raises:
        UsageError: it isn't.
    """
    if kind == "tensorboard" and find_spec("tensorboard") is None:
        raise UsageError("--track tensorboard needs tensorboard: pip install 'ttl[tensorboard]', or leave it out")


@contextmanager
def tracker(kind: str, folder: Path, name: str, device: str) -> Iterator[Callable[[Epoch], None]]:
    """What to give each epoch of the trial `name`; the tracker's files are under the run folder.

    Accelerate wants to know the device before it lets anything be tracked.
    """
    if kind == "none":
        yield lambda epoch: None
        return
    from accelerate import Accelerator

    accelerator = Accelerator(cpu=device == "cpu", log_with=kind, project_dir=folder / FOLDER)
    accelerator.init_trackers(name)

    def log(epoch: Epoch) -> None:
        row = typed.to_json(epoch)
        accelerator.log({key: value for key, value in row.items() if isinstance(value, float)}, step=epoch.epoch)

    try:
        yield log
    finally:
        for each in accelerator.trackers:
            each.finish()
