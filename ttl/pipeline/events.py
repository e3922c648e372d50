"""What a run tells whoever watches it; `cli.py` turns it into lines and bars."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
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
    """In this call; see `Numbered`."""
    seed: int
    max_epochs: int | None
    epochs_done: int
    """Of an earlier, interrupted call, which this one goes on from."""


@dataclass(frozen=True)
class ImagesShown:
    """A step of a running fine-tune: training images shown in this epoch, of how many."""

    shown: int
    of: int
    cut: str = ""
    """Of which fine-tune; empty where only one can be meant."""
    seed: int = 0


@dataclass(frozen=True)
class EpochDone:
    """One epoch of a running fine-tune; `row` is its line of the learning curve."""

    row: Mapping[str, Any]
    cut: str = ""
    """As of `ImagesShown`."""
    seed: int = 0


@dataclass(frozen=True)
class TrialStopped:
    """A fine-tune runs no more and isn't finished: it is paused, or failed."""

    cut: str
    seed: int


@dataclass(frozen=True)
class TrialDone:
    """A fine-tune is on disk; `reused` if it was there already."""

    record: Mapping[str, Any]
    reused: bool


Event = Note | TrialStarted | ImagesShown | EpochDone | TrialStopped | TrialDone
Watch = Callable[[Event], None]


class Numbered:
    """Counts the fine-tunes of a call, whatever process they run in; one that goes on keeps its number.

    Args:
        watch: is told what happens, with the numbers.
    """

    def __init__(self, watch: Watch) -> None:
        self.watch = watch
        self.numbers: dict[tuple[str, int], int] = {}

    def __call__(self, event: Event) -> None:
        """A `Watch`."""
        if isinstance(event, TrialStarted):
            event = replace(event, number=self._number(event.cut, event.seed))
        elif isinstance(event, TrialDone):
            self._number(event.record["cut"], event.record["seed"])
        self.watch(event)

    def _number(self, cut: str, seed: int) -> int:
        return self.numbers.setdefault((cut, seed), len(self.numbers) + 1)


def unwatched(event: Event) -> None:
    """Watch nothing."""
