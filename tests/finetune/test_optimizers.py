"""Optimizers against closed forms: one weight of 1 whose gradient is always the same."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from ttl.finetune import SGD, Adam
from ttl.finetune.optimizers import OPTIMIZERS, Optimizer


def descended(optimizer: Optimizer, gradient: float, steps: int) -> float:
    """The weight after so many steps."""
    weight = nn.Parameter(torch.ones(1, dtype=torch.float64))
    made = optimizer.make([weight])
    for _ in range(steps):
        weight.grad = torch.full((1,), gradient, dtype=torch.float64)
        made.step()
    return weight.item()


@pytest.mark.parametrize("steps", [1, 2, 7])
def test_momentum_sums_up_gradients(steps: int) -> None:
    # After t steps the sum is (1 - m^t) / (1 - m) gradients.
    moved = sum((1 - 0.8**step) / (1 - 0.8) for step in range(1, steps + 1))
    assert descended(SGD(0.01, momentum=0.8), 3.0, steps) == pytest.approx(1 - 0.01 * 3.0 * moved)


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_without_a_gradient_decay_alone_is_left(momentum: float) -> None:
    once = descended(SGD(0.1, momentum=momentum, weight_decay=0.5), 0.0, 1)
    assert once == pytest.approx(0.95)
    assert descended(SGD(0.1, momentum=0.0, weight_decay=0.5), 0.0, 5) == pytest.approx(0.95**5)


@pytest.mark.parametrize("gradient", [1e-3, -20.0])
@pytest.mark.parametrize("betas", [(0.9, 0.999), (0.5, 0.5)])
def test_adam_steps_by_its_rate_whatever_the_gradient(gradient: float, betas: tuple[float, float]) -> None:
    # Both averages, made unbiased, are those of a constant: each step is lr times its sign, but for epsilon.
    sign = 1 if gradient > 0 else -1
    assert descended(Adam(0.01, betas=betas), gradient, 6) == pytest.approx(1 - sign * 0.06, rel=1e-4)


def test_adams_decay_is_part_of_the_gradient() -> None:
    assert descended(Adam(0.01, weight_decay=0.1), 0.0, 1) == pytest.approx(0.99)


def test_the_registry_knows_them_by_their_names() -> None:
    assert {"adam": Adam, "sgd": SGD} == OPTIMIZERS
