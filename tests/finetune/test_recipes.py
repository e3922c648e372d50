from __future__ import annotations

from dataclasses import FrozenInstanceError
from pathlib import Path

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


# name -> for each phase: what trains, batch norms, rate, epochs at most; from Table 2, appendices B and D, and the
# authors' notebook.
KANAVATI = {
    "fc": [(("head",), "eval", 1e-3, 100)],
    "fc-then-full": [(("head",), "eval", 1e-3, 100), (("all",), "eval", 1e-5, 500)],
    "fc-then-bn": [(("head",), "eval", 1e-3, 1), (("head", "bn"), "eval", 1e-3, 500)],
    "fc-bn": [(("head", "bn"), "eval", 1e-3, 500)],
    "fc-then-bn-lr": [(("head",), "eval", 1e-3, 100), (("head", "bn"), "eval", 1e-5, 500)],
    "fc-bma": [(("head",), "train", 1e-3, 500)],
    "fc-bn-rnd": [(("head", "bn"), "eval", 1e-3, 500)],
    "fc-bn-rnd-bma": [(("head", "bn"), "train", 1e-3, 500)],
    "fc-then-full-train-bn": [(("head",), "eval", 1e-3, 100), (("all",), "train", 1e-5, 500)],
    "fc-then-bn-train-bn": [(("head",), "eval", 1e-3, 1), (("head", "bn"), "train", 1e-3, 500)],
}


@pytest.mark.parametrize("name", KANAVATI)
def test_kanavati_and_tsunekis_strategies_are_theirs(name: str) -> None:
    row = recipe(name)
    assert [(p.train, p.bn, p.lr, p.epochs) for p in row.phases] == KANAVATI[name]
    assert (row.monitor, row.dropout, row.augment) == ("loss", 0.5, "partial-transfusion")
    assert row.random_start is ("rnd" in name)
    for phase in row.phases:
        assert (phase.factor, phase.patience, phase.stop_after, phase.min_delta) == (0.2, 0, 6, 1e-4)
        assert phase.bn_momentum == (0.05 if name == "fc-bma" else 0.01)


def test_bn_is_short_for_fc_then_bn() -> None:
    assert recipe("bn") is recipe("fc-then-bn")


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
    assert row.monitor in (*METRICS, "dice", "loss")
    # Phases are told apart by name in `Fit.trainable`, and only the last may go on until its stop rule.
    assert len({phase.name for phase in row.phases}) == len(row.phases)
    assert all(phase.epochs for phase in row.phases[:-1])
    assert all(0 < phase.factor < 1 and phase.min_lr < phase.lr for phase in row.phases)
    assert row.words().count("; then ") == len(row.phases) - 1


def test_an_unknown_recipe_is_answered_with_the_nearest() -> None:
    with pytest.raises(
        UsageError, match=r"^There is no recipe 'fulll': did you mean full\? There are full, unet, fc, "
    ):
        recipe("fulll")


def test_what_trains_is_said_in_words() -> None:
    assert recipe("fc-then-bn").words() == (
        "the head at 0.001; batch norms stand still; one epoch; then the head and scale and shift of batch norms at "
        "0.001; batch norms stand still; until 6 epochs bring nothing better, at most 500"
    )
    assert recipe("full").words() == (
        "everything at 0.0001; batch norms in training mode; until the learning rate is below 1e-07"
    )


OWN = """
summary = "the head, then all, slowly"
batch_size = 16
monitor = "auroc"

[[phases]]
train = "head"
lr = 1e-3
epochs = 2

[[phases]]
train = ["all"]
bn = "eval"
lr = 1e-5
stop_after = 3
"""


def test_a_recipe_can_be_written_in_toml(tmp_path: Path) -> None:
    path = tmp_path / "slow.toml"
    path.write_text(OWN)
    row = recipe(str(path))
    assert (row.name, row.batch_size, row.monitor) == ("slow", 16, "auroc")
    assert row.phases == (
        Phase(train=("head",), bn="train", lr=1e-3, epochs=2),
        Phase(train=("all",), bn="eval", lr=1e-5, stop_after=3),
    )
    assert row.definition()["phases"][1]["stop_after"] == 3


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("phases = 3", "has no phases"),
        ("[[phases]]\nlr = 1e-3", "phase 1 lacks train"),
        ('[[phases]]\ntrain = "heads"\nlr = 1e-3', "phase 1 trains .*heads.*: choose of head, bn, all, above"),
        ('[[phases]]\ntrain = "head"\nlr = -1', "lr is -1: it should be at least 1e-12"),
        ('[[phases]]\ntrain = "head"\nlr = 1\nepoch = 2', "'epoch' is no field of a phase; did you mean epochs"),
        ('[[phases]]\ntrain = "head"\nlr = 1\nbn = "off"', "bn is 'off', and should be 'train' or 'eval'"),
        ('monitor = "f2"\n[[phases]]\ntrain = "head"\nlr = 1', "monitor is 'f2', and should be 'auprc', "),
        ("= 3", "can't be read"),
        ('augment = "mixup"\n[[phases]]\ntrain = "head"\nlr = 1', "no augmentation 'mixup': choose one of none"),
        ('batch_size = 0\n[[phases]]\ntrain = "head"\nlr = 1', "batch_size is 0: it should be at least 1"),
        ('[[phases]]\ntrain = "head"\nlr = 1\nepochs = "2"', "phase 1: epochs is '2', and should be a whole number"),
        ('[[phases]]\ntrain = "head"\nlr = 1\nfactor = 1.5', "factor is 1.5: it should be from 0 to below 1"),
    ],
)
def test_a_file_that_is_no_recipe_is_refused(tmp_path: Path, text: str, sentence: str) -> None:
    path = tmp_path / "own.toml"
    path.write_text(text)
    with pytest.raises(UsageError, match=sentence):
        recipe(str(path))


def test_a_recipe_cannot_be_changed_by_accident() -> None:
    with pytest.raises(FrozenInstanceError):
        recipe("full").batch_size = 1  # type: ignore[misc]
