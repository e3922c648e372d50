"""How the benchmark of latencies finds the pruning ratio that leaves a given share of the MACs."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"


@pytest.fixture
def pruning(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return import_module("pruning")


@pytest.mark.parametrize(("power", "tries"), [(2.0, 1), (1.6, 4), (3.0, 4)])
def test_the_share_of_macs_is_reached_in_few_tries(power: float, tries: int, pruning: ModuleType) -> None:
    tried: list[float] = []

    def left(ratio: float) -> float:
        tried.append(ratio)
        return (1 - ratio) ** power

    found = pruning.nearest(0.25, left)
    assert abs(found.macs_ratio - 0.25) <= 0.02 * 0.25
    assert found.macs_ratio == left(found.pruning_ratio)
    assert len(tried) - 1 <= tries


def test_of_a_share_that_no_width_gives_the_nearest_is_taken(pruning: ModuleType) -> None:
    """Widths go in steps: half of the MACs are left, or a fifth."""
    assert pruning.nearest(0.3, lambda ratio: 0.5 if ratio < 0.6 else 0.2).macs_ratio == 0.2
    assert pruning.nearest(0.45, lambda ratio: 0.5 if ratio < 0.6 else 0.2).macs_ratio == 0.5
