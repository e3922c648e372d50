"""The state of a fine-tune under way, on disk after each epoch, so that it can go on where it was stopped."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError
from time import perf_counter
from zipfile import BadZipFile, ZipFile

import torch

from ttl.errors import RunFolderError
from ttl.files import provisional
from ttl.finetune.state import State

FORMAT = 2
LARGEST_SHARE = 0.1
"""Of the time, that saving may take: a large network with short epochs isn't saved after each of them."""


class Checkpoint:
    """A file that holds the state of one fine-tune; without a path nothing is kept.

    Args:
        path: the file; its folder is made when first written.
        identity: what must be the same for the state to be used: a state of something else counts as none.
    """

    def __init__(self, path: Path | None, identity: Mapping[str, str]) -> None:
        self.path = path
        self.identity = dict(identity)
        self.saved_at, self.cost = perf_counter(), 0.0

    def load(self) -> State | None:
        """The last state; None where there is none that can be used."""
        return None if self.path is None else _read(self.path, self.identity)

    def save(self, state: State, *, must: bool = False) -> None:
        """Keep a state. Skipped while saving would take more than its share of time.

        Args:
            state: what to keep.
            must: don't skip.

        Raises:
            RunFolderError: no room, or no right to write.
        """
        start = perf_counter()
        if self.path is None or (not must and (start - self.saved_at) * LARGEST_SHARE < self.cost):
            return
        try:
            with provisional(self.path) as part:
                torch.save({"format": FORMAT, "identity": self.identity, "state": state.plain()}, part)
        except (OSError, RuntimeError) as error:  # torch's writer tells of a full disk as a RuntimeError
            raise RunFolderError(
                f"The state of the fine-tune can't be kept in {self.path.parent} "
                f"({getattr(error, 'strerror', None) or 'no room left, or the disk failed'}): make room and give the "
                "same command again, what was computed is kept"
            ) from error
        self.saved_at = perf_counter()
        self.cost = self.saved_at - start


def epochs_done(path: Path) -> int:
    """How many epochs a state on disk has behind it; 0 where there is none."""
    state = _read(path)
    return 0 if state is None else len(state.curve)


def is_whole(path: Path) -> bool:
    """Whether a file holds a state that can be used, by a fine-tune of the same recipe and settings."""
    return _read(path) is not None


def _read(path: Path, identity: Mapping[str, str] | None = None) -> State | None:
    """What the file holds; None where it isn't there, isn't whole, of another version, or of another identity."""
    try:
        with ZipFile(path) as parts:  # torch's file is one, with a checksum of each tensor, which torch doesn't look at
            if parts.testzip() is not None:
                return None
        content = torch.load(path, map_location="cpu", mmap=True, weights_only=True)
    except (OSError, RuntimeError, ValueError, EOFError, UnpicklingError, BadZipFile):
        return None
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        return None
    return State.of(content.get("state")) if identity in (None, content.get("identity")) else None
