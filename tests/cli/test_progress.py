from __future__ import annotations

from math import nan
from typing import Any

import pytest

from ttl.cli.progress import Row, RunProgress, summed
from ttl.run.events import BatchStarted, Due, EpochProgress, TrialFailed

from .events import Clock, batch, epoch, finished, paused, segmented, segmented_epoch, segmented_paused, started


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def followed(*events: Any) -> RunProgress:
    run = RunProgress()
    for event in events:
        run.on(event)
    return run


def test_without_a_bound_no_time_left_is_invented(clock: Clock) -> None:
    run = followed(batch("stem", "layer1.0", max_epochs=None), started(None))
    fine_tune = run.fine_tunes["stem", 0]
    clock.now = 40.0
    run.on(epoch(1))
    clock.now = 50.0
    run.on(EpochProgress(320, 640, "stem", 0))
    assert (fine_tune.words(), fine_tune.left()) == ("epoch 2, 32 images/s", "")
    assert run.left() == "0 of 2 fine-tunes ended in this step"


def test_a_fine_tune_moves_within_an_epoch() -> None:
    run = followed(started(10, 2), EpochProgress(160, 640, "stem", 0))
    fine_tune = run.fine_tunes["stem", 0]
    assert fine_tune.fraction == 2.25
    run.on(epoch(3))
    run.on(EpochProgress(320, 640, "stem", 0))
    assert fine_tune.fraction == 3.5
    assert fine_tune.left() == "at most 4 min left"


def test_what_is_received_after_a_fine_tune_ended_does_not_move_it() -> None:
    run = followed(started(), finished(auprc=0.5), EpochProgress(320, 640, "stem", 0), epoch(9, auprc=0.9))
    assert run.rows() == [Row("stem", (3,), 0.5, "done")]
    assert run.fine_tunes["stem", 0].fraction == 3


def test_fine_tunes_are_numbered_as_they_begin_and_one_that_goes_on_keeps_its_number() -> None:
    run = followed(finished(cut="a", reused=True), batch("b", "c", seeds=2))
    for cut, seed in (("b", 0), ("c", 0), ("b", 1)):
        run.on(started(cut=cut, seed=seed))
    run.on(paused("b", 0.25, 0.5))
    run.on(batch("b"))
    run.on(started(cut="b", done=2))
    assert {key: fine_tune.number for key, fine_tune in run.fine_tunes.items() if fine_tune.number} == {
        ("a", 0): 1,
        ("b", 0): 2,
        ("c", 0): 3,
        ("b", 1): 4,
    }


def test_a_second_run_in_the_same_call_begins_anew_with_a_cut_of_the_first() -> None:
    run = followed(started(), finished(auprc=0.9), batch("stem"), started(), epoch(1, auprc=0.25))
    assert run.rows() == [Row("stem", (1,), 0.25, "running")]


def test_what_is_left_of_a_step_goes_by_macs_and_the_median_epoch() -> None:
    due = (Due("stem", 0, 1e9), Due("layer1.0", 0, 2e9), Due("layer2.0", 0, 4e9))
    run = followed(BatchStarted("coarse", due, 10), started())
    assert run.left() == "0 of 3 fine-tunes ended in this step"  # no epoch has ended that would give the time
    for number, seconds in ((1, 10.0), (2, 10.0), (3, 70.0)):
        run.on(epoch(number, seconds))
    # 10 s a billion: 7 epochs of 1, 10 of 2 and 10 of 4
    assert run.left() == "at most about 11 min left for this step (0 of 3 fine-tunes ended)"
    run.on(finished())
    run.on(started(cut="layer2.0"))
    run.on(EpochProgress(320, 640, "stem", 0))
    # 10 of 2 and 9.5 of 4
    assert run.left() == "at most about 10 min left for this step (1 of 3 fine-tunes ended)"


def test_fine_tunes_that_run_at_once_share_what_is_left() -> None:
    run = followed(batch("stem", "layer1.0"), started(), epoch(1, 60.0))
    assert run.left().startswith("at most about 19 min left")
    run.on(started(cut="layer1.0"))
    assert run.left().startswith("at most about 10 min left")


def test_a_step_that_pauses_bounds_its_fine_tunes() -> None:
    run = followed(batch("stem", max_epochs=2), started(10), epoch(1, 100.0))
    assert run.fine_tunes["stem", 0].words() == "epoch 2 of at most 2"
    assert run.left() == "at most about 2 min left for this step (0 of 1 fine-tunes ended)"


def test_what_does_not_go_on_after_a_pause_was_stopped() -> None:
    run = followed(batch("stem", "layer1.0", max_epochs=2))
    for cut, value in (("stem", 0.25), ("layer1.0", 0.75)):
        run.on(started(cut=cut))
        run.on(paused(cut, 0.125, value))
    assert [row.state for row in run.rows()] == ["paused", "paused"]
    assert run.left() == ""
    run.on(batch("layer1.0"))
    assert run.rows() == [Row("stem", (2,), 0.25, "stopped"), Row("layer1.0", (2,), 0.75, "waiting")]
    run.on(started(done=2, cut="layer1.0"))
    assert run.rows()[1] == Row("layer1.0", (2,), 0.75, "running")
    run.on(epoch(3, 60.0, 0.5, cut="layer1.0"))
    assert run.rows()[1] == Row("layer1.0", (3,), 0.75, "running")
    assert run.left().startswith("at most about 7 min left")


def test_the_seeds_of_a_point_are_one_row() -> None:
    run = followed(batch("stem", seeds=2), started(), epoch(1, auprc=0.25), finished(auprc=0.5))
    assert run.rows() == [Row("stem", (3,), 0.5, "waiting")]
    run.on(started(seed=1))
    run.on(epoch(1, auprc=0.25, seed=1))
    assert run.rows() == [Row("stem", (3, 1), 0.375, "running")]
    run.on(finished(seed=1, auprc=nan))
    assert run.rows() == [Row("stem", (3, 3), 0.5, "done")]


def test_where_one_seed_failed_the_others_are_not_waited_for() -> None:
    run = followed(batch("stem", "layer1.0", seeds=2), started(), epoch(1, auprc=0.25))
    run.on(TrialFailed("stem", 0, "The training loss is nan"))
    (row,) = run.rows()
    assert (row.cut, row.epochs, row.state) == ("stem", (1,), "failed")
    assert run.left().endswith("(2 of 4 fine-tunes ended)")


def test_what_is_on_disk_counts_without_having_run() -> None:
    run = followed(finished(reused=True), batch("layer1.0"), started(cut="layer1.0"))
    assert [(row.cut, row.state) for row in run.rows()] == [("stem", "done"), ("layer1.0", "running")]
    assert run.left() == "0 of 1 fine-tunes ended in this step"


def test_a_segmentation_is_followed_by_its_dice() -> None:
    run = followed(batch("stem"), started(), segmented_epoch(1, 0.5))
    assert (run.metric, run.rows()) == ("dice", [Row("stem", (1,), 0.5, "running")])
    run.on(segmented_epoch(2, 0.25))
    assert run.rows()[0].value == 0.5
    run.on(segmented_paused(0.5, 0.625, nan))
    assert run.rows() == [Row("stem", (3,), 0.625, "paused")]
    run.on(segmented(0.75))
    assert run.rows() == [Row("stem", (3,), 0.75, "done")]


def test_the_metric_is_named_by_the_first_epoch_or_the_first_fine_tune_on_disk() -> None:
    run = followed(batch("stem"), started())
    assert run.metric is None
    run.on(epoch(1, auprc=0.5))
    assert run.metric == "auprc"
    assert followed(segmented()).metric == "dice"


def test_rows_that_are_left_out_are_summed() -> None:
    rows = [Row("a", (3,), 0.5, "done"), Row("b", (2,), 0.75, "stopped"), Row("c", (1,), nan, "failed")]
    assert summed(rows) == "3 before: 1 done, 1 stopped, 1 failed; best 0.7500 (b)"
    assert summed(rows[2:]) == "1 before: 1 failed"
    assert summed([]) == ""
