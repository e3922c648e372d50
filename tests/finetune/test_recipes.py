from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import FrozenInstanceError, replace
from pathlib import Path
from textwrap import dedent

import pytest

from ttl.data import AUGMENTATIONS
from ttl.errors import UsageError
from ttl.finetune import RECIPES, SGD, Adam, Phase, Plateau, Recipe, Steps, Stop, recipe
from ttl.finetune.adapters import ADAPTERS
from ttl.stats import METRICS


def test_full_trains_everything_at_one_ten_thousandth() -> None:
    (phase,) = recipe("full").phases
    assert phase.train == ("all",)
    assert phase.bn == "train"
    assert phase.optimizer == Adam(1e-4)
    assert phase.schedule == Plateau(factor=0.5, patience=5)
    assert phase.stop == Stop(epochs=None, below_lr=1e-7)
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
    assert [(p.train, p.bn, p.optimizer.lr, p.stop.epochs) for p in row.phases] == KANAVATI[name]
    assert (row.monitor, row.dropout, row.augment) == ("loss", 0.5, "partial-transfusion")
    assert row.random_start is ("rnd" in name)
    for phase in row.phases:
        assert phase.schedule == Plateau(factor=0.2, patience=0, min_delta=1e-4, floor=1e-6)
        assert phase.stop.after == 6
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
    assert all(phase.stop.epochs for phase in row.phases[:-1])
    assert all(phase.ends and phase.stop.below_lr < phase.optimizer.lr for phase in row.phases)
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
    steps = Phase(("all",), "train", SGD(0.1), Steps(at=(30, 60), warmup_epochs=5), Stop(epochs=90))
    assert Recipe("own", "", "", (steps,), adapter="gain").words() == (
        "with gain: everything at 0.1 (SGD, momentum 0.9), rising over the first 5 epochs, times 0.1 after epoch 30, "
        "60; batch norms in training mode; at most 90 epochs"
    )


@pytest.mark.parametrize(
    ("schedule", "stop", "ends"),
    [
        (Plateau(), Stop(), True),
        (Plateau(floor=1e-6), Stop(), False),
        (Plateau(floor=1e-6), Stop(after=3), True),
        (Plateau(floor=1e-6), Stop(epochs=3), True),
        (Steps(at=(30, 60, 90)), Stop(), False),
        (Steps(at=(1, 2, 3)), Stop(below_lr=2e-4), True),
        (Steps(at=()), Stop(epochs=10), True),
    ],
)
def test_a_phase_ends_by_itself_or_not(schedule: Plateau | Steps, stop: Stop, ends: bool) -> None:
    assert Phase(("all",), "train", Adam(0.1), schedule, stop).ends is ends


FULL_PHASE = {"train": ["all"], "bn": "train", "optimizer": {"name": "adam", "lr": 1e-4}}
FULL = {"name": "full", "phases": [FULL_PHASE]}
FC_THEN_BN = {
    "name": "fc-then-bn",
    "phases": [
        {
            "train": parts,
            "bn": "eval",
            "optimizer": {"name": "adam", "lr": 1e-3},
            "schedule": {"name": "plateau", "patience": 0, "factor": 0.2, "min_delta": 1e-4, "floor": 1e-6},
            "stop": {"epochs": epochs, "after": 6},
            "bn_momentum": 0.01,
        }
        for parts, epochs in ((["head"], 1), (["head", "bn"], 500))
    ],
    "augment": "partial-transfusion",
    "monitor": "loss",
    "dropout": 0.5,
}


@pytest.mark.parametrize(("name", "expected"), [("full", FULL), ("fc-then-bn", FC_THEN_BN)])
def test_what_defines_a_recipe_names_trials_and_stays(name: str, expected: dict[str, object]) -> None:
    """Where this fails, all trials of earlier versions would be run anew: that should be because results change."""
    assert recipe(name).definition() == expected


def test_recipes_differ_in_what_defines_them_and_not_in_their_words() -> None:
    texts = {json.dumps(row.definition()) for row in RECIPES.values()}
    assert len(texts) == len(RECIPES)
    assert replace(recipe("full"), summary="other", source="else").definition() == FULL


def test_a_newer_version_of_a_default_is_not_taken_for_the_old_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Plateau, "version", 2)
    newer = {**FULL_PHASE, "schedule": {"name": "plateau", "version": 2}}
    assert recipe("full").definition() == FULL | {"phases": [newer]}
    monkeypatch.setattr(Recipe, "version", 3)
    assert recipe("full").definition()["version"] == 3


def test_an_adapter_and_its_options_are_part_of_the_definition(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ADAPTERS, "gain", "toy_adapters:Gain")
    worn = replace(recipe("full"), adapter="gain")
    assert worn.definition() == FULL | {"adapter": {"name": "gain"}}
    assert replace(worn, adapter_options={"noise": 0.0}).definition() == worn.definition()
    assert replace(worn, adapter_options={"noise": 0.5}).definition()["adapter"] == {"name": "gain", "noise": 0.5}


def test_recipes_are_listed_and_read_without_torch() -> None:
    code = "import sys, ttl.finetune.recipes, ttl.finetune.recipe_file; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


SHORT = """
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
patience = 1
factor = 0.2
min_delta = 1e-3
lr_floor = 1e-6
stop_after = 3
min_lr = 1e-8
bn_momentum = 0.05
"""

LONG = """
summary = "the head, then all, slowly"
batch_size = 16
monitor = "auroc"

[[phases]]
train = "head"
epochs = 2
optimizer = { name = "adam", lr = 1e-3 }
schedule = "plateau"

[[phases]]
train = ["all"]
bn = "eval"
stop_after = 3
min_lr = 1e-8
bn_momentum = 0.05

[phases.optimizer]
name = "adam"
lr = 1e-5

[phases.schedule]
name = "plateau"
patience = 1
factor = 0.2
min_delta = 1e-3
floor = 1e-6
"""


def written(folder: Path, text: str, name: str = "own.toml") -> str:
    (folder / name).write_text(text)
    return str(folder / name)


@pytest.mark.parametrize("text", [SHORT, LONG], ids=["short", "long"])
def test_a_recipe_can_be_written_in_toml(tmp_path: Path, text: str) -> None:
    row = recipe(written(tmp_path, text, "slow.toml"))
    assert (row.name, row.batch_size, row.monitor) == ("slow", 16, "auroc")
    assert row.phases == (
        Phase(("head",), "train", Adam(1e-3), stop=Stop(epochs=2)),
        Phase(
            ("all",),
            "eval",
            Adam(1e-5),
            Plateau(patience=1, factor=0.2, min_delta=1e-3, floor=1e-6),
            Stop(after=3, below_lr=1e-8),
            bn_momentum=0.05,
        ),
    )
    assert row.definition()["phases"][1]["stop"] == {"after": 3, "below_lr": 1e-8}


def test_other_optimizers_and_schedules_are_tables(tmp_path: Path) -> None:
    text = """
    [[phases]]
    train = "all"
    epochs = 90
    optimizer = { name = "sgd", lr = 1, weight_decay = 1e-4 }
    schedule = { name = "steps", at = [30, 60], warmup_epochs = 5 }
    """
    (phase,) = recipe(written(tmp_path, text)).phases
    assert phase == Phase(
        ("all",), "train", SGD(1.0, weight_decay=1e-4), Steps(at=(30, 60), warmup_epochs=5), Stop(epochs=90)
    )
    assert isinstance(phase.optimizer.lr, float)  # 1 and 1.0 are one rate, and give a trial one name


@pytest.mark.parametrize("worn", ['"gain"', '{ name = "gain", noise = 0.5 }'])
def test_an_adapter_is_named_in_toml(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, worn: str) -> None:
    monkeypatch.setitem(ADAPTERS, "gain", "toy_adapters:Gain")
    row = recipe(written(tmp_path, f'adapter = {worn}\n[[phases]]\ntrain = "all"\nlr = 1e-4'))
    assert row.adapter == "gain"
    assert row.adapter_options == ({"noise": 0.5} if "noise" in worn else {})
    assert row.definition()["adapter"] == {"name": "gain", **row.adapter_options}


HEAD = '[[phases]]\ntrain = "head"\n'


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("phases = 3", "has no phases"),
        ("phases = [3]", r"own\.toml: phase 1 is no table$"),
        ("[[phases]]\nlr = 1e-3", r"own\.toml: phase 1 lacks train$"),
        (HEAD, r"own\.toml: phase 1 lacks lr$"),
        ('[[phases]]\ntrain = "heads"\nlr = 1e-3', "phase 1 trains .*heads.*: choose of head, bn, all, above"),
        ("[[phases]]\ntrain = [[1]]\nlr = 1e-3", r"phase 1 trains \[\[1\]\]: choose of head, bn, all, above"),
        (f"augment = 3\n{HEAD}lr = 1", r"own\.toml: augment is 3, and should be a string"),
        (f"{HEAD}lr = -1", r"own\.toml: phase 1: lr is -1: it should be at least 1e-12$"),
        (f"{HEAD}lr = inf", "phase 1: lr is inf: it should be a finite number"),
        (f"{HEAD}lr = nan", "phase 1: lr is nan: it should be a finite number"),
        (f"{HEAD}lr = 1\nepoch = 2", "phase 1: 'epoch' is no field of a phase; did you mean epochs"),
        (f'{HEAD}lr = 1\nbn = "off"', "bn is 'off', and should be 'train' or 'eval'"),
        (f'monitor = "f2"\n{HEAD}lr = 1', r"own\.toml: monitor is 'f2', and should be 'auprc', "),
        ("= 3", "can't be read"),
        (f'augment = "mixup"\n{HEAD}lr = 1', "no augmentation 'mixup': choose one of none"),
        (f"batch_size = 0\n{HEAD}lr = 1", r"own\.toml: batch_size is 0: it should be at least 1$"),
        (f"batch_size = 2024-01-01\n{HEAD}lr = 1", "batch_size is .*, and should be a whole number"),
        (f'{HEAD}lr = 1\nepochs = "2"', "phase 1: epochs is '2', and should be a whole number"),
        (f"{HEAD}lr = 1\nfactor = 1.5", "phase 1: factor is 1.5: it should be below 1"),
        (f"{HEAD}lr = 1\nlr_floor = -1", "phase 1: lr_floor is -1: it should be at least 0"),
        (f"{HEAD}lr = 1\nstop_after = 0", "phase 1: stop_after is 0: it should be at least 1"),
        (f'{HEAD}lr = 1\noptimizer = "adam"', "phase 1 has lr and optimizer, which says that, too: leave lr out"),
        (
            f'{HEAD}lr = 1\nfactor = 0.1\nschedule = "plateau"',
            "phase 1 has factor and schedule, which says that, too: leave factor out",
        ),
        (f'{HEAD}optimizer = "sgd"', "phase 1: optimizer lacks lr"),
        (f"{HEAD}optimizer = {{ lr = 1 }}", "phase 1: optimizer lacks name: choose of adam, sgd"),
        (f'{HEAD}optimizer = {{ name = "adamw" }}', "phase 1: optimizer is 'adamw': choose of adam, sgd"),
        (f"{HEAD}optimizer = 3", "phase 1: optimizer lacks name: choose of adam, sgd"),
        (
            f'{HEAD}optimizer = {{ name = "sgd", lr = 1, momentun = 0.9 }}',
            "phase 1: optimizer: 'momentun' is no field of sgd; did you mean momentum",
        ),
        (
            f'{HEAD}optimizer = {{ name = "adam", lr = 1, betas = [0.9, 1.0] }}',
            r"phase 1: optimizer: betas is \[0\.9, 1\.0\]: it should be below 1",
        ),
        (f'{HEAD}lr = 1\nschedule = "steps"', "phase 1: schedule lacks at"),
        (f'{HEAD}lr = 1\nschedule = {{ name = "steps", at = [0] }}', r"schedule: at is \[0\]: it should be at least 1"),
        (f'{HEAD}lr = 1\nschedule = "cosine"', "phase 1: schedule is 'cosine': choose of plateau, steps"),
        (f'adapter = "lora"\n{HEAD}lr = 1', r"own\.toml: adapter is 'lora': choose of gain"),
        (f'adapter = {{ name = "gain", nois = 1 }}\n{HEAD}lr = 1', "adapter: 'nois' is no field of gain; did you mean"),
        (f"adapter_options = {{ noise = 1 }}\n{HEAD}lr = 1", "'adapter_options' is no field of a recipe; did you mean"),
        (f"stop = 3\n{HEAD}lr = 1", "'stop' is no field of a recipe: there are adapter, augment, batch_size, "),
    ],
)
def test_a_file_that_is_no_recipe_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, sentence: str
) -> None:
    monkeypatch.setitem(ADAPTERS, "gain", "toy_adapters:Gain")
    with pytest.raises(UsageError, match=sentence):
        recipe(written(tmp_path, text))


def test_where_there_is_no_adapter_yet_the_sentence_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ttl.finetune.adapters.ADAPTERS", {})
    with pytest.raises(UsageError, match="adapter is 'gain': there are none yet"):
        recipe(written(tmp_path, f'adapter = "gain"\n{HEAD}lr = 1'))


def test_the_examples_of_the_documentation_are_recipes(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "recipes.md").read_text(encoding="utf-8")
    own = page[page.index("## Your own") : page.index("## Where it computes")]
    examples = [
        dedent(block) for block in re.findall(r"(?:^(?: {4}.*)?\n)+", own, re.MULTILINE) if "[[phases]]" in block
    ]
    first, second = (recipe(written(tmp_path, text)) for text in examples)
    assert [phase.name for phase in first.phases] == ["head", "all"]
    assert (first.monitor, first.batch_size) == ("auroc", 32)
    (phase,) = second.phases
    assert (phase.optimizer.name, phase.schedule.name) == ("sgd", "steps")


def test_a_recipe_cannot_be_changed_by_accident() -> None:
    with pytest.raises(FrozenInstanceError):
        recipe("full").batch_size = 1  # type: ignore[misc]
