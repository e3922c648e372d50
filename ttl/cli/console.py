"""Progress on the terminal: bars and a small table there, plain lines elsewhere. Part of the command line."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from math import isnan
from time import monotonic
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from ttl.cli.progress import FineTune, Key, Row, RunProgress, score_of, summed
from ttl.cli.tables import written
from ttl.run import (
    BatchStarted,
    EpochDone,
    Event,
    ImagesShown,
    Note,
    TrialDone,
    TrialFailed,
    TrialPaused,
    TrialStarted,
    Watch,
)
from ttl.run.known import best_score
from ttl.words.counts import counted, listed
from ttl.words.metric import metric

QUIET_SECONDS = 30.0
"""Without a terminal an epoch is worth a line only if nothing was said for so long."""
MOST_ROWS = 12
"""Of the table of fine-tunes; less on a low terminal."""
OTHER_LINES = 8
"""That the terminal keeps for what stands around the table."""
MOST_NAMES = 6
"""Of the points of a step, in the line that begins it."""


@contextmanager
def watching(quiet: bool) -> Iterator[Watch]:
    """What a verb hands the pipeline to be told of progress; all of it goes to stderr if `quiet`, else stdout."""
    console = Console(stderr=quiet, highlight=False, soft_wrap=True)
    if not console.is_terminal:
        yield _Lines(lambda text: console.print(text, markup=False))
        return
    with _on_terminal(console) as watch:
        yield watch


@contextmanager
def _on_terminal(console: Console) -> Iterator[Watch]:
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.fields[words]}"),
        TimeElapsedColumn(),
        TextColumn("{task.fields[left]}"),
    )
    bars = Progress(*columns, console=console)
    with Live(console=console, transient=True) as live:
        yield _Display(live, bars)


class _Lines:
    def __init__(self, say: Callable[[str], None]) -> None:
        self.say = say
        self.spoke = monotonic()
        self.run = RunProgress()

    def __call__(self, event: Event) -> None:
        fine_tune = self.run.on(event)
        if isinstance(event, TrialStarted):
            if event.epochs_done:
                self._say(f"{event.cut}: goes on from epoch {event.epochs_done}")
        elif isinstance(event, ImagesShown | EpochDone):
            if fine_tune is not None and monotonic() - self.spoke >= QUIET_SECONDS:
                words = fine_tune.words() if isinstance(event, ImagesShown) else _epoch(event)
                self._say("  " + "; ".join(part for part in (words, fine_tune.left()) if part))
        else:
            left = self.run.left() if isinstance(event, TrialDone | TrialPaused | TrialFailed) else ""
            self._say("; ".join(part for part in (_line(event), left) if part))

    def _say(self, text: str) -> None:
        self.say(text)
        self.spoke = monotonic()


class _Display:
    """A bar for each running fine-tune, under a table of all of them."""

    def __init__(self, live: Live, bars: Progress) -> None:
        self.live = live
        self.bars = bars
        self.tasks: dict[Key, TaskID] = {}
        self.run = RunProgress()

    def __call__(self, event: Event) -> None:
        fine_tune = self.run.on(event)
        if isinstance(event, TrialStarted):
            self._add(event)
        elif isinstance(event, ImagesShown | EpochDone):
            if fine_tune is not None:
                self._move(fine_tune)
        elif fine_tune is not None:
            self._remove(fine_tune)
        # The thread that draws must not meet a table that is still being filled, so it is handed one that is made.
        self.live.update(self._view())
        if not isinstance(event, TrialStarted | ImagesShown | EpochDone):
            self.live.console.print(_line(event), markup=False)

    def _add(self, event: TrialStarted) -> None:
        fine_tune = self.run.known[event.cut, event.seed]
        label = f"{event.cut} (fine-tune {event.number})"
        self._remove(fine_tune)
        self.tasks[fine_tune.key] = self.bars.add_task(
            label, total=fine_tune.most, completed=fine_tune.epochs, words="", left=""
        )

    def _move(self, fine_tune: FineTune) -> None:
        task = self.tasks.get(fine_tune.key)
        if task is not None:
            self.bars.update(task, completed=fine_tune.fraction, words=fine_tune.words(), left=fine_tune.left())

    def _remove(self, fine_tune: FineTune) -> None:
        task = self.tasks.pop(fine_tune.key, None)
        if task is not None:
            self.bars.remove_task(task)

    def _view(self) -> RenderableType:
        rows = self.run.rows() if self.run.due else []
        most = max(1, min(MOST_ROWS, self.live.console.height - OTHER_LINES - len(self.tasks)))
        lines = [Text(line) for line in (self.run.left(),) if line]
        return Group(*_table(rows, self.run.score, most), *lines, self.bars)


def _table(rows: list[Row], score: str | None, most: int) -> Iterator[RenderableType]:
    """The last rows, and what the others come to in a line above them."""
    if not rows:
        return
    older = summed(rows[:-most])
    if older:
        yield Text(older)
    table = Table("point", box=None, header_style="bold", padding=(0, 2, 0, 0))
    table.add_column("epochs", justify="right")
    table.add_column(f"validation {metric(score).name}" if score else "validation", justify="right")
    table.add_column("state")
    for row in rows[-most:]:
        value = "" if isnan(row.value) else f"{row.value:.4f}"
        table.add_row(Text(row.cut), ", ".join(map(str, row.epochs)), value, row.state)
    yield table


def _line(event: Note | BatchStarted | TrialDone | TrialPaused | TrialFailed) -> str:
    match event:
        case Note():
            return event.text
        case BatchStarted():
            return _begins(event)
        case TrialFailed():
            return f"The fine-tune at {event.cut} failed: {event.cause}; the search goes on"
        case TrialPaused(record):
            score = score_of(record)
            value = written(best_score(record["curve"], score), metric(score))
            how = f"paused after {counted(record['epochs'], 'epoch')}"
            return f"{record['cut']}  validation {metric(score).name} {value}  ({how}{_seed(record)})"
        case TrialDone(record):
            names = sorted(record["val"], key=lambda name: name != score_of(record))[:3]  # the others are in the report
            values = "  ".join(_value(record, name) for name in names)
            how = "already done" if event.reused else f"{counted(record['epochs'], 'epoch')}, {record['seconds']:.0f} s"
            return f"{record['cut']}  validation {values}  ({how}{_seed(record)})"


def _begins(event: BatchStarted) -> str:
    """`Step coarse: 5 fine-tunes (layer1.1, layer2.1 and 3 more)`."""
    names = dict.fromkeys(due.cut for due in event.due)
    return f"Step {event.phase}: {counted(len(event.due), 'fine-tune')} ({listed(names, MOST_NAMES)})"


def _epoch(event: EpochDone) -> str:
    row = event.row
    losses = f"train loss {row['train_loss']:.4f}, val loss {row['val_loss']:.4f}"
    return f"epoch {row['epoch']}: {losses}, {row['images_per_second']:.0f} images/s"


def _seed(record: Mapping[str, Any]) -> str:
    return f", seed {record['seed']}" if record["seed"] else ""


def _value(record: Mapping[str, Any], name: str) -> str:
    """`Dice 0.9312`."""
    known = metric(name, str(record.get("distance_unit") or ""))
    return f"{known.name} {written(record['val'][name]['value'], known)}"
