"""Schedules against closed forms, batch by batch."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from ttl.finetune import SGD, Plateau, Steps, Stop
from ttl.finetune.schedules import SCHEDULES, Schedule, Scheduler

BATCHES = 4


def optimizer(lr: float = 0.8) -> torch.optim.Optimizer:
    return SGD(lr).make([nn.Parameter(torch.zeros(1))])


def epoch(made: Scheduler, optimizer: torch.optim.Optimizer, number: int, score: float = 0.0) -> list[float]:
    """The learning rate of each step of an epoch."""
    rates = []
    for batch in range(BATCHES):
        rates.append(optimizer.param_groups[0]["lr"])
        made.step_batch((batch + 1) / BATCHES)
    made.step(number, score)
    return rates


def rates(schedule: Schedule, scores: list[float]) -> list[float]:
    """The learning rate of each step."""
    steps = optimizer()
    made = schedule.make(steps, 1 / BATCHES)
    return [rate for number, score in enumerate(scores, 1) for rate in epoch(made, steps, number, score)]


def test_the_rate_falls_after_the_epochs_that_are_named() -> None:
    expected = [0.8 * 0.1 ** sum(number > at for at in (2, 3)) for number in range(1, 6) for _ in range(BATCHES)]
    assert rates(Steps(at=(2, 3)), [0.0] * 5) == pytest.approx(expected)


def test_before_the_first_fall_the_rate_is_the_very_one_that_was_given() -> None:
    assert set(rates(Steps(at=(9,)), [0.0] * 5)) == {0.8}


def test_a_warm_up_rises_step_by_step_in_equal_parts() -> None:
    # Step k of the first two epochs has k/8 of the rate; the fall after the third is the schedule's.
    rising = [0.8 * step / 8 for step in range(1, 9)]
    expected = rising + [0.8] * BATCHES + [0.4] * BATCHES
    assert rates(Steps(at=(3,), factor=0.5, warmup_epochs=2), [0.0] * 4) == pytest.approx(expected)


def test_a_fall_within_a_warm_up_counts_in_it() -> None:
    expected = [0.8 * 1 / 8, 0.8 * 2 / 8, 0.8 * 3 / 8, 0.8 * 4 / 8, 0.4 * 5 / 8, 0.4 * 6 / 8, 0.4 * 7 / 8, 0.4]
    assert rates(Steps(at=(1,), factor=0.5, warmup_epochs=2), [0.0] * 2) == pytest.approx(expected)


def test_what_a_rate_has_come_down_to_leaves_the_warm_up_aside() -> None:
    steps = optimizer()
    made = Steps(at=(1,), factor=0.5, warmup_epochs=100).make(steps, 1 / BATCHES)
    assert made.lr == 0.8
    assert steps.param_groups[0]["lr"] == pytest.approx(0.8 / 400)
    epoch(made, steps, 1)
    assert made.lr == 0.4
    assert not Stop(below_lr=0.01).is_due(epochs=1, since_best=0, lr=made.lr)


def test_groups_keep_their_proportions() -> None:
    groups = torch.optim.SGD([{"params": [nn.Parameter(torch.zeros(1))], "lr": lr} for lr in (1.0, 0.1)], lr=0.5)
    made = Steps(at=(1,), warmup_epochs=1).make(groups, 0.5)
    assert [group["lr"] for group in groups.param_groups] == [0.5, 0.05]
    made.step(1, 0.0)
    assert [group["lr"] for group in groups.param_groups] == pytest.approx([0.1, 0.01])


def test_a_plateau_bears_its_patience_and_stops_at_its_floor() -> None:
    scores = [0.5, 0.5, 0.5, 0.6, 0.6, 0.6, 0.6, 0.6]
    plateau = Plateau(patience=1, factor=0.25, floor=0.1)
    # Better: the first and the fourth. The third is one too many, and so are the sixth and the eighth.
    expected = [0.8, 0.8, 0.8, 0.2, 0.2, 0.2, 0.1, 0.1]
    assert rates(plateau, scores)[::BATCHES] == pytest.approx(expected)


def test_a_plateau_asks_for_a_difference() -> None:
    small = [0.5, 0.51, 0.515, 0.53]
    assert rates(Plateau(patience=0), small)[::BATCHES] == [0.8] * 4
    assert rates(Plateau(patience=0, min_delta=0.02), small)[::BATCHES] == [0.8, 0.8, 0.4, 0.2]


@pytest.mark.parametrize("schedule", [Plateau(patience=1), Steps(at=(3, 5), warmup_epochs=2)])
@pytest.mark.parametrize("stop", [1, 2, 4])
def test_stopped_after_an_epoch_it_goes_on_as_it_would_have(schedule: Schedule, stop: int) -> None:
    scores = [0.5, 0.5, 0.5, 0.4, 0.4, 0.6, 0.1]
    first = optimizer()
    made = schedule.make(first, 1 / BATCHES)
    done = [rate for number in range(stop) for rate in epoch(made, first, number + 1, scores[number])]
    second = optimizer()
    again = schedule.make(second, 1 / BATCHES)
    second.load_state_dict(first.state_dict())
    again.load_state_dict(made.state_dict())
    done += [rate for number in range(stop, 7) for rate in epoch(again, second, number + 1, scores[number])]
    assert done == rates(schedule, scores)
    assert again.lr == second.param_groups[0]["lr"]


@pytest.mark.parametrize(
    ("stop", "ended"),
    [
        (Stop(), []),
        (Stop(epochs=3), [3, 4]),
        (Stop(after=1), [2, 3, 4]),
        (Stop(below_lr=0.5), [4]),
        (Stop(epochs=4, after=2), [3, 4]),
    ],
)
def test_a_phase_ends_by_whichever_rule_comes_first(stop: Stop, ended: list[int]) -> None:
    course = [(0, 0, 1.0), (1, 0, 1.0), (2, 1, 1.0), (3, 2, 0.5), (4, 3, 0.4)]
    assert [epochs for epochs, since, lr in course if stop.is_due(epochs=epochs, since_best=since, lr=lr)] == ended


def test_the_registry_knows_them_by_their_names() -> None:
    assert {"plateau": Plateau, "steps": Steps} == SCHEDULES
