"""Adapters through real fine-tunes: what they change while it trains, and that nothing of them is left."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import segmentation_models_pytorch as smp
import torch
from torch import nn

from toy_adapters import NAMES, Gain, GainNorm
from toy_images import images
from toy_networks import TinyResNet, network
from ttl.cut.joint_network import with_heads
from ttl.cut.points import truncation_points
from ttl.cut.truncation import truncate
from ttl.data import KINDS
from ttl.data.modality.normalise import Normalise
from ttl.errors import TrainingError, UsageError
from ttl.finetune import Epoch, Fit, Recipe, Settings, epochs_done, fit, recipe
from ttl.finetune.adapters import ADAPTERS, adapter_kind
from ttl.finetune.adapters.adapter import dress
from ttl.finetune.trainable import batch_norms, select, train_mode

SETTINGS = Settings(kind=KINDS["binary"], mean=(0.5,) * 3, std=(0.25,) * 3, seed=3, epochs=4, batch_size=4, lr=0.01)


@pytest.fixture(autouse=True)
def toys(monkeypatch: pytest.MonkeyPatch) -> None:
    """The toys are in the registry, and every epoch is saved, which here takes longer than the epoch."""
    for kind, place in NAMES.items():
        monkeypatch.setitem(ADAPTERS, kind.lower(), place)
    monkeypatch.setattr("ttl.finetune.resume.LARGEST_SHARE", float("inf"))


@pytest.fixture(scope="module")
def backbone() -> TinyResNet:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return TinyResNet()


@pytest.fixture
def model(backbone: TinyResNet) -> nn.Module:
    return truncate(backbone, truncation_points(backbone, image_size=16)["stage2.0"], num_classes=2, dropout=0.3)


def wearing(adapter: str = "gain", how: str = "full", **options: Any) -> Recipe:
    return replace(recipe(how), adapter=adapter, adapter_options=options)


def train(model: nn.Module, how: Recipe, settings: Settings = SETTINGS, **watched: Any) -> Fit:
    return fit(model, images(12), images(8, seed=1), how, settings, **watched)


def probabilities(model: nn.Module) -> np.ndarray:
    return SETTINGS.kind.predict(model, images(8, seed=1), Normalise(SETTINGS.mean, SETTINGS.std, "cpu"))


def timeless(result: Fit) -> list[Epoch]:
    return [replace(epoch, seconds=0.0, images_per_second=0.0) for epoch in result.curve]


def same(a: nn.Module, b: nn.Module) -> bool:
    other = b.state_dict()
    return all(torch.equal(value, other[name]) for name, value in a.state_dict().items())


def test_what_was_learned_stays_and_the_adapter_goes(model: nn.Module) -> None:
    plain = copy.deepcopy(model)
    gains: list[torch.Tensor] = []
    worn = [module for module in batch_norms(model) if type(module) is nn.BatchNorm2d]

    def look(_: Epoch) -> None:
        dressed = [module for module in model.modules() if isinstance(module, GainNorm)]
        assert len(dressed) == len(worn) == 4
        gains.append(torch.cat([module.gain for module in dressed]).detach().clone())

    result = train(model, wearing(), on_epoch=look)
    assert [type(module) for module in model.modules()][1:] == [type(module) for module in plain.modules()][1:]
    assert {name: value.shape for name, value in model.state_dict().items()} == {
        name: value.shape for name, value in plain.state_dict().items()
    }
    assert not any(module.training for module in model.modules())
    assert (gains[result.best_epoch - 1] != 1).all()
    # What was validated dressed is what is left undressed.
    best = result.curve[result.best_epoch - 1]
    labels = images(8, seed=1).labels
    assert best.val_loss == pytest.approx(-np.log(probabilities(model)[np.arange(8), labels]).mean(), rel=1e-5)
    train(plain, recipe("full"))
    assert not same(model, plain)


@pytest.mark.parametrize("how", ["full", "fc-then-bn"])
def test_stopped_and_continued_it_ends_with_the_same_bits(model: nn.Module, how: str, tmp_path: Path) -> None:
    worn, whole = wearing(how=how, noise=0.5), copy.deepcopy(model)
    undisturbed = train(whole, worn)
    for stop in (1, 2, 3):
        stopped, paused, continued = (copy.deepcopy(model) for _ in range(3))
        kept = tmp_path / f"state {stop}"

        def stop_there(epoch: Epoch, stop: int = stop) -> None:
            if epoch.epoch == stop:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            train(stopped, worn, on_epoch=stop_there, checkpoint=kept)
        assert epochs_done(kept) == stop
        result = train(paused, worn, checkpoint=kept, pause_after=stop)
        assert (result.epochs, result.finished) == (stop, False)
        assert paused.state_dict().keys() == model.state_dict().keys()
        assert timeless(train(continued, worn, checkpoint=kept)) == timeless(undisturbed)
        assert same(continued, whole)


def test_the_state_of_other_options_counts_as_none(model: nn.Module, tmp_path: Path) -> None:
    other, kept = copy.deepcopy(model), tmp_path / "state"
    train(copy.deepcopy(model), wearing(noise=0.5), checkpoint=kept, pause_after=2)
    alone = train(model, wearing(noise=0.25))
    assert timeless(train(other, wearing(noise=0.25), checkpoint=kept)) == timeless(alone)


def test_one_that_does_not_fold_is_refused(model: nn.Module) -> None:
    sentence = r"^The adapter forgets can't be folded away: without it the network's outputs differ by [0-9.e-]+, and "
    with pytest.raises(TrainingError, match=sentence):
        train(model, wearing("forgets"))


def test_one_that_never_learned_folds_whatever_it_does(model: nn.Module) -> None:
    """So the refusal above comes from what the outputs are, not from which adapter it is."""
    train(model, wearing("forgets", "fc"))


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("leaves", r"^The adapter leaves has left something behind in stage1\.0\.bn1: use a recipe without it"),
        ("renames", r"^The adapter renames doesn't keep stem\.1\.weight under its name and in its shape"),
        ("reshapes", r"^The adapter reshapes doesn't keep stem\.1\.weight under its name and in its shape"),
    ],
)
def test_one_that_breaks_a_rule_is_refused(model: nn.Module, name: str, sentence: str) -> None:
    with pytest.raises(TrainingError, match=sentence):
        train(model, wearing(name))


def test_a_network_that_does_not_suit_is_refused_in_the_adapters_words() -> None:
    plain = nn.Sequential()
    plain.add_module("pool", nn.AdaptiveAvgPool2d(1))
    plain.add_module("flat", nn.Flatten())
    plain.add_module("ttl_head", nn.Linear(3, 2))
    with pytest.raises(UsageError, match=r"^The adapter gain needs batch norms, and this network has none"):
        train(plain, wearing())


def test_what_was_left_alone_is_in_the_notes(model: nn.Module) -> None:
    model.set_submodule("stem.1", nn.BatchNorm2d(8, affine=False))
    assert train(model, wearing()).notes == ("gain left 1 norms as they were, stem.1 first",)


def test_phases_reach_what_an_adapter_adds(model: nn.Module) -> None:
    head, norms = 8 * 2 + 2, 4 * 8 * 2
    assert train(copy.deepcopy(model), wearing(how="fc-then-bn")).trainable == {
        "head": head,
        "head+bn": head + norms + 4 * 8,
    }
    below = frozenset(name for name in model.state_dict() if name.startswith("stem"))
    before = copy.deepcopy(model.state_dict())
    seen: list[torch.Tensor] = []
    result = train(
        model,
        wearing(how="lwft"),
        replace(SETTINGS, frozen=below),
        on_epoch=lambda _: seen.append(model.get_parameter("stem.1.gain").detach().clone()),
    )
    assert (torch.stack(seen) == 1).all()
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items() if name in below)
    every = sum(parameter.numel() for parameter in model.parameters())
    assert result.trainable == {"above": every - (3 * 8 * 9 + 8) - 16 + 3 * 8}


@pytest.mark.parametrize("moves", [True, False])
def test_dressed_norms_stand_still_where_the_phase_says_so(model: nn.Module, moves: bool) -> None:
    (phase,) = recipe("full" if moves else "fc").phases
    dress(Gain(), model, [phase])
    select(model, phase)
    train_mode(model, phase)
    assert {norm.training for norm in batch_norms(model)} == {moves}


def test_a_start_that_is_kept_comes_back_bit_for_bit(model: nn.Module, monkeypatch: pytest.MonkeyPatch) -> None:
    scores = iter([0.9, 0.1, 0.1])
    monkeypatch.setattr("ttl.finetune.loop.metrics", lambda *_: {"auprc": next(scores), "auroc": 0.5, "accuracy": 0.5})
    before = copy.deepcopy(model)
    result = train(model, wearing(), replace(SETTINGS, keeps_start=True, epochs=2))
    assert result.best_epoch == 0
    assert same(model, before)


def moved(model: nn.Module) -> Iterator[nn.Module]:
    """The dressed modules, once they have learned something."""
    generator = torch.Generator().manual_seed(0)
    for module in model.modules():
        if isinstance(module, GainNorm):
            nn.init.uniform_(module.gain, -2, 2, generator=generator)
            yield module


def joint(backbone: nn.Module) -> nn.Module:
    return with_heads(backbone, list(truncation_points(backbone, image_size=16))[-3:], num_classes=2)


def unet() -> nn.Module:
    whole = smp.Unet("resnet18", encoder_weights=None)
    return truncate(whole, truncation_points(whole, image_size=64)[2], num_classes=1)


def shared(backbone: nn.Module) -> nn.Module:
    twice = copy.deepcopy(backbone)
    twice.stage1[1].bn1 = twice.stage1[0].bn1
    return twice


@pytest.mark.parametrize("name", ["joint", "unet", "shared", "mobilenetv3_small_050", "tv:mobilenet_v2"])
def test_every_kind_of_network_is_undressed(backbone: TinyResNet, name: str) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        made = {"joint": lambda: joint(backbone), "unet": unet, "shared": lambda: shared(backbone)}
        model = made[name]() if name in made else network(name, num_classes=2)
        inputs = torch.rand(3, 3, 64, 64)
    plain = {key: value.shape for key, value in model.state_dict().items()}
    dressing = dress(Gain(), model, recipe("full").phases)
    if name == "mobilenetv3_small_050":  # timm's batch norms with an activation are left alone
        assert not list(moved(model))
        assert dressing.notes == ("gain left 34 norms as they were, bn1 first",)
    else:
        assert len(list(moved(model))) >= 3
    with torch.no_grad():
        dressed = model.eval()(inputs)
        dressing.undress(inputs)
        assert torch.allclose(model(inputs), dressed, rtol=0, atol=1e-5 * float(dressed.abs().max()))
    assert {key: value.shape for key, value in model.state_dict().items()} == plain


def test_a_joint_network_is_fine_tuned_in_an_adapter(backbone: TinyResNet) -> None:
    heads = joint(backbone)
    names = heads.state_dict().keys()
    result = train(heads, wearing())
    assert heads.state_dict().keys() == names
    best = result.curve[result.best_epoch - 1]
    assert len(best.of_heads["auprc"]) == 3
    assert best.val["auprc"] == pytest.approx(np.mean(best.of_heads["auprc"]))


def test_without_an_adapter_of_that_name_there_is_a_sentence() -> None:
    with pytest.raises(UsageError, match=r"^There is no adapter 'lora': there are .*gain"):
        adapter_kind("lora")
