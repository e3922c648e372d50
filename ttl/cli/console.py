"""Progress on the terminal: a bar there, plain lines elsewhere. Part of the command line."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from ttl.pipeline import EpochDone, Event, Note, TrialDone, TrialStarted, Watch

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
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        yield _Bars(progress)


class _Lines:
    def __init__(self, say: Callable[[str], None]) -> None:
        self.say = say
        self.spoke = monotonic()

    def __call__(self, event: Event) -> None:
        if isinstance(event, EpochDone) and monotonic() - self.spoke < QUIET_SECONDS:
            return
        if isinstance(event, TrialStarted):
            return
        self.say(_line(event))
        self.spoke = monotonic()


class _Bars:
    def __init__(self, progress: Progress) -> None:
        self.progress = progress
        self.bar = progress.add_task("", visible=False)

    def __call__(self, event: Event) -> None:
        if isinstance(event, TrialStarted):
            label = f"{event.point.name} (fine-tune {event.number})"
            self.progress.reset(self.bar, description=label, total=event.max_epochs, visible=True)
        elif isinstance(event, EpochDone):
            self.progress.update(self.bar, advance=1)
        else:
            if isinstance(event, TrialDone):
                self.progress.update(self.bar, visible=False)
            self.progress.console.print(_line(event), markup=False)


def _line(event: Event) -> str:
    if isinstance(event, Note):
        return event.text
    if isinstance(event, TrialDone):
        record = event.record
        shown = list(record["val"].items())[:3]  # the others are in the report
        values = "  ".join(f"{name} {_number(found['value'])}" for name, found in shown)
        how = "already done" if event.reused else f"{record['epochs']} epochs, {record['seconds']:.0f} s"
        return f"{record['cut']}  validation {values}  ({how})"
    if isinstance(event, EpochDone):
        row = event.row
        return f"  epoch {row['epoch']}  train loss {row['train_loss']:.4f}  val loss {row['val_loss']:.4f}"
    return f"{event.point.name}: fine-tune {event.number} begins"


def _number(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.4f}"
