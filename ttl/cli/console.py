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
from ttl.pipeline import EpochDone, Event, ImagesShown, Note, TrialDone, TrialStarted, TrialStopped, Watch

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


class _Running:
    """The fine-tunes under way: one, or several side by side."""

    def __init__(self) -> None:
        self.fine_tunes: dict[tuple[str, int], _FineTune] = {}

    def begin(self, event: TrialStarted) -> None:
        """One more; or, of a worker that died, the same again."""
        self.fine_tunes[event.cut, event.seed] = _FineTune(event)

    def end(self, event: TrialDone | TrialStopped) -> None:
        """One less, unless it was on disk already."""
        if isinstance(event, TrialStopped):
            name = event.cut, event.seed
        else:
            name = event.record["cut"], event.record["seed"]
        self.fine_tunes.pop(name, None)

    def on(self, event: ImagesShown | EpochDone) -> _FineTune | None:
        """Take an event in; the fine-tune it is of."""
        last = next(reversed(self.fine_tunes.values()), None)
        found = self.fine_tunes.get((event.cut, event.seed), None if event.cut else last)
        if found is not None:
            found.on(event)
        return found

    def label(self) -> str:
        """`layer3.0 (fine-tune 2)`, or `2 running: layer3.0, layer3.1`."""
        each = list(self.fine_tunes.values())
        if len(each) == 1:
            return f"{each[0].started.cut} (fine-tune {each[0].started.number})"
        return f"{len(each)} running: {', '.join(fine_tune.started.cut for fine_tune in each)}"

    def total(self) -> int | None:
        """Epochs at most; None without a bound."""
        most = [fine_tune.started.max_epochs for fine_tune in self.fine_tunes.values()]
        return None if None in most else sum(epochs or 0 for epochs in most)

    def completed(self) -> float:
        """Epochs, those that run in part."""
        return sum(fine_tune.fraction for fine_tune in self.fine_tunes.values())


class _Lines:
    def __init__(self, say: Callable[[str], None]) -> None:
        self.say = say
        self.spoke = monotonic()
        self.running = _Running()

    def __call__(self, event: Event) -> None:
        if isinstance(event, TrialStarted):
            self.running.begin(event)
            if event.epochs_done:
                self._say(f"{event.cut}: goes on from epoch {event.epochs_done}")
        elif isinstance(event, ImagesShown | EpochDone):
            self._progress(event)
        else:
            if isinstance(event, TrialDone | TrialStopped):
                self.running.end(event)
            if not isinstance(event, TrialStopped):
                self._say(_line(event))

    def _progress(self, event: ImagesShown | EpochDone) -> None:
        fine_tune = self.running.on(event)
        if fine_tune is None or monotonic() - self.spoke < QUIET_SECONDS:
            return
        words = fine_tune.words() if isinstance(event, ImagesShown) else _epoch(event)
        whose = f"{fine_tune.started.cut}: " if len(self.running.fine_tunes) > 1 else ""
        self._say(f"  {whose}" + "; ".join(part for part in (words, fine_tune.left()) if part))

    def _say(self, text: str) -> None:
        self.say(text)
        self.spoke = monotonic()


class _Bars:
    def __init__(self, progress: Progress) -> None:
        self.progress = progress
        self.bar = progress.add_task("", visible=False, words="", left="")
        self.running = _Running()

    def __call__(self, event: Event) -> None:
        if isinstance(event, TrialStarted):
            self.running.begin(event)
            self._show_all()
        elif isinstance(event, ImagesShown | EpochDone):
            now = self.running.on(event)
            self.progress.update(self.bar, completed=self.running.completed())
            if now is not None and len(self.running.fine_tunes) == 1:
                self.progress.update(self.bar, words=now.words(), left=now.left())
        else:
            if isinstance(event, TrialDone | TrialStopped):
                self.running.end(event)
                self._show_all()
            if not isinstance(event, TrialStopped):
                self.progress.console.print(_line(event), markup=False)

    def _show_all(self) -> None:
        """The bar of those that run now: the sum of their epochs."""
        if not self.running.fine_tunes:
            self.progress.update(self.bar, visible=False)
            return
        label, total, completed = self.running.label(), self.running.total(), self.running.completed()
        self.progress.reset(self.bar, description=label, total=total, visible=True, words="", left="")
        self.progress.update(self.bar, completed=completed)


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
