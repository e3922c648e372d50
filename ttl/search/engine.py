"""Where trials run. An engine is handed `work`, which runs one trial; it knows nothing of networks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from ttl.errors import TrainingError


@dataclass(frozen=True)
class Trial:
    """One fine-tune to be done, as plain data that any process understands.

    Attributes:
        cut: the point's name; None for the joint network, with a head at every point.
        seed: of the head, the order, the augmentation and dropout.
        epochs: pause after so many; None lets it end.
        start: identity of the joint fine-tune whose weights it starts with; None starts with the pretrained ones.
    """

    cut: str | None
    seed: int
    epochs: int | None = None
    start: str | None = None


Outcome = Mapping[str, Any] | TrainingError
"""A trial's record; or why it failed, which the search survives."""
Work = Callable[[Trial], Mapping[str, Any]]


class Engine(Protocol):
    """Runs trials, here or elsewhere."""

    def run(self, trials: Iterable[Trial]) -> Iterator[tuple[Trial, Outcome]]:
        """Each trial with its outcome, as they end; `trials` is drawn from as room is made.

        Raises:
            TTLError: other than a failed fine-tune: the run ends.
        """


class InProcess:
    """One trial after another, in this process.

    Args:
        work: runs a trial and returns its record.
    """

    def __init__(self, work: Work) -> None:
        self.work = work

    def run(self, trials: Iterable[Trial]) -> Iterator[tuple[Trial, Outcome]]:
        """See `Engine`."""
        for trial in trials:
            try:
                yield trial, self.work(trial)
            except TrainingError as error:
                yield trial, error
