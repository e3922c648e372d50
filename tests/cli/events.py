"""Events of a run, made up, and a clock that stands still."""

from __future__ import annotations

from typing import Any

import pytest

from ttl.cli import console, progress
from ttl.run import BatchStarted, Due, EpochDone, TrialDone, TrialPaused, TrialStarted


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


def epoch(
    number: int, seconds: float = 40.0, auprc: float | None = None, *, cut: str = "stem", seed: int = 0
) -> EpochDone:
    return EpochDone({**curve_row(number, seconds), "val_auprc": auprc}, cut, seed)


def segmented_epoch(number: int, dice: float | None) -> EpochDone:
    return EpochDone({**curve_row(number), "val_dice": dice, "val_jaccard": 0.25}, "stem", 0)


def curve_row(number: int, seconds: float = 40.0) -> dict[str, Any]:
    return {"epoch": number, "train_loss": 0.5, "val_loss": 0.25, "images_per_second": 16.0, "seconds": seconds}


def finished(seed: int = 0, *, cut: str = "stem", auprc: float | None = 0.5, reused: bool = False) -> TrialDone:
    record: dict[str, Any] = {"cut": cut, "seed": seed, "epochs": 3, "seconds": 120.0}
    record["val"] = {"auprc": {"value": auprc}, **{name: {"value": 0.5} for name in ("auroc", "accuracy", "f1")}}
    return TrialDone(record, reused=reused)


def paused(cut: str, epochs: int, *values: float | None, seed: int = 0) -> TrialPaused:
    curve = [{"val_auprc": value} for value in values]
    return TrialPaused({"cut": cut, "seed": seed, "epochs": epochs, "seconds": 80.0, "curve": curve})


def segmented(dice: float | None = 0.75, **more: Any) -> TrialDone:
    """A finished fine-tune of a U-Net, whose primary metric is not its first."""
    record: dict[str, Any] = {"cut": "stem", "seed": 0, "epochs": 3, "seconds": 120.0, "score": "dice", **more}
    record["val"] = {"hd95": {"value": 4.312}, "dice": {"value": dice}, "jaccard_pooled": {"value": 0.5}}
    return TrialDone(record, reused=False)


def segmented_paused(*values: float | None) -> TrialPaused:
    curve = [{"val_dice": value, "val_jaccard": 0.25} for value in values]
    record: dict[str, Any] = {"cut": "stem", "seed": 0, "epochs": len(values), "seconds": 80.0, "score": "dice"}
    return TrialPaused({**record, "curve": curve})
