"""Every recipe, parameter by parameter and statistic by statistic: what changes in each of its phases, and what not.

The expectations are written from the papers (Kanavati & Tsuneki 2021, Table 2 and appendix D), not from the recipes.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace

import pytest
import torch
from torch import nn

from toy_images import images
from toy_networks import TinyResNet, network
from ttl.cut.points import truncation_points
from ttl.cut.truncation import truncate
from ttl.data import KINDS
from ttl.finetune import RECIPES, Adam, Epoch, Plateau, Settings, Stop, fit
from ttl.finetune.trainable import batch_norms

STILL, MOVING = False, True
OWN = None  # the network's own momentum


@dataclass(frozen=True)
class Expected:
    """A phase: which parameters change, whether statistics do, and by how much of a batch (torch's momentum)."""

    parameters: str
    statistics: bool
    momentum: float | None = OWN


EXPECTED: dict[str, tuple[Expected, ...]] = {
    "full": (Expected("all", MOVING),),
    "unet": (Expected("all", MOVING),),
    "fc": (Expected("head", STILL),),
    "fc-then-full": (Expected("head", STILL), Expected("all", STILL)),
    "fc-then-bn": (Expected("head", STILL), Expected("head and norms", STILL)),
    "fc-bn": (Expected("head and norms", STILL),),
    "fc-then-bn-lr": (Expected("head", STILL), Expected("head and norms", STILL)),
    "fc-bma": (Expected("head", MOVING, 0.05),),
    "fc-bn-rnd": (Expected("head and norms", STILL),),
    "fc-bn-rnd-bma": (Expected("head and norms", MOVING, 0.01),),
    "fc-then-full-train-bn": (Expected("head", STILL), Expected("all", MOVING, 0.01)),
    "fc-then-bn-train-bn": (Expected("head", STILL), Expected("head and norms", MOVING, 0.01)),
    "lwft": (Expected("above", MOVING),),
    "freeze-below": (Expected("above", STILL),),
}
BELOW = "stem"


def tiny() -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return TinyResNet()


def truncated(name: str) -> nn.Module:
    backbone = tiny() if name == "tiny" else network(name)
    points = truncation_points(backbone, image_size=16)
    return truncate(backbone, points[3], num_classes=2, dropout=0.5)


def test_every_recipe_is_expected_something_of() -> None:
    assert EXPECTED.keys() == RECIPES.keys()


@pytest.mark.parametrize(
    ("name", "backbone"),
    [
        *((name, "tiny") for name in EXPECTED),
        # What one with norms of another class needs: each way to train, norms that stand still and that move.
        *(
            (name, "mobilenetv3_small_050")
            for name in ("fc-then-full-train-bn", "fc-then-bn", "fc-bma", "freeze-below")
        ),
    ],
)
def test_each_phase_changes_what_its_paper_says_and_nothing_else(name: str, backbone: str) -> None:
    recipe, expected = RECIPES[name], EXPECTED[name]
    model = truncated(backbone)
    lowest = next(iter(model.named_children()))[0] if backbone != "tiny" else BELOW
    freezes = expected[0].parameters == "above"
    frozen = frozenset(key for key in model.state_dict() if freezes and key.split(".")[0] == lowest)
    one_epoch_each = replace(recipe, phases=tuple(replace(phase, stop=Stop(epochs=1)) for phase in recipe.phases))
    own = {norm.momentum for norm in batch_norms(model)}
    seen: list[tuple[str, bool, bool, float | None]] = []

    def watch(kind: str, module: nn.Module) -> None:
        momentum = getattr(module, "momentum", None)
        seen.append((kind, model.training, module.training, momentum))

    norms = [norm for key, norm in model.named_modules() if norm in batch_norms(model) and not key.startswith(lowest)]
    for norm in norms:
        norm.register_forward_hook(lambda module, inputs, output: watch("norm", module))
    dropout = next(module for module in model.get_submodule("ttl_head").modules() if isinstance(module, nn.Dropout))
    dropout.register_forward_hook(lambda module, inputs, output: watch("dropout", module))

    states = [copy.deepcopy(model.state_dict())]
    settings = Settings(
        kind=KINDS["binary"], mean=(0.5,) * 3, std=(0.25,) * 3, batch_size=4, lr=None, epochs=None, frozen=frozen
    )
    # A rate at which one epoch changes every weight, in float32 too.
    quick = replace(recipe, phases=tuple(replace(phase, optimizer=Adam(1e-2)) for phase in one_epoch_each.phases))
    per_phase: list[list[tuple[str, bool, bool, float | None]]] = []

    def epoch_ended(row: Epoch) -> None:
        states.append(copy.deepcopy(model.state_dict()))
        per_phase.append(seen.copy())
        seen.clear()

    result = fit(model, images(8), images(8, seed=1), quick, settings, on_epoch=epoch_ended)
    assert len(per_phase) == len(expected)
    parameters = {key for key, _ in model.named_parameters()}
    heads = {key for key in parameters if key.startswith("ttl_head")}
    norm_names = [key for key, module in model.named_modules() if module in batch_norms(model)]
    scales = {f"{key}.{part}" for key in norm_names for part in ("weight", "bias")}
    trained = {"all": parameters, "head": heads, "head and norms": heads | scales, "above": parameters - frozen}
    statistics = {key for key in model.state_dict() if key not in parameters}
    sizes = {key: value.numel() for key, value in model.state_dict().items()}
    assert list(result.trainable.values()) == [
        sum(sizes[key] for key in trained[phase.parameters]) for phase in expected
    ]
    assert statistics
    for phase, before, after, modes in zip(expected, states[:-1], states[1:], per_phase, strict=True):
        changed = {key for key in after if not torch.equal(after[key], before[key])}
        moved = statistics - frozen if phase.statistics else set()
        assert changed == trained[phase.parameters] | moved
        momentum = own if phase.momentum is OWN else {phase.momentum}
        while_training = {mode[2:] for mode in modes if mode[0] == "norm" and mode[1]}
        assert {training for training, _ in while_training} == {phase.statistics}
        if phase.statistics:
            assert {used for _, used in while_training} == momentum
        assert {mode[2] for mode in modes if mode[0] == "dropout" and mode[1]} == {True}
        assert {mode[2] for mode in modes if not mode[1]} == {False}  # validation


@pytest.mark.parametrize("name", EXPECTED)
def test_what_trains_is_counted_and_printed(name: str) -> None:
    words = {"all": "everything", "head": "the head", "head and norms": "scale and shift", "above": "above the freeze"}
    for phase, expected in zip(RECIPES[name].phases, EXPECTED[name], strict=True):
        assert words[expected.parameters] in phase.words()
        assert ("batch norms in training mode" in phase.words()) is expected.statistics
        assert ("batch norms stand still" in phase.words()) is not expected.statistics


@pytest.mark.parametrize("name", EXPECTED)
def test_the_published_protocol(name: str) -> None:
    recipe = RECIPES[name]
    if not recipe.source.startswith("Kanavati"):
        watched = "dice" if name == "unet" else "auprc"
        assert (recipe.dropout, recipe.monitor, recipe.augment) == (0.0, watched, "ttl")
        assert {phase.optimizer.lr for phase in recipe.phases} == {1e-3 if name == "unet" else 1e-4}
        return
    assert (recipe.dropout, recipe.monitor, recipe.augment) == (0.5, "loss", "partial-transfusion")
    for phase in recipe.phases:
        assert phase.schedule == Plateau(patience=0, factor=0.2, min_delta=1e-4, floor=1e-6)
        assert phase.stop.after == 6
    rates = [phase.optimizer.lr for phase in recipe.phases]
    assert rates[0] == 1e-3
    if len(rates) == 2:
        assert rates[1] == (1e-3 if name in ("fc-then-bn", "fc-then-bn-train-bn") else 1e-5)
    assert recipe.random_start is ("rnd" in name)
