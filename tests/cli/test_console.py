from __future__ import annotations

from typing import Any

import pytest

from networks import TinyResNet
from ttl.cli import console
from ttl.pipeline import EpochDone, ImagesShown, Note, TrialDone, TrialStarted
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
