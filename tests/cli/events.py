"""Events of a run, made up, and a clock that stands still."""

from __future__ import annotations

from math import nan

import pytest

from ttl.cli import console, progress
from ttl.finetune.epoch import Epoch
from ttl.run.events import BatchStarted, Due, EpochDone, TrialDone, TrialPaused, TrialStarted
from ttl.study.record import TrialRecord
from ttl.words.estimate import Estimate

SEGMENTED = {"score": "dice", "distance_unit": "mm"}


class Clock:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        for module in (console, progress):
            monkeypatch.setattr(module, "monotonic", lambda: self.now)


def batch(*cuts: str, seeds: int = 1, max_epochs: int | None = 10) -> BatchStarted:
    due = tuple(Due(cut, seed, 1e9) for cut in cuts for seed in range(seeds))
    return BatchStarted("coarse", due, max_epochs)


def started(max_epochs: int | None = 10, done: int = 0, *, cut: str = "stem", seed: int = 0) -> TrialStarted:
    return TrialStarted(cut, seed, max_epochs, done)


def row(number: int, seconds: float = 40.0, **val: float) -> Epoch:
    return Epoch(number, "all", 1e-4, 0.5, 0.25, val, images_per_second=16.0, seconds=seconds)


def epoch(number: int, seconds: float = 40.0, auprc: float = nan, *, cut: str = "stem", seed: int = 0) -> EpochDone:
    return EpochDone(row(number, seconds, auprc=auprc), cut, seed)


def segmented_epoch(number: int, dice: float) -> EpochDone:
    return EpochDone(row(number, dice=dice, jaccard=0.25), "stem", 0)


def finished(seed: int = 0, *, cut: str = "stem", auprc: float = 0.5, reused: bool = False) -> TrialDone:
    val = {"auprc": auprc, "auroc": 0.5, "accuracy": 0.5, "f1": 0.5}
    return TrialDone(_trial(cut, seed, val, seconds=120.0), reused)


def paused(cut: str, *values: float, seed: int = 0) -> TrialPaused:
    curve = tuple(row(number, auprc=value) for number, value in enumerate(values, 1))
    return TrialPaused(_trial(cut, seed, {}, curve))


def segmented(dice: float = 0.75, **more: str) -> TrialDone:
    """A finished fine-tune of a U-Net, whose primary metric is not its first."""
    val = {"hd95": 4.312, "dice": dice, "jaccard_pooled": 0.5}
    return TrialDone(_trial("stem", 0, val, seconds=120.0, **SEGMENTED | more), reused=False)


def segmented_paused(*values: float) -> TrialPaused:
    curve = tuple(row(number, dice=value, jaccard=0.25) for number, value in enumerate(values, 1))
    return TrialPaused(_trial("stem", 0, {}, curve, **SEGMENTED))


def _trial(
    cut: str, seed: int, val: dict[str, float], curve: tuple[Epoch, ...] = (), *, seconds: float = 80.0, **more: str
) -> TrialRecord:
    """Finished after three epochs, or paused after those of its curve."""
    return TrialRecord(
        id=f"{cut}-{seed}",
        status="paused" if curve else "finished",
        cut=cut,
        index=1,
        params=9536,
        macs=118_000_000,
        seed=seed,
        epochs=len(curve) or 3,
        best_epoch=1,
        seconds=seconds,
        curve=curve,
        val={name: Estimate(value) for name, value in val.items()},
        **more,
    )
