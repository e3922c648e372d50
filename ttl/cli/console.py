"""Progress on the terminal: bars and a small table there, plain lines elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from math import isnan
from time import monotonic

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Column, Table
from rich.text import Text

from ttl.cli.progress import FineTune, Row, RunProgress, summed
from ttl.cli.tables import written
from ttl.run import events
from ttl.study.record import TrialRecord
from ttl.words.counts import counted, listed
from ttl.words.metric import metric

QUIET_SECONDS = 30.0
"""Without a terminal an epoch is worth a line only after so long without one."""
MOST_ROWS = 12
"""Of the table of fine-tunes; less on a low terminal."""
OTHER_LINES = 8
"""That the terminal keeps for what stands around the table."""
MOST_NAMES = 6
"""Of the points of a step, in the line that begins it."""
BAR_WIDTH = 40


@contextmanager
def watching(quiet: bool) -> Iterator[events.Watch]:
    """Shows the events of a run that it is handed; on stderr if `quiet`, else on stdout."""
    console = Console(stderr=quiet, highlight=False, soft_wrap=True)
    if not console.is_terminal:
        yield Lines(lambda text: console.print(text, markup=False))
        return
    with Live(console=console, transient=True) as live:
        yield Display(live)


class Lines:
    """A line for each thing that happened; of epochs only after a silence."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self.write, self.last, self.run = write, monotonic(), RunProgress()

    def __call__(self, event: events.Event) -> None:
        """A `Watch`."""
        fine_tune = self.run.on(event)
        match event:
            case events.TrialStarted():
                parts = [f"{event.cut}: goes on from epoch {event.epochs_done}" if event.epochs_done else ""]
            case events.EpochProgress() | events.EpochDone():
                if fine_tune is None or monotonic() - self.last < QUIET_SECONDS:
                    return
                words = fine_tune.words() if isinstance(event, events.EpochProgress) else epoch_line(event)
                parts = [f"  {words}", fine_tune.left()]
            case _:
                parts = [line(event), self.run.left() if fine_tune else ""]
        if any(parts):
            self.write("; ".join(filter(None, parts)))
            self.last = monotonic()


class Display:
    """A bar for each running fine-tune, under a table of all of them; above it the lines."""

    def __init__(self, live: Live) -> None:
        self.live, self.run = live, RunProgress()

    def __call__(self, event: events.Event) -> None:
        """A `Watch`."""
        self.run.on(event)
        # The thread that draws must not meet a table that is still being filled, so it is handed one that is made.
        self.live.update(self._view())
        if not isinstance(event, events.TrialStarted | events.EpochProgress | events.EpochDone):
            self.live.console.print(line(event), markup=False)

    def _view(self) -> RenderableType:
        running, left = self.run.running(), self.run.left()
        rows = self.run.rows() if self.run.step else []
        most = max(1, min(MOST_ROWS, self.live.console.height - OTHER_LINES - len(running)))
        lines = [Text(left)] if left else []
        return Group(*_table(rows, self.run.metric, most), *lines, *([_bars(running)] if running else []))


def _table(rows: list[Row], key: str | None, most: int) -> Iterator[RenderableType]:
    """The last rows, and what the others come to in a line above them."""
    if not rows:
        return
    if older := summed(rows[:-most]):
        yield Text(older)
    table = Table("point", box=None, header_style="bold", padding=(0, 2, 0, 0))
    for head in ("epochs", f"validation {metric(key).name}" if key else "validation"):
        table.add_column(head, justify="right")
    table.add_column("state")
    for row in rows[-most:]:
        value = "" if isnan(row.value) else f"{row.value:.4f}"
        table.add_row(Text(row.cut), ", ".join(map(str, row.epochs)), value, row.state)
    yield table


def _bars(running: list[FineTune]) -> Table:
    """A line for each running fine-tune: which, how far, at what rate, how long it takes."""
    # Where the terminal is narrow, the bar gets shorter and the words stay.
    columns = [Column(no_wrap=is_text) for is_text in (True, False, True, True, True)]
    bars = Table.grid(*columns, padding=(0, 1, 0, 0))
    for each in running:
        pulses = each.max_epochs is None
        bar = ProgressBar(each.max_epochs or 1, 0 if pulses else each.fraction, width=BAR_WIDTH, pulse=pulses)
        name, words = f"{each.cut} (fine-tune {each.number})", each.words() if each.fraction else ""
        bars.add_row(Text(name), bar, Text(words), _Elapsed(each.began), Text(each.left()))
    return bars


@dataclass(frozen=True)
class _Elapsed:
    """The time since then, whenever it is drawn."""

    since: float

    def __rich__(self) -> Text:
        return Text(str(timedelta(seconds=int(monotonic() - self.since))), style="progress.elapsed")


def line(event: events.Event) -> str:
    """What happened, in a line of the log."""
    match event:
        case events.Note():
            return event.text
        case events.BatchStarted():
            names = dict.fromkeys(due.cut for due in event.due)
            return f"Step {event.phase}: {counted(len(event.due), 'fine-tune')} ({listed(names, MOST_NAMES)})"
        case events.TrialFailed():
            return f"The fine-tune at {event.cut} failed: {event.cause}; the search goes on"
        case events.TrialPaused(record):
            return _trial_line(record, [record.score], f"paused after {counted(record.epochs, 'epoch')}")
        case events.TrialDone(record):
            first = sorted(record.val, key=lambda key: key != record.score)[:3]  # the rest is in the report
            how = "already done" if event.reused else f"{counted(record.epochs, 'epoch')}, {record.seconds:.0f} s"
            return _trial_line(record, first, how)
        case _:
            return ""


def _trial_line(record: TrialRecord, metrics: list[str], how: str) -> str:
    """`stem  validation Dice 0.9312  HD95 4.31 px  (3 epochs, 120 s, seed 1)`."""
    values = []
    for of, key in ((metric(key, record.distance_unit), key) for key in metrics):
        value = record.reached if key == record.score else record.val[key].value
        values.append(f"{of.name} {written(value, of)}")
    seed = f", seed {record.seed}" if record.seed else ""
    scores = f"validation {'  '.join(values)}  " if values else ""
    return f"{record.label}  {scores}({how}{seed})"


def epoch_line(event: events.EpochDone) -> str:
    """`epoch 2: train loss 0.5000, val loss 0.2500, 16 images/s`."""
    epoch = event.epoch
    losses = f"train loss {epoch.train_loss:.4f}, val loss {epoch.val_loss:.4f}"
    return f"epoch {epoch.epoch}: {losses}, {epoch.images_per_second:.0f} images/s"
