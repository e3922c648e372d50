from __future__ import annotations

from io import StringIO
from typing import Any

import pytest
from rich.console import Console
from rich.progress import Progress

from networks import TinyResNet
from ttl.cli import console
from ttl.pipeline import EpochDone, ImagesShown, Note, TrialDone, TrialStarted, TrialStopped
from ttl.points import truncation_points

POINT = truncation_points(TinyResNet(), image_size=32)[0]


class Clock:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        monkeypatch.setattr(console, "monotonic", lambda: self.now)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def started(max_epochs: int | None = 10, done: int = 0) -> TrialStarted:
    return TrialStarted(POINT.name, 1, 0, max_epochs, done)


def epoch(number: int, seconds: float = 40.0) -> EpochDone:
    row = {"epoch": number, "train_loss": 0.5, "val_loss": 0.25, "images_per_second": 16.0, "seconds": seconds}
    return EpochDone(row)


def finished(seed: int) -> TrialDone:
    record: dict[str, Any] = {"cut": "stem", "seed": seed, "epochs": 3, "seconds": 120.0}
    record["val"] = {name: {"value": 0.5} for name in ("auprc", "auroc", "accuracy", "f1")}
    return TrialDone(record, reused=False)


def test_lines_tell_of_rate_and_time_left_only_after_a_silence(clock: Clock) -> None:
    said: list[str] = []
    lines = console._Lines(said.append)
    lines(Note("begins"))
    lines(started())
    for now, event in ((10.0, ImagesShown(160, 640)), (29.0, ImagesShown(480, 640))):
        clock.now = now
        lines(event)
    assert said == ["begins"]
    clock.now = 31.0
    lines(ImagesShown(496, 640))
    assert said[1:] == ["  epoch 1 of at most 10, 16 images/s"]  # how long an epoch takes isn't known yet
    clock.now = 40.0
    lines(epoch(1))
    clock.now = 80.0
    lines(epoch(2))
    assert said[2:] == ["  epoch 2: train loss 0.5000, val loss 0.2500, 16 images/s; at most 5 min left"]
    lines(finished(seed=0))
    lines(finished(seed=2))
    assert said[3] == "stem  validation auprc 0.5000  auroc 0.5000  accuracy 0.5000  (3 epochs, 120 s)"
    assert said[4].endswith("(3 epochs, 120 s, seed 2)")


def test_a_fine_tune_that_goes_on_says_from_where(clock: Clock) -> None:
    said: list[str] = []
    lines = console._Lines(said.append)
    lines(started(done=4))
    assert said == [f"{POINT.name}: goes on from epoch 4"]


def test_without_a_bound_no_time_left_is_invented(clock: Clock) -> None:
    fine_tune = console._FineTune(started(max_epochs=None))
    clock.now = 40.0
    fine_tune.on(epoch(1))
    clock.now = 50.0
    fine_tune.on(ImagesShown(320, 640))
    assert (fine_tune.words(), fine_tune.left()) == ("epoch 2, 32 images/s", "")


def test_the_bar_moves_within_an_epoch(clock: Clock) -> None:
    fine_tune = console._FineTune(started(done=2))
    fine_tune.on(ImagesShown(160, 640))
    assert fine_tune.fraction == 2.25
    fine_tune.on(epoch(3))
    fine_tune.on(ImagesShown(320, 640))
    assert fine_tune.fraction == 3.5
    assert fine_tune.left() == "at most 4 min left"


def side_by_side() -> list[TrialStarted]:
    return [TrialStarted(cut, number, 0, 10, 0) for number, cut in enumerate(("stem", "layer1.0"), start=1)]


def test_lines_of_several_say_whose_they_are(clock: Clock) -> None:
    said: list[str] = []
    lines = console._Lines(said.append)
    for event in side_by_side():
        lines(event)
    for now, cut in ((31.0, "stem"), (62.0, "layer1.0")):
        clock.now = now
        lines(ImagesShown(310, 640, cut))
    assert said == ["  stem: epoch 1 of at most 10, 10 images/s", "  layer1.0: epoch 1 of at most 10, 5 images/s"]
    lines(finished(seed=0))  # of stem
    clock.now = 124.0
    lines(ImagesShown(620, 640, "layer1.0"))
    assert said[3:] == ["  epoch 1 of at most 10, 5 images/s"]


def test_one_bar_shows_the_sum_of_several() -> None:
    running = console._Running()
    for event in side_by_side():
        running.begin(event)
    running.on(ImagesShown(320, 640, "stem"))
    running.on(ImagesShown(160, 640, "layer1.0"))
    assert (running.label(), running.total()) == ("2 running: stem, layer1.0", 20)
    assert running.completed() == 0.75
    running.end(TrialStopped("layer1.0", 0))
    assert (running.label(), running.total(), running.completed()) == ("stem (fine-tune 1)", 10, 0.5)
    assert running.on(ImagesShown(320, 640, "layer1.0")) is None  # said before it stopped, and heard after


def test_a_bar_of_several_without_a_bound_has_no_end() -> None:
    running = console._Running()
    running.begin(started(max_epochs=None))
    running.begin(side_by_side()[1])
    assert running.total() is None


def test_the_bar_goes_when_nothing_runs() -> None:
    with Progress(console=Console(file=StringIO())) as progress:
        bars = console._Bars(progress)
        for event in side_by_side():
            bars(event)
        bars(ImagesShown(320, 640, "stem"))
        (bar,) = progress.tasks
        assert (bar.description, bar.total, bar.completed) == ("2 running: stem, layer1.0", 20, 0.5)
        bars(TrialStopped("stem", 0))
        assert (bar.description, bar.visible) == ("layer1.0 (fine-tune 2)", True)
        bars(TrialStopped("layer1.0", 0))
        assert not bar.visible
