from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import replace
from itertools import count, repeat
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from toy_images import images
from toy_networks import TinyResNet
from ttl.cut.points import truncation_points
from ttl.cut.truncation import truncate
from ttl.data import KINDS
from ttl.data.decoded import Images
from ttl.data.kind.class_losses import ClassLoss
from ttl.data.modality.normalise import Normalise
from ttl.errors import TrainingError, UsageError
from ttl.finetune import (
    SGD,
    Adam,
    Epoch,
    Fit,
    Phase,
    Plateau,
    Recipe,
    Settings,
    Steps,
    Stop,
    fit,
    recipe,
)
from ttl.finetune.trainable import batch_norms

MEAN, STD = (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)
BINARY = KINDS["binary"]
State = dict[str, torch.Tensor]


@pytest.fixture(scope="module")
def backbone() -> TinyResNet:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return TinyResNet()


@pytest.fixture
def model(backbone: TinyResNet) -> nn.Module:
    point = truncation_points(backbone, image_size=16)["stage2.0"]
    return truncate(backbone, point, num_classes=2, dropout=0.3)


def train(model: nn.Module, how: Recipe | str = "full", **options: Any) -> Fit:
    settings = {"kind": BINARY, "mean": MEAN, "std": STD, "epochs": 2, "batch_size": 4} | options
    learned, held_out = settings.pop("train", images(8)), settings.pop("val", images(6, seed=1))
    watched = {name: settings.pop(name) for name in ("on_epoch", "on_images", "checkpoint") if name in settings}
    how = recipe(how) if isinstance(how, str) else how
    return fit(model, learned, held_out, how, Settings(**settings), **watched)


def settings_of(**options: Any) -> Settings:
    return Settings(kind=BINARY, mean=MEAN, std=STD, **options)


def state(model: nn.Module) -> State:
    return {name: value.detach().clone() for name, value in model.state_dict().items()}


def same(a: State, b: State) -> bool:
    return a.keys() == b.keys() and all(torch.equal(value, b[name]) for name, value in a.items())


def changed(before: State, model: nn.Module) -> set[str]:
    return {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}


def scored(monkeypatch: pytest.MonkeyPatch, scores: Iterable[float]) -> None:
    """Let validation AUPRC be one of `scores` after another, whatever the model predicts."""
    given = iter(scores)
    monkeypatch.setattr("ttl.finetune.loop.metrics", lambda *_: {"auprc": next(given), "auroc": 0.5, "accuracy": 0.5})


def rising() -> Iterable[float]:
    """So that the last epoch is the best, and what it changed is kept."""
    return count(0.1, 0.001)


def names_of_norms(model: nn.Module) -> set[str]:
    return {name for name, module in model.named_modules() if isinstance(module, _BatchNorm)}


def test_full_counts_every_step_in_the_batch_norms(model: nn.Module, monkeypatch: pytest.MonkeyPatch) -> None:
    scored(monkeypatch, rising())
    train(model, "full", epochs=3, train=images(8), batch_size=4)
    assert {int(model.get_submodule(name).num_batches_tracked) for name in names_of_norms(model)} == {6}


def test_bn_changes_the_head_alone_in_its_first_epoch(model: nn.Module) -> None:
    before = state(model)
    result = train(model, "bn", epochs=1)
    assert changed(before, model) == {"ttl_head.fc.weight", "ttl_head.fc.bias"}
    assert [row.phase for row in result.curve] == ["head"]


@pytest.mark.parametrize("name", ["full", "bn"])
def test_the_model_is_left_in_eval_mode(model: nn.Module, name: str) -> None:
    train(model.train(), name)
    assert not any(module.training for module in model.modules())


def test_the_rate_is_halved_on_a_plateau_until_it_is_too_low(model: nn.Module, monkeypatch: pytest.MonkeyPatch) -> None:
    scored(monkeypatch, repeat(0.5))
    lr = 2.0**-10
    phase = Phase(("head",), "eval", Adam(lr), Plateau(patience=1, factor=0.5), Stop(below_lr=lr / 4))
    result = train(model, replace(recipe("full"), phases=(phase,)), epochs=None)
    # The first epoch is the best; each rate then bears one epoch that isn't better, and falls after the next.
    assert [row.lr / lr for row in result.curve] == [1, 1, 1, 0.5, 0.5, 0.25, 0.25]
    assert result.epochs == 7
    assert result.best_epoch == 1


def test_a_better_epoch_puts_the_halving_off(model: nn.Module, monkeypatch: pytest.MonkeyPatch) -> None:
    scored(monkeypatch, [0.5, 0.5, 0.500001, 0.5, 0.5, 0.5])
    lr = 2.0**-10
    phase = Phase(("head",), "eval", Adam(lr), Plateau(patience=1))
    result = train(model, replace(recipe("full"), phases=(phase,)), epochs=6)
    assert [row.lr / lr for row in result.curve] == [1, 1, 1, 1, 1, 0.5]
    assert result.best_epoch == 3


@pytest.mark.parametrize(
    ("scores", "best"),
    [([0.1, 0.9, 0.5, 0.4], 2), ([0.1, 0.9, 0.5, 0.9], 2), ([0.7, 0.7, 0.7, 0.7], 1), ([0.1, 0.2, 0.3, 0.4], 4)],
)
def test_the_first_of_the_best_epochs_is_kept(
    model: nn.Module, monkeypatch: pytest.MonkeyPatch, scores: list[float], best: int
) -> None:
    scored(monkeypatch, scores)
    states: list[State] = []
    result = train(model, "full", epochs=4, on_epoch=lambda _: states.append(state(model)))
    assert result.best_epoch == best
    assert [same(state(model), seen) for seen in states] == [epoch == best for epoch in (1, 2, 3, 4)]


BY_AUPRC = replace(recipe("bn"), monitor="auprc")


def test_the_best_epoch_may_lie_in_an_earlier_phase(model: nn.Module, monkeypatch: pytest.MonkeyPatch) -> None:
    scored(monkeypatch, [0.9, 0.1, 0.2])
    before = state(model)
    result = train(model, BY_AUPRC, epochs=3)
    assert result.best_epoch == 1
    assert changed(before, model) == {"ttl_head.fc.weight", "ttl_head.fc.bias"}


def test_the_cap_counts_the_epochs_of_all_phases_together(model: nn.Module) -> None:
    phases = tuple(Phase((part,), "eval", Adam(1e-3), stop=Stop(epochs=2)) for part in ("head", "bn", "all"))
    long = replace(recipe("full"), phases=phases)
    capped = train(copy.deepcopy(model), long, epochs=3)
    assert [(row.epoch, row.phase) for row in capped.curve] == [(1, "head"), (2, "all"), (3, "all")]
    whole = train(model, long, epochs=None)
    assert [row.phase for row in whole.curve] == ["head", "head", "bn", "bn", "all", "all"]
    assert whole.epochs == 6


def test_half_of_the_cap_is_left_to_the_last_phase(model: nn.Module) -> None:
    capped = train(model, "fc-then-full", epochs=5)
    assert [row.phase for row in capped.curve] == ["head", "head", "all", "all", "all"]


def test_a_later_phase_begins_at_the_best_state_so_far(model: nn.Module, monkeypatch: pytest.MonkeyPatch) -> None:
    phases = tuple(Phase((part,), "eval", Adam(1e-3), stop=Stop(epochs=3)) for part in ("head", "bn"))
    scored(monkeypatch, [0.9, 0.5, 0.4, 0.1, 0.1, 0.1])
    states: list[State] = []
    train(model, replace(recipe("full"), phases=phases), epochs=None, on_epoch=lambda _: states.append(state(model)))
    head = "ttl_head.fc.weight"
    assert not torch.equal(states[2][head], states[0][head])
    assert torch.equal(states[3][head], states[0][head])  # the second phase leaves the head alone


def test_training_stops_after_so_many_epochs_without_a_better_one(
    model: nn.Module, monkeypatch: pytest.MonkeyPatch
) -> None:
    phase = Phase(("head",), "eval", Adam(1e-3), stop=Stop(after=2))
    scored(monkeypatch, [0.5, 0.6, 0.6, 0.6, 0.9, 0.9])
    result = train(model, replace(recipe("full"), phases=(phase,)), epochs=None)
    assert (result.epochs, result.best_epoch) == (4, 2)


def test_any_optimizer_and_schedule_can_be_asked_for(
    model: nn.Module, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scored(monkeypatch, rising())
    steps = Steps(at=(3, 4), factor=0.5, warmup_epochs=2)
    phase = Phase(("all",), "train", SGD(0.08, momentum=0.5), steps, Stop(epochs=5))
    how, kept = replace(recipe("full"), phases=(phase,)), tmp_path / "state"
    other, third = copy.deepcopy(model), copy.deepcopy(model)
    result = train(model, how, epochs=None, train=images(8), batch_size=2)
    # Of four steps an epoch the warm-up has eight: epochs begin with its first, its fifth, and with the whole rate.
    assert [row.lr for row in result.curve] == pytest.approx([0.01, 0.05, 0.08, 0.04, 0.02])
    fit(other, images(8), images(6, seed=1), how, settings_of(batch_size=2), checkpoint=kept, pause_after=3)
    again = fit(third, images(8), images(6, seed=1), how, settings_of(batch_size=2), checkpoint=kept)
    assert [row.lr for row in again.curve] == [row.lr for row in result.curve]
    assert result.best_epoch == again.best_epoch == 5
    assert same(state(third), state(model))


def test_sgd_makes_the_steps_that_a_bare_loop_makes(backbone: TinyResNet) -> None:
    point = truncation_points(backbone, image_size=16)["stage1.0"]
    ours = truncate(backbone, point, num_classes=2)
    bare, one = copy.deepcopy(ours), images(1)
    # Copies of one image: whatever the order, each of the two batches of an epoch is the same.
    data = Images(one.pixels.repeat(8, 1, 1, 1), np.zeros(8, dtype=np.int64))
    steps = Steps(at=(3,), warmup_epochs=2)
    phase = Phase(("all",), "eval", SGD(0.04, momentum=0.5, weight_decay=0.1), steps, Stop(epochs=4))
    how = replace(recipe("full"), phases=(phase,), augment="none", monitor="loss")
    assert fit(ours, data, data, how, settings_of(batch_size=4)).best_epoch == 4
    momentum = {name: torch.zeros_like(value) for name, value in bare.named_parameters()}
    inputs = (data.pixels / 255 - 0.5) / 0.25
    for lr in (0.01, 0.02, 0.03, 0.04, 0.04, 0.04, 0.004, 0.004):
        bare.eval().zero_grad()
        nn.functional.cross_entropy(bare(inputs), torch.from_numpy(data.labels)).backward()
        with torch.no_grad():
            for name, value in bare.named_parameters():
                momentum[name] = 0.5 * momentum[name] + value.grad + 0.1 * value
                value -= lr * momentum[name]
    for name, value in bare.named_parameters():
        torch.testing.assert_close(ours.get_parameter(name), value, rtol=1e-4, atol=1e-6, msg=name)


def test_a_phase_without_an_end_needs_a_cap(model: nn.Module) -> None:
    phase = Phase(("head",), "eval", SGD(0.1), Steps(at=(1,)))
    how = replace(recipe("full"), phases=(phase,))
    with pytest.raises(UsageError, match=r"^Phase head of full has no end: give it epochs or stop_after, or --epochs$"):
        train(model, how, epochs=None)
    assert train(model, how, epochs=2).epochs == 2


def test_the_loss_may_decide_and_the_rate_has_a_floor(model: nn.Module) -> None:
    result = train(model, replace(recipe("fc"), batch_size=4), epochs=12)
    losses = [row.val_loss for row in result.curve]
    assert result.best_epoch == losses.index(min(losses)) + 1
    assert all(row.lr >= 1e-6 for row in result.curve)


def test_a_phases_momentum_is_gone_after_it(model: nn.Module) -> None:
    own = [norm.momentum for norm in batch_norms(model)]
    seen: list[float | None] = []
    train(model, "fc-bma", epochs=1, on_epoch=lambda _: seen.append(batch_norms(model)[0].momentum))
    assert seen == [0.05]
    assert [norm.momentum for norm in batch_norms(model)] == own


@pytest.mark.parametrize(("name", "moves"), [("lwft", True), ("freeze-below", False)])
def test_what_lies_below_the_freeze_point_stays(model: nn.Module, name: str, moves: bool) -> None:
    before = state(model)
    frozen = {key for key in before if key.startswith("stem")}
    train(model, name, epochs=2, frozen=frozenset(frozen))
    touched = changed(before, model)
    assert not touched & frozen
    assert {key for key in before if key.endswith("weight")} - frozen <= touched
    assert any("running" in key for key in touched) is moves


def test_a_sampler_shows_rare_classes_as_often(model: nn.Module, monkeypatch: pytest.MonkeyPatch) -> None:
    uneven = images(60, seed=3)
    labels = np.array([1] * 6 + [0] * 54)
    drawn: list[int] = []
    real = ClassLoss.loss

    def seen(self: ClassLoss, logits: torch.Tensor, part: torch.Tensor, batch: torch.Tensor) -> torch.Tensor:
        drawn.extend(part.tolist())
        return real(self, logits, part, batch)

    monkeypatch.setattr(ClassLoss, "loss", seen)
    train(model, train=replace(uneven, labels=labels), epochs=4, balance="sampler")
    assert len(drawn) == 240
    assert 80 < sum(drawn) < 160


def test_a_weighted_loss_lets_rare_classes_count_more(model: nn.Module) -> None:
    uneven = replace(images(60, seed=3), labels=np.array([1] * 6 + [0] * 54))
    plain = train(copy.deepcopy(model), "fc", train=uneven, epochs=3)
    weighted = train(model, "fc", train=uneven, epochs=3, balance="loss")
    assert plain.curve[0].train_loss != weighted.curve[0].train_loss


def test_several_labels_an_image_are_learned_with_gaps(backbone: TinyResNet) -> None:
    some = images(24, seed=5)
    labels = np.stack([some.labels, 1 - some.labels, np.full(24, -1)], axis=1)
    model = truncate(backbone, truncation_points(backbone, image_size=16)["stage1.0"], num_classes=3)
    many = replace(some, labels=labels)
    result = train(
        model, replace(recipe("fc"), monitor="loss"), train=many, val=many, kind=KINDS["multilabel"], epochs=3
    )
    assert result.curve[-1].train_loss < result.curve[0].train_loss


def test_every_epoch_is_reported_as_it_ends(model: nn.Module) -> None:
    epochs: list[Epoch] = []
    result = train(model, on_epoch=epochs.append)
    assert tuple(epochs) == result.curve
    assert [epoch.epoch for epoch in epochs] == [1, 2]
    for epoch in epochs:
        assert epoch.val.keys() == {"auprc", "auroc", "accuracy"}
        assert epoch.of_heads == {}
        assert np.isfinite([epoch.train_loss, epoch.val_loss, *epoch.val.values()]).all()
        assert 0 < 8 / epoch.images_per_second < epoch.seconds
    assert result.seconds == sum(epoch.seconds for epoch in epochs)
    assert result.notes == ()


def test_the_training_loss_is_the_mean_over_images(model: nn.Module) -> None:
    # A head of zeros is undecided between two classes: ln 2 an image, whatever the sizes of the batches.
    for parameter in model.get_submodule("ttl_head").parameters():
        nn.init.zeros_(parameter)
    result = train(model, train=images(10), batch_size=4, epochs=1, lr=1e-6)
    assert result.curve[0].train_loss == pytest.approx(np.log(2), abs=1e-3)


def test_validation_figures_are_those_of_the_kept_model(model: nn.Module) -> None:
    val = images(6, seed=1)
    result = train(model, val=val)
    probabilities = BINARY.predict(model, val, Normalise(MEAN, STD, "cpu"))
    row = result.curve[result.best_epoch - 1]
    assert row.val_loss == pytest.approx(-np.log(probabilities[np.arange(6), val.labels]).mean())
    assert row.val["accuracy"] == pytest.approx((probabilities.argmax(1) == val.labels).mean())


@pytest.mark.parametrize("name", ["full", "bn"])
def test_the_same_seed_gives_the_same_weights_bit_for_bit(model: nn.Module, name: str) -> None:
    first, second, other = model, copy.deepcopy(model), copy.deepcopy(model)
    one = train(first, name, seed=3)
    torch.rand(5)
    two = train(second, name, seed=3)
    train(other, name, seed=4)
    assert same(state(first), state(second))
    figures = [[replace(row, seconds=0.0, images_per_second=0.0) for row in result.curve] for result in (one, two)]
    assert figures[0] == figures[1]
    assert not same(state(first), state(other))


def test_the_callers_random_state_is_left_alone(model: nn.Module) -> None:
    before = torch.get_rng_state()
    train(model)
    assert torch.equal(torch.get_rng_state(), before)


def test_the_data_are_left_alone(model: nn.Module) -> None:
    data = images(8)
    pixels, labels = data.pixels.clone(), data.labels.copy()
    train(model, train=data)
    assert torch.equal(data.pixels, pixels)
    np.testing.assert_array_equal(data.labels, labels)


@pytest.mark.parametrize(
    ("n", "batch_size", "sizes"),
    [(9, 4, [4, 5]), (10, 4, [4, 4, 2]), (8, 4, [4, 4]), (5, 64, [5]), (3, 2, [3]), (1, 4, [1])],
)
def test_a_last_batch_of_one_image_joins_the_one_before(
    model: nn.Module, n: int, batch_size: int, sizes: list[int]
) -> None:
    seen = sizes_of_steps(model)
    train(model, train=images(n), batch_size=batch_size, epochs=1)
    assert seen == sizes


def sizes_of_steps(model: nn.Module) -> list[int]:
    """Fills while the model trains; what validation feeds it isn't counted."""
    seen: list[int] = []

    def note(module: nn.Module, inputs: tuple[torch.Tensor]) -> None:
        if module.training:
            seen.append(len(inputs[0]))

    model.register_forward_pre_hook(note)
    return seen


def test_the_recipes_batch_size_is_the_default(model: nn.Module) -> None:
    seen = sizes_of_steps(model)
    train(model, replace(recipe("full"), batch_size=3), train=images(6), batch_size=None, epochs=1)
    assert seen == [3, 3]


def test_each_epoch_shows_every_image_once_in_a_new_order(model: nn.Module) -> None:
    pixels = torch.arange(8, dtype=torch.uint8).view(-1, 1, 1, 1).expand(8, 3, 16, 16).contiguous() * 20
    data = Images(pixels, np.arange(8) % 2)
    order: list[int] = []

    def note(module: nn.Module, inputs: tuple[torch.Tensor]) -> None:
        if module.training:
            order.extend((inputs[0][:, 0, 0, 0] * 255 / 20).round().int().tolist())

    model.register_forward_pre_hook(note)
    train(model, replace(recipe("full"), augment="none"), train=data, mean=(0.0,) * 3, std=(1.0,) * 3)
    assert sorted(order[:8]) == sorted(order[8:]) == list(range(8))
    assert order[:8] != order[8:]


def test_lr_overrides_the_rate_of_the_last_phase_only(model: nn.Module) -> None:
    assert [row.lr for row in train(copy.deepcopy(model), "full").curve] == [1e-4, 1e-4]
    assert [row.lr for row in train(copy.deepcopy(model), "full", lr=0.02).curve] == [0.02, 0.02]
    assert [row.lr for row in train(model, "bn", lr=0.02).curve] == [1e-3, 0.02]


def test_weights_that_are_no_numbers_stop_the_training(model: nn.Module) -> None:
    nn.init.constant_(model.get_parameter("ttl_head.fc.weight"), float("nan"))
    sentence = (
        r"^The training loss is nan in epoch 1 \(full, learning rate 0\.0001\): "
        r"lower --lr, or look for images that are blank$"
    )
    with pytest.raises(TrainingError, match=sentence):
        train(model)


def test_a_rate_that_is_far_too_high_stops_the_training(model: nn.Module) -> None:
    with pytest.raises(
        TrainingError, match=r"training loss is (nan|inf) in epoch 1 \(full, learning rate 1e\+30\): lower --lr"
    ):
        train(model, lr=1e30)


def test_weights_broken_by_an_epochs_last_step_stop_the_training(model: nn.Module) -> None:
    with pytest.raises(
        TrainingError, match=r"validation loss is nan in epoch 1 \(full, learning rate 1e\+30\): lower --lr"
    ):
        train(model, lr=1e30, batch_size=8)


def test_a_device_that_is_not_there_is_named(model: nn.Module) -> None:
    with pytest.raises(
        TrainingError, match=r"^--device is cuda:99, and there is no CUDA device here: use --device cpu$"
    ):
        train(model, device="cuda:99")


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
    ],
)
def test_out_of_memory_says_what_to_lower(model: nn.Module, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def full(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("ttl.data.kind.classes.Classes.predict", full)
    with pytest.raises(
        TrainingError, match=r"too little memory on cpu for 4 images at a time: raise --accumulate, or lower"
    ):
        train(model)


def test_an_error_of_the_programmer_keeps_its_class(model: nn.Module, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ValueError("something else")

    monkeypatch.setattr("ttl.data.kind.classes.Classes.predict", broken)
    with pytest.raises(ValueError, match=r"^something else$"):
        train(model)


def test_batch_norms_over_single_values_are_named() -> None:
    lone = nn.Sequential()
    lone.add_module("pool", nn.AdaptiveAvgPool2d(1))
    lone.add_module("norm", nn.BatchNorm2d(3))
    lone.add_module("flat", nn.Flatten())
    lone.add_module("ttl_head", nn.Linear(3, 2))
    sentence = r"^--batch-size is 1, and batch norms can't train on one image .* --recipe bn$"
    with pytest.raises(UsageError, match=sentence):
        train(lone, batch_size=1)


def test_a_phase_that_the_cap_left_no_epoch_is_in_the_notes(model: nn.Module) -> None:
    assert train(model, "bn", epochs=1).notes == ("Phase head+bn never began: --epochs 1 was spent before it",)


def test_a_network_without_batch_norms_is_in_the_notes() -> None:
    plain = nn.Sequential()
    plain.add_module("pool", nn.AdaptiveAvgPool2d(1))
    plain.add_module("flat", nn.Flatten())
    plain.add_module("ttl_head", nn.Linear(3, 2))
    assert train(plain, "bn").notes == ("This network has no batch norms: phase head+bn trains the head alone",)


@pytest.mark.parametrize("kind", ["binary", "multiclass"])
def test_without_a_class_in_validation_the_loss_decides(model: nn.Module, kind: str) -> None:
    val = images(6, seed=1)
    one_class = Images(val.pixels, np.zeros(6, dtype=np.int64))
    result = train(model, "full", kind=KINDS[kind], val=one_class, epochs=4, lr=0.05)
    losses = [row.val_loss for row in result.curve]
    assert len(set(losses)) == 4
    assert result.best_epoch == 1 + int(np.argmin(losses))
    assert np.isnan([row.val["auprc"] for row in result.curve]).all()
    assert result.notes == ("Validation AUPRC is undefined (a class is absent): the validation loss decided",)


def test_an_undefined_score_still_halves_the_rate_when_the_loss_stagnates(
    model: nn.Module, monkeypatch: pytest.MonkeyPatch
) -> None:
    scored(monkeypatch, repeat(float("nan")))
    fixed = np.full((6, 2), 0.5)
    monkeypatch.setattr("ttl.data.kind.classes.Classes.predict", lambda *_, **__: fixed)
    lr = 2.0**-10
    phase = Phase(("head",), "eval", Adam(lr), Plateau(patience=1), Stop(below_lr=lr / 2))
    result = train(model, replace(recipe("full"), phases=(phase,)), epochs=None)
    assert [row.lr / lr for row in result.curve] == [1, 1, 1, 0.5, 0.5]
    assert result.best_epoch == 1


@pytest.mark.parametrize("channels", [1, 3])
def test_grey_and_colour_images_are_learned(model: nn.Module, channels: int) -> None:
    result = train(
        model, train=images(32, channels=channels), val=images(16, channels=channels, seed=1), epochs=8, lr=0.02
    )
    assert result.curve[-1].train_loss < 0.6 * result.curve[0].train_loss
    assert result.curve[result.best_epoch - 1].val["auprc"] == 1


def test_a_grey_image_trains_as_the_same_image_in_colour(model: nn.Module) -> None:
    grey, val = images(8, channels=1), images(6, channels=1, seed=1)
    colour, colour_val = (Images(split.pixels.repeat(1, 3, 1, 1), split.labels) for split in (grey, val))
    other = copy.deepcopy(model)
    one = train(model, train=grey, val=val)
    two = train(other, train=colour, val=colour_val)
    losses = [[row.train_loss for row in result.curve] for result in (one, two)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


def test_three_classes_are_learned(backbone: TinyResNet) -> None:
    point = truncation_points(backbone, image_size=16)["stage1.1"]
    model = truncate(backbone, point, num_classes=3)
    result = train(
        model,
        train=images(30, classes=3),
        val=images(15, classes=3, seed=1),
        kind=KINDS["multiclass"],
        epochs=10,
        batch_size=6,
        lr=0.02,
    )
    assert result.curve[result.best_epoch - 1].val["auprc"] > 0.9


def test_validation_is_scored_once_an_epoch(model: nn.Module, monkeypatch: pytest.MonkeyPatch) -> None:
    scored(monkeypatch, [0.2, 0.4, 0.3])
    assert [row.val["auprc"] for row in train(model, epochs=3).curve] == [0.2, 0.4, 0.3]


@pytest.mark.parametrize("parts", [2, 3])
@pytest.mark.parametrize(("kind", "balance"), [("binary", "none"), ("binary", "loss"), ("multilabel", "loss")])
def test_a_batch_in_parts_makes_the_step_of_the_whole_one(
    backbone: TinyResNet, kind: str, balance: str, parts: int
) -> None:
    point = truncation_points(backbone, image_size=16)["stage2.0"]
    labels = np.array([0] * 14 + [1] * 6)
    if kind == "multilabel":  # which labels of a part are known differs from part to part
        labels = np.stack([labels, np.where(np.arange(20) % 3 == 0, -1, 1 - labels)], axis=1)
    ends = []
    for accumulate in (1, parts):
        small = truncate(backbone, point, num_classes=2, seed=0)
        options = {
            "kind": KINDS[kind],
            "train": replace(images(20), labels=labels),
            "batch_size": 8,
            "balance": balance,
        }
        val = replace(images(6, seed=1), labels=labels[[0, 1, 2, 15, 16, 17]])
        how = replace(recipe("fc-bn"), dropout=0.0)
        ends.append((train(small, how, val=val, accumulate=accumulate, **options), state(small)))
    (together, whole), (apart, parted) = ends
    for name, value in whole.items():
        torch.testing.assert_close(parted[name], value, rtol=1e-4, atol=1e-5, msg=name)
    losses = [[row.train_loss for row in result.curve] for result in (together, apart)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    assert apart.notes == ()


def test_norms_that_train_see_a_part_at_a_time_as_the_notes_say(model: nn.Module) -> None:
    result = train(model, accumulate=2)
    assert result.notes == ("Batch norms that train saw each batch in 2 parts, each with its own statistics",)


def test_mixed_precision_trains_in_bfloat16_and_leaves_float32_weights(model: nn.Module) -> None:
    seen: set[torch.dtype] = set()
    conv = next(module for module in model.modules() if isinstance(module, nn.Conv2d))
    hook = conv.register_forward_hook(lambda module, inputs, output: seen.add((module.training, output.dtype)))
    exact = train(copy.deepcopy(model))
    mixed = train(model, amp="bf16")
    hook.remove()
    assert seen == {(True, torch.float32), (True, torch.bfloat16), (False, torch.float32)}
    assert {value.dtype for value in model.state_dict().values()} == {torch.float32, torch.int64}
    losses = [[row.train_loss for row in result.curve] for result in (exact, mixed)]
    assert losses[0] != losses[1]
    assert losses[0] == pytest.approx(losses[1], rel=0.05)


def test_half_precision_needs_a_gpu(model: nn.Module) -> None:
    with pytest.raises(UsageError, match=r"--amp fp16 needs a CUDA device.*use --amp bf16"):
        train(model, amp="fp16")


def test_each_step_reports_how_many_images_it_had(model: nn.Module) -> None:
    reported: list[tuple[int, int]] = []
    train(model, train=images(10), batch_size=4, epochs=1, on_images=lambda done, of: reported.append((done, of)))
    assert reported == [(4, 10), (8, 10), (10, 10)]
