"""How far the fine-tunes of a run are, and how long they may take yet, whatever draws it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import isnan, nan
from statistics import fmean, median
from time import monotonic
from typing import Literal, get_args

from ttl.cli.tables import duration
from ttl.run import events

State = Literal["failed", "running", "waiting", "paused", "stopped", "done"]
STATES: tuple[State, ...] = get_args(State)
"""What the state of a point is, where its seeds differ: the first of these."""


@dataclass
class FineTune:
    """How far one fine-tune is, at what rate, and how long it may take yet; `macs` is 0 where no step has it."""

    cut: str
    seed: int
    macs: float = 0.0
    max_epochs: int | None = None
    state: State = "waiting"
    number: int = 0
    """Of those that were begun, or were on disk, in the order of that; 0 before that."""
    epochs: int = 0
    value: float = nan
    """The best validation score so far."""
    samples: int = 0
    """Trained on in the running epoch."""
    samples_per_epoch: int = 1
    seconds_per_epoch: float | None = None
    began: float = 0.0
    epoch_began: float = 0.0

    @property
    def fraction(self) -> float:
        """Epochs, the running one in part."""
        return self.epochs + self.samples / self.samples_per_epoch

    @property
    def epochs_left(self) -> float:
        """At most; NaN where nothing bounds them."""
        return max(0.0, self.max_epochs - self.fraction) if self.max_epochs else nan

    def words(self) -> str:
        """`epoch 3 of at most 10, 412 images/s`."""
        bound = f" of at most {self.max_epochs}" if self.max_epochs else ""
        running = min(self.epochs + 1, self.max_epochs or self.epochs + 1)
        seconds = monotonic() - self.epoch_began
        rate = f", {self.samples / seconds:.0f} images/s" if self.samples and seconds > 0 else ""
        return f"epoch {running}{bound}{rate}"

    def left(self) -> str:
        """`at most 2 min left`; nothing before the first epoch has ended, or without a bound."""
        if isnan(self.epochs_left) or self.seconds_per_epoch is None:
            return ""
        return f"at most {duration(self.epochs_left * self.seconds_per_epoch)} left"


@dataclass(frozen=True)
class Row:
    """A point: epochs and states of its seeds, the mean of their validation scores."""

    cut: str
    epochs: tuple[int, ...]
    value: float
    state: State


@dataclass
class RunProgress:
    """All fine-tunes that a run's events are about."""

    fine_tunes: dict[tuple[str, int], FineTune] = field(default_factory=dict)
    """By cut and seed, in the order in which they were last begun; those that wait among them."""
    step: list[FineTune] = field(default_factory=list)
    metric: str | None = None
    """That chooses, by its key; None until a fine-tune has named it."""
    seconds_per_mac: list[float] = field(default_factory=list)
    """Over all images of an epoch; one an epoch."""

    def on(self, event: events.Event) -> FineTune | None:
        """Take an event in; the fine-tune that it is about, if it is about one."""
        match event:
            case events.BatchStarted():
                self._begin_step(event)
                return None
            case events.EpochProgress() | events.EpochDone():
                return self._advance(event)
            case events.TrialStarted():
                fine_tune = self._numbered(event.cut, event.seed, again=True)
                fine_tune.state, fine_tune.epochs = "running", event.epochs_done
                fine_tune.max_epochs = min(filter(None, (event.max_epochs, fine_tune.max_epochs)), default=None)
                fine_tune.began = fine_tune.epoch_began = monotonic()
                return fine_tune
            case events.TrialDone(record) | events.TrialPaused(record):
                self.metric = record.score
                fine_tune = self._numbered(record.label, record.seed)
                fine_tune.state = "done" if isinstance(event, events.TrialDone) else "paused"
                fine_tune.epochs, fine_tune.value, fine_tune.samples = record.epochs, record.reached, 0
                return fine_tune
            case events.TrialFailed():
                fine_tune = self._numbered(event.cut, event.seed)
                fine_tune.state, fine_tune.value, fine_tune.samples = "failed", nan, 0
                return fine_tune
        return None

    def _begin_step(self, event: events.BatchStarted) -> None:
        for key, fine_tune in list(self.fine_tunes.items()):
            if fine_tune.state == "paused":
                fine_tune.state = "stopped"
            elif not fine_tune.number:  # spared, because another seed had failed
                del self.fine_tunes[key]
        self.step = []
        for due in event.due:
            earlier = self.fine_tunes.get((due.cut, due.seed))
            fine_tune = earlier if earlier and earlier.state == "stopped" else FineTune(due.cut, due.seed)
            fine_tune.state, fine_tune.macs, fine_tune.max_epochs = "waiting", due.macs, event.max_epochs
            self.fine_tunes[due.cut, due.seed] = fine_tune
            self.step.append(fine_tune)

    def _numbered(self, cut: str, seed: int, *, again: bool = False) -> FineTune:
        """The fine-tune of that cut and seed, its number given when it is first met; at the end of all `again`."""
        fine_tune = self.fine_tunes.get((cut, seed)) or FineTune(cut, seed)
        if again:
            self.fine_tunes.pop((cut, seed), None)
        fine_tune.number = fine_tune.number or 1 + max((other.number for other in self.fine_tunes.values()), default=0)
        self.fine_tunes[cut, seed] = fine_tune
        return fine_tune

    def _advance(self, event: events.EpochProgress | events.EpochDone) -> FineTune | None:
        fine_tune = self.fine_tunes.get((event.cut, event.seed))
        if fine_tune is None or fine_tune.state != "running":  # sent before it ended, and received after
            return None
        if isinstance(event, events.EpochProgress):
            fine_tune.samples, fine_tune.samples_per_epoch = event.samples, event.samples_per_epoch
            return fine_tune
        epoch = event.epoch
        self.metric, score = next(iter(epoch.val.items()))  # the first metric of a kind is the one that chooses
        fine_tune.epochs, fine_tune.samples, fine_tune.seconds_per_epoch = epoch.epoch, 0, epoch.seconds
        fine_tune.value = max(_defined(fine_tune.value, score), default=nan)
        fine_tune.epoch_began = monotonic()
        if fine_tune.macs > 0:
            self.seconds_per_mac.append(epoch.seconds / fine_tune.macs)
        return fine_tune

    def running(self) -> list[FineTune]:
        """Those under way."""
        return [fine_tune for fine_tune in self.fine_tunes.values() if fine_tune.state == "running"]

    def left(self) -> str:
        """`at most about 12 min left for this step (4 of 7 fine-tunes ended)`; nothing where no step is under way.

        Without the time where nothing bounds the epochs, and before the first one has ended.
        """
        failed = {fine_tune.cut for fine_tune in self.step if fine_tune.state == "failed"}
        # Where one seed failed, those that wait are spared.
        waiting = (each for each in self.step if each.state == "waiting" and each.cut not in failed)
        remaining = [*(each for each in self.step if each.state == "running"), *waiting]
        if not remaining:
            return ""
        ended = f"{len(self.step) - len(remaining)} of {len(self.step)} fine-tunes ended"
        macs = sum(fine_tune.macs * fine_tune.epochs_left for fine_tune in remaining)
        if not self.seconds_per_mac or isnan(macs):
            return f"{ended} in this step"
        seconds = median(self.seconds_per_mac) * macs / max(1, len(self.running()))  # they share what is left
        return f"at most about {duration(seconds)} left for this step ({ended})"

    def rows(self) -> list[Row]:
        """A row for each point that was begun, that which was begun last at the end."""
        last = {fine_tune.cut: at for at, fine_tune in enumerate(self.fine_tunes.values()) if fine_tune.number}
        return [self._row(cut) for cut in sorted(last, key=last.__getitem__)]

    def _row(self, cut: str) -> Row:
        seeds = sorted((each for each in self.fine_tunes.values() if each.cut == cut), key=lambda each: each.seed)
        values = _defined(*(each.value for each in seeds))
        epochs = tuple(each.epochs for each in seeds if each.number)
        state = min((each.state for each in seeds), key=STATES.index)
        return Row(cut, epochs, fmean(values) if values else nan, state)


def summed(rows: Sequence[Row]) -> str:
    """`9 before: 7 done, 2 stopped; best 0.9312 (layer2.1)`; nothing for none."""
    if not rows:
        return ""
    states = Counter(row.state for row in rows)
    counts = ", ".join(f"{states[state]} {state}" for state in reversed(STATES) if states[state])
    top = max((row for row in rows if not isnan(row.value)), key=lambda row: row.value, default=None)
    return f"{len(rows)} before: {counts}" + (f"; best {top.value:.4f} ({top.cut})" if top else "")


def _defined(*values: float) -> list[float]:
    return [value for value in values if not isnan(value)]
