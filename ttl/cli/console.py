"""Progress on the terminal: a bar there, plain lines elsewhere. Part of the command line."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
)

from ttl.cli.tables import duration
from ttl.pipeline import EpochDone, Event, ImagesShown, Note, TrialDone, TrialStarted, Watch

QUIET_SECONDS = 30.0
"""Without a terminal an epoch is worth a line only if nothing was said for so long."""


@contextmanager
def watching(quiet: bool) -> Iterator[Watch]:
    """What a verb hands the pipeline to be told of progress; all of it goes to stderr if `quiet`, else stdout."""
    console = Console(stderr=quiet, highlight=False, soft_wrap=True)
    if not console.is_terminal:
        yield _Lines(lambda text: console.print(text, markup=False))
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[words]}"),
        TimeElapsedColumn(),
        TextColumn("{task.fields[left]}"),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        yield _Bars(progress)


class _FineTune:
    """How far the running fine-tune is, at what rate, and how long it may take yet."""

    def __init__(self, started: TrialStarted) -> None:
        self.started = started
        self.epochs = started.epochs_done
        self.seconds_per_epoch: float | None = None
        self.begun = monotonic()
        self.shown, self.of = 0, 1

    def on(self, event: ImagesShown | EpochDone) -> None:
        """Take an event in."""
        if isinstance(event, ImagesShown):
            self.shown, self.of = event.shown, event.of
            return
        self.epochs, self.shown = event.row["epoch"], 0
        self.seconds_per_epoch = event.row["seconds"]
        self.begun = monotonic()

    @property
    def fraction(self) -> float:
        """Epochs, the running one in part."""
        return self.epochs + self.shown / self.of

    def words(self) -> str:
        """`epoch 3 of at most 10, 412 images/s`."""
        most = self.started.max_epochs
        bound = f" of at most {most}" if most else ""
        running = min(self.epochs + 1, most) if most else self.epochs + 1
        taken = monotonic() - self.begun
        rate = f", {self.shown / taken:.0f} images/s" if self.shown and taken > 0 else ""
        return f"epoch {running}{bound}{rate}"

    def left(self) -> str:
        """`at most 2 min left`; nothing before the first epoch has shown what one takes, or without a bound."""
        most = self.started.max_epochs
        if not most or self.seconds_per_epoch is None:
            return ""
        return f"at most {duration(max(0.0, most - self.fraction) * self.seconds_per_epoch)} left"


class _Lines:
    def __init__(self, say: Callable[[str], None]) -> None:
        self.say = say
        self.spoke = monotonic()
        self.fine_tune: _FineTune | None = None

    def __call__(self, event: Event) -> None:
        if isinstance(event, TrialStarted):
            self.fine_tune = _FineTune(event)
            if event.epochs_done:
                self._say(f"{event.cut}: goes on from epoch {event.epochs_done}")
        elif isinstance(event, ImagesShown | EpochDone):
            if self.fine_tune is not None:
                self._progress(self.fine_tune, event)
        else:
            self._say(_line(event))

    def _progress(self, fine_tune: _FineTune, event: ImagesShown | EpochDone) -> None:
        fine_tune.on(event)
        if monotonic() - self.spoke < QUIET_SECONDS:
            return
        words = fine_tune.words() if isinstance(event, ImagesShown) else _epoch(event)
        self._say("  " + "; ".join(part for part in (words, fine_tune.left()) if part))

    def _say(self, text: str) -> None:
        self.say(text)
        self.spoke = monotonic()


class _Bars:
    def __init__(self, progress: Progress) -> None:
        self.progress = progress
        self.bar = progress.add_task("", visible=False, words="", left="")
        self.fine_tune: _FineTune | None = None

    def __call__(self, event: Event) -> None:
        if isinstance(event, TrialStarted):
            self.fine_tune = _FineTune(event)
            label = f"{event.cut} (fine-tune {event.number})"
            self.progress.reset(self.bar, description=label, total=event.max_epochs, visible=True, words="", left="")
        elif isinstance(event, ImagesShown | EpochDone):
            if self.fine_tune is not None:
                now = self.fine_tune
                now.on(event)
                self.progress.update(self.bar, completed=now.fraction, words=now.words(), left=now.left())
        else:
            if isinstance(event, TrialDone):
                self.progress.update(self.bar, visible=False)
            self.progress.console.print(_line(event), markup=False)


def _line(event: Note | TrialDone) -> str:
    if isinstance(event, Note):
        return event.text
    record = event.record
    shown = list(record["val"].items())[:3]  # the others are in the report
    values = "  ".join(f"{name} {_number(found['value'])}" for name, found in shown)
    how = "already done" if event.reused else f"{record['epochs']} epochs, {record['seconds']:.0f} s"
    seed = f", seed {record['seed']}" if record["seed"] else ""
    return f"{record['cut']}  validation {values}  ({how}{seed})"


def _epoch(event: EpochDone) -> str:
    row = event.row
    losses = f"train loss {row['train_loss']:.4f}, val loss {row['val_loss']:.4f}"
    return f"epoch {row['epoch']}: {losses}, {row['images_per_second']:.0f} images/s"


def _number(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.4f}"
