"""What happens in a run, for whoever watches it: the command line turns it into lines and bars."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ttl.finetune.epoch import Epoch
from ttl.study.record import TrialRecord


@dataclass(frozen=True)
class Note:
    """A sentence worth reading."""

    text: str


@dataclass(frozen=True)
class Due:
    """A fine-tune that is to be done."""

    cut: str
    """Where, or that it has heads at all points at once; likewise below."""
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
    seed: int
    max_epochs: int | None
    epochs_done: int
    """Of an earlier, interrupted call, which this one goes on from."""


@dataclass(frozen=True)
class EpochProgress:
    """How far the running epoch of a fine-tune is, after a training step."""

    samples: int
    """Trained on in this epoch so far."""
    samples_per_epoch: int
    cut: str
    seed: int


@dataclass(frozen=True)
class EpochDone:
    """An epoch of a running fine-tune is over; `epoch` is its line of the learning curve."""

    epoch: Epoch
    cut: str
    seed: int


@dataclass(frozen=True)
class TrialDone:
    """A fine-tune is on disk; `reused` if it was there already."""

    record: TrialRecord
    reused: bool


@dataclass(frozen=True)
class TrialPaused:
    """A fine-tune has come as far as its step goes: it goes on in the next one, or is stopped there."""

    record: TrialRecord


@dataclass(frozen=True)
class TrialFailed:
    """A fine-tune failed, and the search goes on; those of other seeds that haven't begun are left out."""

    cut: str
    seed: int
    cause: str


Event = Note | BatchStarted | TrialStarted | EpochProgress | EpochDone | TrialDone | TrialPaused | TrialFailed
Watch = Callable[[Event], None]


def unwatched(event: Event) -> None:
    """Watch nothing."""
