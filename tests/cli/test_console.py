from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from math import nan

import pytest
from rich.console import Console
from rich.live import Live

from ttl.cli import console
from ttl.run.events import EpochProgress, Note, TrialFailed

from .events import Clock, batch, epoch, finished, paused, segmented, segmented_epoch, segmented_paused, started

ERASE_LINE, CURSOR_UP, HIDE_CURSOR, SHOW_CURSOR = "\x1b[2K", "\x1b[1A", "\x1b[?25l", "\x1b[?25h"


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def test_lines_give_rate_and_time_left_only_after_a_silence(clock: Clock) -> None:
    written: list[str] = []
    lines = console.Lines(written.append)
    lines(Note("begins"))
    lines(started())
    for now, event in ((10.0, EpochProgress(160, 640, "stem", 0)), (29.0, EpochProgress(480, 640, "stem", 0))):
        clock.now = now
        lines(event)
    assert written == ["begins"]
    clock.now = 31.0
    lines(EpochProgress(496, 640, "stem", 0))
    assert written[1:] == ["  epoch 1 of at most 10, 16 images/s"]  # no epoch has ended that would give the time
    clock.now = 40.0
    lines(epoch(1))
    clock.now = 80.0
    lines(epoch(2))
    assert written[2:] == ["  epoch 2: train loss 0.5000, val loss 0.2500, 16 images/s; at most 5 min left"]
    lines(finished(seed=0))
    lines(finished(seed=2))
    assert written[3] == "stem  validation AUPRC 0.5000  AUROC 0.5000  accuracy 0.5000  (3 epochs, 120 s)"
    assert written[4].endswith("(3 epochs, 120 s, seed 2)")


def test_a_fine_tune_that_goes_on_names_the_epoch(clock: Clock) -> None:
    written: list[str] = []
    lines = console.Lines(written.append)
    lines(started(done=4))
    assert written == ["stem: goes on from epoch 4"]


def test_lines_list_the_fine_tunes_of_a_step_and_the_time_left_of_it(clock: Clock) -> None:
    written: list[str] = []
    lines = console.Lines(written.append)
    for event in (batch("stem", "layer1.0", max_epochs=3), started(3), epoch(1), finished()):
        lines(event)
    assert written[0] == "Step coarse: 2 fine-tunes (stem, layer1.0)"
    assert written[1].endswith("(3 epochs, 120 s); at most about 2 min left for this step (1 of 2 fine-tunes ended)")
    lines(started(3, cut="layer1.0"))
    lines(finished(cut="layer1.0"))
    assert written[2].endswith("(3 epochs, 120 s)")  # nothing is left


def test_a_long_step_names_its_first_points_and_each_once() -> None:
    written: list[str] = []
    console.Lines(written.append)(batch(*(f"layer{i}" for i in range(9)), seeds=2))
    assert written == ["Step coarse: 18 fine-tunes (layer0, layer1, layer2, layer3, layer4, layer5 and 3 more)"]


def test_lines_name_what_was_paused_and_what_failed(clock: Clock) -> None:
    written: list[str] = []
    lines = console.Lines(written.append)
    lines(paused("stem", 0.25, nan, seed=1))
    lines(paused("stem", nan, nan))
    lines(TrialFailed("layer1.0", 0, "The training loss is nan in epoch 1"))
    assert written == [
        "stem  validation AUPRC 0.2500  (paused after 2 epochs, seed 1)",
        "stem  validation AUPRC undefined  (paused after 2 epochs)",
        "The fine-tune at layer1.0 failed: The training loss is nan in epoch 1; the search goes on",
    ]


def test_lines_name_the_metrics_of_a_segmentation_the_one_that_chooses_first(clock: Clock) -> None:
    written: list[str] = []
    lines = console.Lines(written.append)
    lines(segmented_paused(0.5, nan))
    lines(segmented())
    lines(segmented(nan, distance_unit=""))
    assert written == [
        "stem  validation Dice 0.5000  (paused after 2 epochs)",
        "stem  validation Dice 0.7500  HD95 4.31 mm  Jaccard, pooled 0.5000  (3 epochs, 120 s)",
        "stem  validation Dice undefined  HD95 4.31  Jaccard, pooled 0.5000  (3 epochs, 120 s)",
    ]


@contextmanager
def terminal(height: int = 40, width: int = 100) -> Iterator[tuple[console.Display, io.StringIO]]:
    written = io.StringIO()
    screen = Console(file=written, force_terminal=True, width=width, height=height, highlight=False, soft_wrap=True)
    with Live(console=screen, transient=True) as live:
        yield console.Display(live), written


def drawn(display: console.Display) -> list[str]:
    """What the display shows now, in plain text."""
    screen = Console(width=100, file=io.StringIO())
    with screen.capture() as capture:
        screen.print(display.live.renderable)
    return [line.rstrip() for line in capture.get().splitlines()]


def bars(display: console.Display) -> list[str]:
    """Which fine-tunes have a bar."""
    return [found[0] for line in drawn(display) if (found := re.match(r".* \(fine-tune \d+\)", line))]


def test_the_terminal_shows_a_table_over_the_bars(clock: Clock) -> None:
    with terminal() as (display, _):
        for event in (batch("stem", "layer1.0", "layer2.0"), started(), epoch(1, 60.0, 0.25), finished(auprc=0.9321)):
            display(event)
        display(started(cut="layer1.0"))
        display(epoch(1, 60.0, 0.5, cut="layer1.0"))
        lines = drawn(display)
    assert lines[0].split() == ["point", "epochs", "validation", "AUPRC", "state"]
    assert lines[1].split() == ["stem", "3", "0.9321", "done"]
    assert lines[2].split() == ["layer1.0", "1", "0.5000", "running"]
    assert lines[3] == "at most about 19 min left for this step (1 of 3 fine-tunes ended)"
    assert lines[4].startswith("layer1.0 (fine-tune 2)")
    assert lines[4].endswith("at most 9 min left")
    assert len(lines) == 5


def test_the_table_is_headed_by_the_metric_as_soon_as_an_epoch_names_it(clock: Clock) -> None:
    with terminal() as (display, _):
        display(batch("stem"))
        display(started())
        assert drawn(display)[0].split() == ["point", "epochs", "validation", "state"]
        display(segmented_epoch(1, 0.5))
        assert drawn(display)[0].split() == ["point", "epochs", "validation", "Dice", "state"]


def test_a_bar_goes_with_its_fine_tune_however_that_ends(clock: Clock) -> None:
    with terminal() as (display, _):
        display(batch("a", "b", "c", "d"))
        for cut in "abcd":
            display(started(cut=cut))
        assert bars(display) == ["a (fine-tune 1)", "b (fine-tune 2)", "c (fine-tune 3)", "d (fine-tune 4)"]
        display(finished(cut="a"))
        display(paused("b", 0.25, 0.5))
        display(TrialFailed("c", 0, "too little memory"))
        assert bars(display) == ["d (fine-tune 4)"]


def test_a_bar_gives_progress_rate_and_time_left(clock: Clock) -> None:
    with terminal() as (display, _):
        display(started(4, done=1))
        clock.now = 75.0
        display(epoch(2, 50.0))
        clock.now = 85.0
        display(EpochProgress(320, 640, "stem", 0))
        (line,) = drawn(display)
        which, bar, far = re.fullmatch(r"(.*?) ([━╸╺ ]+) (epoch.*)", line).groups()
    assert which == "stem (fine-tune 1)"
    assert bar.count("━") == pytest.approx(len(bar) * 2.5 / 4, abs=1)
    assert re.sub(" +", " ", far) == "epoch 3 of at most 4, 32 images/s 0:01:25 at most 75 s left"


def test_a_low_terminal_keeps_the_bar_and_sums_the_rows_it_has_no_room_for(clock: Clock) -> None:
    with terminal(height=14) as (display, _):
        display(batch(*(f"layer{i}" for i in range(9))))
        for i in range(8):
            display(started(cut=f"layer{i}"))
            display(finished(cut=f"layer{i}", auprc=i / 10))
        display(started(cut="layer8"))
        lines = drawn(display)
    assert lines[0] == "4 before: 4 done; best 0.3000 (layer3)"
    assert [line.split()[0] for line in lines[2:7]] == [f"layer{i}" for i in range(4, 9)]
    assert lines[-1].startswith("layer8 (fine-tune 9)")
    assert len(lines) < 14


def test_more_rows_than_the_table_holds_are_summed_on_any_terminal(clock: Clock) -> None:
    with terminal(height=200) as (display, _):
        display(batch(*(f"layer{i}" for i in range(20))))
        for i in range(20):
            display(finished(cut=f"layer{i}"))
        lines = drawn(display)
    assert lines[0].startswith("8 before: 8 done")
    assert sum(line.startswith("layer") for line in lines) == console.MOST_ROWS


def test_without_a_step_there_is_only_the_bar(clock: Clock) -> None:
    with terminal() as (display, _):
        display(started())
        (line,) = drawn(display)
    assert line.startswith("stem (fine-tune 1)")


def test_log_lines_stand_above_and_nothing_is_left_behind(clock: Clock) -> None:
    with terminal() as (display, screen):
        display(Note("begins [bold]as asked[/bold]"))
        display(batch("stem", "layer1.0"))
        display(started())
        display.live.refresh()
        display(finished())
    assert final_screen(screen.getvalue()) == [
        "begins [bold]as asked[/bold]",
        "Step coarse: 2 fine-tunes (stem, layer1.0)",
        "stem  validation AUPRC 0.5000  AUROC 0.5000  accuracy 0.5000  (3 epochs, 120 s)",
    ]


@pytest.mark.parametrize("width", [20, 40, 80])
def test_no_line_is_wider_than_the_terminal_for_then_it_could_not_be_taken_back(clock: Clock, width: int) -> None:
    with terminal(width=width) as (display, screen):
        display(batch("features.denseblock3.denselayer19"))
        display(started(cut="features.denseblock3.denselayer19"))
        display(epoch(1, cut="features.denseblock3.denselayer19"))
        screen.truncate(0)
        display.live.refresh()
        lines = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\r|\x00", "", screen.getvalue()).split("\n")
    assert len(lines) >= 4
    assert max(map(len, lines)) <= width


def interrupted() -> io.StringIO:
    """What is written where Ctrl-C ends it, which is then dealt with."""
    with suppress(KeyboardInterrupt), terminal() as (display, screen):
        display(batch("stem", "layer1.0"))
        display(started())
        display.live.refresh()
        raise KeyboardInterrupt
    return screen


def test_an_interrupt_leaves_the_log_lines_and_the_cursor(clock: Clock) -> None:
    written = interrupted().getvalue()
    assert "stem (fine-tune 1)" in written
    assert written.rindex(SHOW_CURSOR) > written.rindex(HIDE_CURSOR)
    assert final_screen(written) == ["Step coarse: 2 fine-tunes (stem, layer1.0)"]


def final_screen(written: str) -> list[str]:
    """What a terminal is left showing, of the few control sequences that are written here."""
    lines, at = [""], 0
    for part in re.findall(r"\x1b\[[0-9;?]*[A-Za-z]|\r|\n|[^\x1b\r\n]+", written):
        if part == "\n":
            at += 1
            lines += [""] * (at + 1 - len(lines))
        elif part == CURSOR_UP:
            at -= 1
        elif part == ERASE_LINE:
            lines[at] = ""
        elif part[0] not in "\x1b\r":
            lines[at] += part
    return [line.rstrip() for line in lines if line.strip()]
