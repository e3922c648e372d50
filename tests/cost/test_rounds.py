from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from ttl.cost.rounds import Rounds, is_warm, time_rounds


class Stage:
    """A clock that only the runners move: each call of `name` takes the next of its milliseconds."""

    def __init__(self, milliseconds: dict[str, Callable[[int], float]]) -> None:
        self.now_ns = 0
        self.calls: list[str] = []
        self.milliseconds = milliseconds

    def runner(self, name: str) -> Callable[[], None]:
        def run() -> None:
            self.now_ns += round(1e6 * self.milliseconds[name](self.calls.count(name)))
            self.calls.append(name)

        return run

    def time(self, *, runs: int = 20, budget_seconds: float = 1e9, seed: int = 0) -> Rounds:
        return time_rounds(
            {name: self.runner(name) for name in self.milliseconds},
            runs=runs,
            budget_seconds=budget_seconds,
            rng=np.random.default_rng(seed),
            clock=lambda: self.now_ns,
        )


def test_every_round_runs_every_model_once_in_changing_order() -> None:
    stage = Stage({"a": lambda _: 1.0, "b": lambda _: 2.0, "c": lambda _: 3.0})
    result = stage.time(runs=30)
    rounds = [tuple(stage.calls[start : start + 3]) for start in range(0, len(stage.calls), 3)]
    assert len(rounds) == result.warmup_rounds + 30
    assert all(sorted(order) == ["a", "b", "c"] for order in rounds)
    assert len(set(rounds)) == 6
    assert {order[0] for order in rounds} == {"a", "b", "c"}


def test_order_follows_the_seed() -> None:
    stages = [Stage({"a": lambda _: 1.0, "b": lambda _: 2.0}) for _ in range(3)]
    for stage, seed in zip(stages, (0, 0, 1), strict=True):
        stage.time(seed=seed)
    assert stages[0].calls == stages[1].calls
    assert stages[0].calls != stages[2].calls


def test_times_are_kept_by_round_without_the_warm_up() -> None:
    drift = Stage({"a": lambda call: 100.0 + call, "b": lambda call: 200.0 + 2 * call})
    result = drift.time(runs=8)
    assert result.warmup_rounds == 10
    assert result.warm
    assert list(result.times_ms) == ["a", "b"]
    np.testing.assert_allclose(result.times_ms["a"], 110.0 + np.arange(8))
    np.testing.assert_allclose(result.times_ms["b"], 220.0 + 2 * np.arange(8))


def test_warm_up_lasts_until_times_settle() -> None:
    """Calls 0..11 fall from 100 to 12 ms; at 20 rounds both windows' medians are 4 ms for the first time."""
    falling = Stage({"a": lambda call: max(100.0 - 8 * call, 4.0), "b": lambda _: 1.0})
    result = falling.time(runs=5)
    assert result.warm
    assert result.warmup_rounds == 20
    np.testing.assert_allclose(result.times_ms["a"], 4.0)


def test_warm_up_ends_at_its_cap_and_says_so() -> None:
    restless = Stage({"a": lambda call: 1.5**call})
    result = restless.time(runs=5)
    assert not result.warm
    assert result.warmup_rounds == 50


def test_is_warm_looks_at_every_model() -> None:
    steady = [{"a": 1.0, "b": 1.0}] * 10
    assert is_warm(steady)
    assert not is_warm(steady[:9])
    moving = [{"a": 1.0, "b": 1.0 if i < 5 else 1.06} for i in range(10)]
    assert not is_warm(moving)
    assert is_warm([{"a": 1.0, "b": 1.0 if i < 5 else 1.04} for i in range(10)])


def test_budget_ends_the_bench() -> None:
    """Rounds of 1 s: a budget of 40 s gives 10 rounds of warming up and 30 of measuring."""
    slow = Stage({"a": lambda _: 400.0, "b": lambda _: 600.0})
    result = slow.time(runs=1000, budget_seconds=40.0)
    assert result.warmup_rounds == 10
    assert len(result.times_ms["a"]) == 30
    assert result.seconds == pytest.approx(40.0)


def test_a_budget_too_small_still_gives_five_rounds() -> None:
    slow = Stage({"a": lambda _: 1000.0})
    result = slow.time(runs=1000, budget_seconds=2.0)
    assert len(result.times_ms["a"]) == 5
    assert not result.warm
