"""Where trials run. An engine is handed `work`, which runs one trial; it knows nothing of networks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol

from ttl.errors import TrainingError, WorkerError
from ttl.study.record import TrialRecord
from ttl.study.trial import Trial

MOST_DEATHS = 3  # processes that one trial may cost before it is held to be the reason

Outcome = TrialRecord | TrainingError  # a trial's record; or why it failed, which the search survives
Work = Callable[[Trial], TrialRecord]
Say = Callable[[str], None]  # takes a sentence on each worker that died
Tell = Callable[[Any], None]  # takes the events of a trial in another process while it runs
Remote = Callable[[Trial, Tell], TrialRecord]  # `Work` in another process
Setup = Callable[[], Remote]
"""What a process gets ready once, before its first trial: plain data that can be called there."""


class Engine(Protocol):
    """Runs trials, here or elsewhere."""

    def run(self, trials: Iterable[Trial]) -> Iterator[tuple[Trial, Outcome]]:
        """Each trial with its outcome, as they end; `trials` is drawn from as room is made.

        Raises:
            TTLError: other than a failed fine-tune: the run ends.
        """


class InProcess:
    """One trial after another, in this process, by `work`."""

    def __init__(self, work: Work) -> None:
        self.work = work

    def run(self, trials: Iterable[Trial]) -> Iterator[tuple[Trial, Outcome]]:
        """See `Engine`."""
        for trial in trials:
            try:
                yield trial, self.work(trial)
            except TrainingError as error:
                yield trial, error


def ready(setup: Setup) -> Remote:
    """What `setup` gets ready.

    Raises:
        WorkerError: in place of the error of a failed fine-tune: the search would survive that without a worker.
    """
    try:
        return setup()
    except TrainingError as error:
        raise WorkerError(str(error)) from error


def outcome_or_end(result: TrialRecord | Exception) -> Outcome:
    """What a trial in another process ended with, if the run goes on after it.

    Raises:
        Exception: any but a failed fine-tune.
    """
    if isinstance(result, Exception) and not isinstance(result, TrainingError):
        raise result
    return result


class Deaths:
    """Counts how often trials ended the process that they ran in, and says so."""

    def __init__(self, say: Say) -> None:
        self.say = say
        self.counted: Counter[Trial] = Counter()

    def count(self, trial: Trial, how: str) -> None:
        """One more.

        Raises:
            WorkerError: it was one too many.
        """
        place = trial.candidate.name if trial.candidate.can_be_chosen else "all points at once"
        self.counted[trial] += 1
        if self.counted[trial] >= MOST_DEATHS:
            raise WorkerError(
                f"The fine-tune at {place} ended its worker {MOST_DEATHS} times ({how}: killed, or out of memory): "
                "lower --jobs or --batch-size"
            )
        self.say(f"The worker of the fine-tune at {place} ended ({how}): a new one goes on from its last epoch")
