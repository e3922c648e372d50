"""What a run tells whoever watches it; `cli.py` turns it into lines and bars."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Note:
    """A sentence worth reading."""

    text: str


@dataclass(frozen=True)
class TrialStarted:
    """A fine-tune begins."""

    cut: str
    """Where, or that it has heads at all points at once."""
    number: int
    seed: int
    max_epochs: int | None
    epochs_done: int
    """Of an earlier, interrupted call, which this one goes on from."""


@dataclass(frozen=True)
class ImagesShown:
    """A step of the running fine-tune: training images shown in this epoch, of how many."""

    shown: int
    of: int


@dataclass(frozen=True)
class EpochDone:
    """One epoch of the running fine-tune; `row` is its line of the learning curve."""

    row: Mapping[str, Any]


@dataclass(frozen=True)
class TrialDone:
    """A fine-tune is on disk; `reused` if it was there already."""

    record: Mapping[str, Any]
    reused: bool


Event = Note | TrialStarted | ImagesShown | EpochDone | TrialDone
Watch = Callable[[Event], None]


def unwatched(event: Event) -> None:
    """Watch nothing."""
