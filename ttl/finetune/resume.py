"""The state of a fine-tune under way, on disk after each epoch, so that it can go on where it was stopped."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError
from time import perf_counter
from typing import Any

import torch

from ttl.errors import RunFolderError
from ttl.files import provisional

FORMAT = 1
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

    def load(self) -> dict[str, Any] | None:
        """The last state; None where there is none that can be used."""
        state = _read(self.path) if self.path else None
        return state if state is not None and state["identity"] == self.identity else None

    def save(self, state: Mapping[str, Any], *, must: bool = False) -> None:
        """Keep a state: tensors and plain values only. Skipped while saving would take more than its share of time.

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
                torch.save({**state, "identity": self.identity, "format": FORMAT}, part)
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
    return 0 if state is None else len(state["curve"])


def _read(path: Path) -> dict[str, Any] | None:
    """What the file holds; None where it isn't there, isn't whole, or is of another version."""
    try:
        state = torch.load(path, map_location="cpu", mmap=True, weights_only=True)
    except (OSError, RuntimeError, ValueError, EOFError, UnpicklingError):
        return None
    return state if isinstance(state, dict) and state.get("format") == FORMAT else None
