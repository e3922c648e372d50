from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest
from rich.console import Console

from ttl.cli import console
from ttl.run import ImagesShown, Note, TrialFailed, Watch

from .events import Clock, batch, epoch, finished, paused, segmented, segmented_epoch, segmented_paused, started

ERASE_LINE, CURSOR_UP, HIDE_CURSOR, SHOW_CURSOR = "\x1b[2K", "\x1b[1A", "\x1b[?25l", "\x1b[?25h"


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def test_lines_tell_of_rate_and_time_left_only_after_a_silence(clock: Clock) -> None:
    said: list[str] = []
    lines = console._Lines(said.append)
    lines(Note("begins"))
    lines(started())
    for now, event in ((10.0, ImagesShown(160, 640, "stem", 0)), (29.0, ImagesShown(480, 640, "stem", 0))):
        clock.now = now
        lines(event)
    assert said == ["begins"]
    clock.now = 31.0
    lines(ImagesShown(496, 640, "stem", 0))
    assert said[1:] == ["  epoch 1 of at most 10, 16 images/s"]  # how long an epoch takes isn't known yet
    clock.now = 40.0
    lines(epoch(1))
    clock.now = 80.0
    lines(epoch(2))
    assert said[2:] == ["  epoch 2: train loss 0.5000, val loss 0.2500, 16 images/s; at most 5 min left"]
    lines(finished(seed=0))
    lines(finished(seed=2))
    assert said[3] == "stem  validation AUPRC 0.5000  AUROC 0.5000  accuracy 0.5000  (3 epochs, 120 s)"
    assert said[4].endswith("(3 epochs, 120 s, seed 2)")


def test_a_fine_tune_that_goes_on_says_from_where(clock: Clock) -> None:
    said: list[str] = []
    lines = console._Lines(said.append)
    lines(started(done=4))
    assert said == ["stem: goes on from epoch 4"]


def test_lines_tell_what_a_step_holds_and_what_is_left_of_it(clock: Clock) -> None:
    said: list[str] = []
    lines = console._Lines(said.append)
    for event in (batch("stem", "layer1.0", max_epochs=3), started(3), epoch(1), finished()):
        lines(event)
    assert said[0] == "Step coarse: 2 fine-tunes (stem, layer1.0)"
    assert said[1].endswith("(3 epochs, 120 s); at most about 2 min left for this step (1 of 2 fine-tunes ended)")
    lines(started(3, cut="layer1.0"))
    lines(finished(cut="layer1.0"))
    assert said[2].endswith("(3 epochs, 120 s)")  # nothing is left


def test_a_long_step_names_its_first_points_and_each_once() -> None:
    said: list[str] = []
    console._Lines(said.append)(batch(*(f"layer{i}" for i in range(9)), seeds=2))
    assert said == ["Step coarse: 18 fine-tunes (layer0, layer1, layer2, layer3, layer4, layer5 and 3 more)"]


def test_lines_tell_of_what_was_paused_and_what_failed(clock: Clock) -> None:
    said: list[str] = []
    lines = console._Lines(said.append)
    lines(paused("stem", 2, 0.25, None, seed=1))
    lines(paused("stem", 2, None))
    lines(TrialFailed("layer1.0", 0, "The training loss is nan in epoch 1"))
    assert said == [
        "stem  validation AUPRC 0.2500  (paused after 2 epochs, seed 1)",
        "stem  validation AUPRC undefined  (paused after 2 epochs)",
        "The fine-tune at layer1.0 failed: The training loss is nan in epoch 1; the search goes on",
    ]


def test_lines_name_the_metrics_of_a_segmentation_the_one_that_chooses_first(clock: Clock) -> None:
    said: list[str] = []
    lines = console._Lines(said.append)
    lines(segmented_paused(0.5, None))
    lines(segmented(distance_unit="mm"))
    lines(segmented(None))
    assert said == [
        "stem  validation Dice 0.5000  (paused after 2 epochs)",
        "stem  validation Dice 0.7500  HD95 4.31 mm  Jaccard, pooled 0.5000  (3 epochs, 120 s)",
        "stem  validation Dice undefined  HD95 4.31  Jaccard, pooled 0.5000  (3 epochs, 120 s)",
    ]


@contextmanager
def terminal(height: int = 40, width: int = 100) -> Iterator[tuple[Watch, console._Display, io.StringIO]]:
    written = io.StringIO()
    screen = Console(file=written, force_terminal=True, width=width, height=height, highlight=False, soft_wrap=True)
    with console._on_terminal(screen) as watch:
        assert isinstance(watch, console._Display)
        yield watch, watch, written


def drawn(display: console._Display) -> list[str]:
    """What the display shows now, in plain text."""
    screen = Console(width=100, file=io.StringIO())
    with screen.capture() as capture:
        screen.print(display.live.renderable)
    return [line.rstrip() for line in capture.get().splitlines()]


def test_the_terminal_shows_a_table_over_the_bars(clock: Clock) -> None:
    with terminal() as (watch, display, _):
        for event in (batch("stem", "layer1.0", "layer2.0"), started(), epoch(1, 60.0, 0.25), finished(auprc=0.9321)):
            watch(event)
        watch(started(cut="layer1.0"))
        watch(epoch(1, 60.0, 0.5, cut="layer1.0"))
        lines = drawn(display)
    assert lines[0].split() == ["point", "epochs", "validation", "AUPRC", "state"]
    assert lines[1].split() == ["stem", "3", "0.9321", "done"]
    assert lines[2].split() == ["layer1.0", "1", "0.5000", "running"]
    assert lines[3] == "at most about 19 min left for this step (1 of 3 fine-tunes ended)"
    assert lines[4].startswith("layer1.0 (fine-tune 1)")
    assert lines[4].endswith("at most 9 min left")
    assert len(lines) == 5


def test_the_table_is_headed_by_the_metric_as_soon_as_it_is_known(clock: Clock) -> None:
    with terminal() as (watch, display, _):
        watch(batch("stem"))
        watch(started())
        assert drawn(display)[0].split() == ["point", "epochs", "validation", "state"]
        watch(segmented_epoch(1, 0.5))
        assert drawn(display)[0].split() == ["point", "epochs", "validation", "Dice", "state"]


def test_a_bar_goes_with_its_fine_tune_however_that_ends(clock: Clock) -> None:
    with terminal() as (watch, display, _):
        watch(batch("a", "b", "c", "d"))
        for cut in "abcd":
            watch(started(cut=cut))
        assert len(display.tasks) == len(display.bars.tasks) == 4
        watch(finished(cut="a"))
        watch(paused("b", 2, 0.5))
        watch(TrialFailed("c", 0, "too little memory"))
        assert list(display.tasks) == [("d", 0)]
        assert [task.description for task in display.bars.tasks] == ["d (fine-tune 1)"]


def test_a_low_terminal_keeps_the_bar_and_sums_the_rows_it_has_no_room_for(clock: Clock) -> None:
    with terminal(height=14) as (watch, display, _):
        watch(batch(*(f"layer{i}" for i in range(9))))
        for i in range(8):
            watch(started(cut=f"layer{i}"))
            watch(finished(cut=f"layer{i}", auprc=i / 10))
        watch(started(cut="layer8"))
        lines = drawn(display)
    assert lines[0] == "4 before: 4 done; best 0.3000 (layer3)"
    assert [line.split()[0] for line in lines[2:7]] == [f"layer{i}" for i in range(4, 9)]
    assert lines[-1].startswith("layer8 (fine-tune 1)")
    assert len(lines) < 14


def test_more_rows_than_the_table_holds_are_summed_on_any_terminal(clock: Clock) -> None:
    with terminal(height=200) as (watch, display, _):
        watch(batch(*(f"layer{i}" for i in range(20))))
        for i in range(20):
            watch(finished(cut=f"layer{i}"))
        lines = drawn(display)
    assert lines[0].startswith("8 before: 8 done")
    assert sum(line.startswith("layer") for line in lines) == console.MOST_ROWS


def test_without_a_step_there_is_only_the_bar(clock: Clock) -> None:
    with terminal() as (watch, display, _):
        watch(started())
        (line,) = drawn(display)
    assert line.startswith("stem (fine-tune 1)")


def test_log_lines_stand_above_and_nothing_is_left_behind(clock: Clock) -> None:
    with terminal() as (watch, display, screen):
        watch(Note("begins [bold]as told[/bold]"))
        watch(batch("stem", "layer1.0"))
        watch(started())
        display.live.refresh()
        watch(finished())
    assert final_screen(screen.getvalue()) == [
        "begins [bold]as told[/bold]",
        "Step coarse: 2 fine-tunes (stem, layer1.0)",
        "stem  validation AUPRC 0.5000  AUROC 0.5000  accuracy 0.5000  (3 epochs, 120 s)",
    ]


@pytest.mark.parametrize("width", [20, 40, 80])
def test_no_line_is_wider_than_the_terminal_for_then_it_could_not_be_taken_back(clock: Clock, width: int) -> None:
    with terminal(width=width) as (watch, display, screen):
        watch(batch("features.denseblock3.denselayer19"))
        watch(started(cut="features.denseblock3.denselayer19"))
        watch(epoch(1, cut="features.denseblock3.denselayer19"))
        screen.truncate(0)
        display.live.refresh()
        lines = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\r|\x00", "", screen.getvalue()).split("\n")
    assert len(lines) >= 4
    assert max(map(len, lines)) <= width


def interrupted() -> io.StringIO:
    """What is written where Ctrl-C ends it, which is then dealt with."""
    with suppress(KeyboardInterrupt), terminal() as (watch, display, screen):
        watch(batch("stem", "layer1.0"))
        watch(started())
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
