"""What a checkpoint holds is checked against its type before a fine-tune goes on from it."""

from __future__ import annotations

from dataclasses import replace
from math import nan
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from ttl.finetune import Adam, Epoch, Plateau
from ttl.finetune.resume import Best, Checkpoint, Stage, State, epochs_done, is_whole


def state(**changes: Any) -> State:
    model = nn.Linear(2, 2)
    optimizer = Adam(1e-3).make(model.parameters())
    model(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    epoch = Epoch(
        1, "all", 1e-3, 0.5, 0.25, {"auprc": nan}, {"auprc": (0.5, nan)}, images_per_second=100.0, seconds=1.5
    )
    made = State(
        model=model.state_dict(),
        best=Best(0.5, 1, None),
        stage=Stage(0, 1, 0.5, 0),
        curve=(epoch,),
        notes=("a note",),
        optimizer=optimizer.state_dict(),
        schedule=dict(Plateau().make(optimizer, 1.0).state_dict()),
        scaler=None,
        generator=torch.Generator().get_state(),
        rng=torch.get_rng_state(),
        cuda_rng=None,
    )
    return replace(made, **changes)


def kept(made: State, path: Path) -> Any:
    torch.save(made.plain(), path)
    return torch.load(path, weights_only=True)


@pytest.mark.parametrize("best", [Best(0.5, 1, None), Best(), Best(float("-inf"), 0, {"weight": torch.ones(2)})])
def test_a_state_comes_back_from_the_disk_as_it_was(best: Best, tmp_path: Path) -> None:
    made = state(best=best)
    back = State.of(kept(made, tmp_path / "state"))
    assert back is not None
    # NaN is no equal of itself, and tensors have no one truth: by what they print.
    assert repr(back.curve) == repr(made.curve)
    assert (back.stage, back.notes, back.best.score, back.best.epoch) == (
        made.stage,
        made.notes,
        best.score,
        best.epoch,
    )
    assert str(back.best.weights) == str(best.weights)
    for name, value in made.model.items():
        assert torch.equal(back.model[name], value)
    for moment in ("exp_avg", "exp_avg_sq", "step"):
        assert torch.equal(back.optimizer["state"][0][moment], made.optimizer["state"][0][moment])
    assert back.optimizer["param_groups"] == made.optimizer["param_groups"]
    assert back.schedule == made.schedule
    assert torch.equal(back.rng, made.rng)


WRONG = [
    {"model": {"weight": 3}},
    {"stage": {"number": "first"}},
    {"curve": [{"epoch": 1}]},
    {"best": None},
    {"notes": [3]},
    {"optimizer": None},
    {"rng": "random"},
]


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: next(iter(wrong)))
def test_what_is_none_is_not_taken_for_one(wrong: dict[str, Any]) -> None:
    assert State.of({**state().plain(), **wrong}) is None
    assert State.of({name: value for name, value in state().plain().items() if name not in wrong}) is None


def test_no_state_is_none() -> None:
    assert State.of(None) is None


def test_a_stage_counts_its_epochs_since_the_best() -> None:
    stage, seen = Stage(2), []
    for score in (0.5, 0.4, 0.5, 0.6):
        stage = stage.after(score)
        seen.append((stage.done, stage.best, stage.since_best))
    assert seen == [(1, 0.5, 0), (2, 0.5, 1), (3, 0.5, 2), (4, 0.6, 0)]
    assert stage.number == 2


@pytest.mark.parametrize("wrong", [{"notes": [3]}, {"stage": None}, {"schedule": []}])
def test_a_fine_tune_begins_anew_where_its_state_is_of_another_type(wrong: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "state"
    checkpoint = Checkpoint(path, {"recipe": "full"})
    checkpoint.save(state())
    assert (checkpoint.load() is not None, epochs_done(path)) == (True, 1)
    content = torch.load(path, weights_only=True)
    torch.save({**content, "state": {**content["state"], **wrong}}, path)
    assert (checkpoint.load(), epochs_done(path), is_whole(path)) == (None, 0, False)
    torch.save({**content, "format": 1}, path)
    assert (checkpoint.load(), epochs_done(path), is_whole(path)) == (None, 0, False)
