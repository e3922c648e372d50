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
class Due:
    """A fine-tune that is to be done."""

    cut: str
    """Where, or that it has heads at all points at once."""
    seed: int
    macs: float
    """Of its network for one image, head excluded: epochs take about as long as these are many."""


@dataclass(frozen=True)
class BatchStarted:
    """A step of the search begins: its fine-tunes are done next, in any order; those on disk are not among them."""

    phase: str
    due: tuple[Due, ...]
    max_epochs: int | None
    """Of each, those that it has already counted in; None where nothing bounds them."""


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
    cut: str
    """Of which fine-tune."""
    seed: int


@dataclass(frozen=True)
class EpochDone:
    """One epoch of a running fine-tune; `row` is its line of the learning curve."""

    row: Mapping[str, Any]
    cut: str
    """As of `ImagesShown`."""
    seed: int


@dataclass(frozen=True)
class TrialDone:
    """A fine-tune is on disk; `reused` if it was there already."""

    record: Mapping[str, Any]
    reused: bool


@dataclass(frozen=True)
class TrialPaused:
    """A fine-tune has come as far as its step goes: it goes on in the next one, or is stopped there."""

    record: Mapping[str, Any]


@dataclass(frozen=True)
class TrialFailed:
    """A fine-tune failed, and the search goes on; those of other seeds that haven't begun are left out."""

    cut: str
    seed: int
    cause: str


Event = Note | BatchStarted | TrialStarted | ImagesShown | EpochDone | TrialDone | TrialPaused | TrialFailed
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
