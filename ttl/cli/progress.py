"""How far the fine-tunes of a run are, and how long they may take yet: what events tell, without how it is shown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isnan, nan
from statistics import fmean, median
from time import monotonic
from typing import Any, Literal

from ttl.cli.tables import duration
from ttl.run import (
    BatchStarted,
    Due,
    EpochDone,
    Event,
    ImagesShown,
    TrialDone,
    TrialFailed,
    TrialPaused,
    TrialStarted,
)
from ttl.run.known import best_score
from ttl.stats.kinds import KINDS, primary

SCORES = tuple(dict.fromkeys(map(primary, KINDS)))
"""The metrics that choose, of all kinds of task; a row of a learning curve has one of them."""
Key = tuple[str, int]
"""A fine-tune's cut and seed."""
State = Literal["failed", "running", "waiting", "paused", "stopped", "done"]
STATES: tuple[State, ...] = ("failed", "running", "waiting", "paused", "stopped", "done")
"""What the state of a point is, where its seeds differ: the first of these."""


class FineTune:
    """How far one fine-tune is, at what rate, and how long it may take yet.

    Args:
        cut: where.
        seed: of it.
        most: epochs at most; None where nothing bounds them.
        epochs: done by an earlier call.
        value: the best validation score so far; NaN where there is none.
    """

    def __init__(self, cut: str, seed: int, most: int | None, epochs: int = 0, value: float = nan) -> None:
        self.cut = cut
        self.seed = seed
        self.most = most
        self.epochs = epochs
        self.value = value
        self.state: State = "running"
        self.seconds_per_epoch: float | None = None
        self.begun = monotonic()
        self.shown, self.of = 0, 1

    @property
    def key(self) -> Key:
        """Which one it is."""
        return self.cut, self.seed

    def on(self, event: ImagesShown | EpochDone) -> None:
        """Take an event in."""
        if isinstance(event, ImagesShown):
            self.shown, self.of = event.shown, event.of
            return
        self.epochs, self.shown = event.row["epoch"], 0
        self.seconds_per_epoch = event.row["seconds"]
        self.value = _best((self.value, best_score([event.row], score_of_row(event.row))))
        self.begun = monotonic()

    def end(self, state: State, epochs: int, value: float) -> None:
        """It runs no more."""
        self.state, self.epochs, self.value, self.shown = state, epochs, value, 0

    @property
    def fraction(self) -> float:
        """Epochs, the running one in part."""
        return self.epochs + self.shown / self.of

    def words(self) -> str:
        """`epoch 3 of at most 10, 412 images/s`."""
        bound = f" of at most {self.most}" if self.most else ""
        running = min(self.epochs + 1, self.most) if self.most else self.epochs + 1
        taken = monotonic() - self.begun
        rate = f", {self.shown / taken:.0f} images/s" if self.shown and taken > 0 else ""
        return f"epoch {running}{bound}{rate}"

    def left(self) -> str:
        """`at most 2 min left`; nothing before the first epoch has shown what one takes, or without a bound."""
        if not self.most or self.seconds_per_epoch is None:
            return ""
        return f"at most {duration(max(0.0, self.most - self.fraction) * self.seconds_per_epoch)} left"


@dataclass(frozen=True)
class Row:
    """What is known of a point: epochs and states of its seeds, the mean of their validation scores."""

    cut: str
    epochs: tuple[int, ...]
    value: float
    state: State


class RunProgress:
    """All fine-tunes that a run told of."""

    def __init__(self) -> None:
        self.known: dict[Key, FineTune] = {}
        """In the order in which they were last begun."""
        self.due: dict[Key, Due] = {}
        """Of the step under way."""
        self.max_epochs: int | None = None
        self.score: str | None = None
        """The metric that chooses, as soon as a fine-tune has told."""
        self.paces: list[float] = []
        """Seconds that a multiply-add of an image cost, over all images of an epoch; one an epoch."""

    def on(self, event: Event) -> FineTune | None:
        """Take an event in; the fine-tune that it is about, if it is about one."""
        match event:
            case BatchStarted():
                self._step(event)
            case TrialStarted():
                return self._begin(event)
            case ImagesShown() | EpochDone():
                return self._advance(event)
            case TrialDone(record):
                return self._end(record, "done", _number(record["val"][score_of(record)]["value"]))
            case TrialPaused(record):
                return self._end(record, "paused", best_score(record["curve"], score_of(record)))
            case TrialFailed():
                return self._fail(event)
        return None

    def _step(self, event: BatchStarted) -> None:
        self.due = {(due.cut, due.seed): due for due in event.due}
        self.max_epochs = event.max_epochs
        for key, fine_tune in self.known.items():
            if fine_tune.state == "paused":
                fine_tune.state = "waiting" if key in self.due else "stopped"

    def _begin(self, event: TrialStarted) -> FineTune:
        key = event.cut, event.seed
        bounds = (event.max_epochs, self.max_epochs if key in self.due else None)
        most = min((bound for bound in bounds if bound), default=None)
        earlier = self.known.pop(key, None)
        value = earlier.value if earlier else nan
        self.known[key] = FineTune(*key, most, event.epochs_done, value)
        return self.known[key]

    def _advance(self, event: ImagesShown | EpochDone) -> FineTune | None:
        fine_tune = self.known.get((event.cut, event.seed))
        if fine_tune is None or fine_tune.state != "running":  # said before it ended, and heard after
            return None
        fine_tune.on(event)
        if isinstance(event, EpochDone):
            self.score = score_of_row(event.row)
        due = self.due.get(fine_tune.key)
        if isinstance(event, EpochDone) and due is not None and due.macs > 0:
            self.paces.append(event.row["seconds"] / due.macs)
        return fine_tune

    def _end(self, record: Mapping[str, Any], state: State, value: float) -> FineTune:
        key = record["cut"], int(record["seed"])
        self.score = score_of(record)
        fine_tune = self.known.setdefault(key, FineTune(*key, None))
        fine_tune.end(state, record["epochs"], value)
        return fine_tune

    def _fail(self, event: TrialFailed) -> FineTune:
        fine_tune = self.known.setdefault((event.cut, event.seed), FineTune(event.cut, event.seed, None))
        fine_tune.end("failed", fine_tune.epochs, nan)
        return fine_tune

    def left(self) -> str:
        """`at most about 12 min left for this step (4 of 7 fine-tunes ended)`; nothing where no step is under way.

        Without the time where nothing bounds the epochs, and before the first one has ended.
        """
        remaining = [due for key, due in self.due.items() if not self._ended(key)]
        if not remaining:
            return ""
        ended = f"{len(self.due) - len(remaining)} of {len(self.due)} fine-tunes ended"
        seconds = self._seconds(remaining)
        if seconds is None:
            return f"{ended} in this step"
        return f"at most about {duration(seconds)} left for this step ({ended})"

    def _ended(self, key: Key) -> bool:
        fine_tune = self.known.get(key)
        if fine_tune is not None and fine_tune.state == "running":
            return False
        # Where one seed failed, the others are spared.
        failed = any(other.state == "failed" for other in self.known.values() if other.cut == key[0])
        return failed or (fine_tune is not None and fine_tune.state != "waiting")

    def _seconds(self, remaining: Sequence[Due]) -> float | None:
        """Of all that is left at most, shared by as many fine-tunes at a time as run now."""
        epochs = [self._epochs_left(due) for due in remaining]
        if not self.paces or any(map(isnan, epochs)):
            return None
        work = sum(due.macs * left for due, left in zip(remaining, epochs, strict=True))
        at_once = sum(fine_tune.state == "running" for fine_tune in self.known.values())
        return median(self.paces) * work / max(1, at_once)

    def _epochs_left(self, due: Due) -> float:
        """At most; NaN where nothing bounds them."""
        fine_tune = self.known.get((due.cut, due.seed))
        running = fine_tune is not None and fine_tune.state == "running"
        most = fine_tune.most if fine_tune and running else self.max_epochs
        return max(0.0, most - (fine_tune.fraction if fine_tune else 0.0)) if most else nan

    def rows(self) -> list[Row]:
        """A row a point, that which was begun last at the end."""
        by_cut: dict[str, list[FineTune]] = {}
        for fine_tune in self.known.values():
            seeds = [*by_cut.pop(fine_tune.cut, []), fine_tune]
            by_cut[fine_tune.cut] = seeds
        return [self._row(cut, seeds) for cut, seeds in by_cut.items()]

    def _row(self, cut: str, seeds: Sequence[FineTune]) -> Row:
        states = {fine_tune.state for fine_tune in seeds}
        if any(due.cut == cut and key not in self.known for key, due in self.due.items()):
            states.add("waiting")
        values = [fine_tune.value for fine_tune in seeds if not isnan(fine_tune.value)]
        return Row(
            cut,
            tuple(fine_tune.epochs for fine_tune in sorted(seeds, key=lambda fine_tune: fine_tune.seed)),
            fmean(values) if values else nan,
            next(state for state in STATES if state in states),
        )


def summed(rows: Sequence[Row]) -> str:
    """`9 before: 7 done, 2 stopped; best 0.9312 (layer2.1)`; nothing for none."""
    if not rows:
        return ""
    states = Counter(row.state for row in rows)
    told = ", ".join(f"{states[state]} {state}" for state in reversed(STATES) if states[state])
    scored = [row for row in rows if not isnan(row.value)]
    top = max(scored, key=lambda row: row.value, default=None)
    return f"{len(rows)} before: {told}" + (f"; best {top.value:.4f} ({top.cut})" if top else "")


def score_of(record: Mapping[str, Any]) -> str:
    """The metric that a trial is judged by; records that don't name it are of AUPRC."""
    return str(record.get("score", "auprc"))


def score_of_row(row: Mapping[str, Any]) -> str:
    """The same of a row of a learning curve, by what it holds."""
    return next((metric for metric in SCORES if f"val_{metric}" in row), "auprc")


def _number(value: float | None) -> float:
    return nan if value is None else float(value)


def _best(values: Iterable[float]) -> float:
    return max((value for value in values if not isnan(value)), default=nan)
