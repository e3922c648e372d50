from __future__ import annotations

from dataclasses import FrozenInstanceError

import pytest

from ttl.data import AUGMENTATIONS
from ttl.errors import UsageError
from ttl.finetune import RECIPES, Phase, recipe
from ttl.stats import METRICS


def test_full_trains_everything_at_one_ten_thousandth() -> None:
    (phase,) = recipe("full").phases
    assert phase.train == ("all",)
    assert phase.bn == "train"
    assert phase.lr == 1e-4
    assert phase.epochs is None
    assert (phase.factor, phase.min_lr) == (0.5, 1e-7)
    assert recipe("full").monitor == "auprc"


def test_bn_trains_the_head_for_an_epoch_and_then_the_batch_norms_too() -> None:
    first, second = recipe("bn").phases
    assert first == Phase(train=("head",), bn="eval", lr=1e-3, epochs=1)
    assert second == Phase(train=("head", "bn"), bn="eval", lr=1e-3)


def test_a_phase_is_named_after_what_trains() -> None:
    assert [phase.name for phase in recipe("full").phases] == ["all"]
    assert [phase.name for phase in recipe("bn").phases] == ["head", "head+bn"]


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_can_be_followed(name: str) -> None:
    row = recipe(name)
    assert row.name == name
    assert row.summary
    assert row.source
    assert row.augment in AUGMENTATIONS
    assert row.monitor in METRICS
    # Phases are told apart by name in `Fit.trainable`, and only the last may go on until its stop rule.
    assert len({phase.name for phase in row.phases}) == len(row.phases)
    assert all(phase.epochs for phase in row.phases[:-1])
    assert all(0 < phase.factor < 1 and phase.min_lr < phase.lr for phase in row.phases)


def test_an_unknown_recipe_is_answered_with_those_there_are() -> None:
    with pytest.raises(UsageError, match=r"^There is no recipe 'fulll': choose one of full, bn$"):
        recipe("fulll")


def test_a_recipe_cannot_be_changed_by_accident() -> None:
    with pytest.raises(FrozenInstanceError):
        recipe("full").batch_size = 1  # type: ignore[misc]
