"""What each recipe changes, parameter by parameter and statistic by statistic; and how the loop stops."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from networks import TinyResNet
from ttl.errors import TrainingError, UsageError
from ttl.finetune import RECIPES, Fit, Images, Phase, Recipe, fit, normalised, predict, recipe
from ttl.truncation import truncate, truncation_points

MEAN, STD = (0.5, 0.4, 0.3), (0.2, 0.25, 0.5)


def model(dropout: float = 0.0) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        whole = TinyResNet()
    points = truncation_points(whole, image_size=16)
    return truncate(whole, points["stage1.1"], num_classes=2, dropout=dropout)


def images(n: int = 24, channels: int = 1, seed: int = 0) -> Images:
    """Bright images are class 1."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 2
    pixels = rng.normal(90 + 60 * labels[:, None, None, None], 25, (n, channels, 16, 16)).clip(0, 255)
    return Images(torch.from_numpy(pixels.astype(np.uint8)), labels.astype(np.int64))


def tuned(net: nn.Module, row: Recipe, **options: Any) -> Fit:
    options = {"epochs": 2, "batch_size": 8, **options}
    return fit(net, images(), images(seed=1), row, kind="binary", mean=MEAN, std=STD, **options)


def state(net: nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in net.state_dict().items()}


def changed(before: dict[str, torch.Tensor], net: nn.Module) -> set[str]:
    return {name for name, value in net.state_dict().items() if not torch.equal(before[name], value)}


def norms(net: nn.Module) -> set[str]:
    return {name for name, m in net.named_modules() if isinstance(m, nn.BatchNorm2d)}


def test_bn_changes_scale_and_shift_and_the_head_and_nothing_else() -> None:
    net = model()
    before = state(net)
    trained: list[set[str]] = []
    result = tuned(net, recipe("bn"), epochs=3, on_epoch=lambda _: trained.append(changed(before, net)))
    allowed = {f"{norm}.{part}" for norm in norms(net) for part in ("weight", "bias")}
    allowed |= {"ttl_head.fc.weight", "ttl_head.fc.bias"}
    assert trained[-1] == allowed
    assert result.trainable == {"head": 8 * 2 + 2, "head+bn": 8 * 2 + 2 + 3 * 16}


def test_the_first_phase_of_bn_trains_the_head_alone() -> None:
    net = model()
    before = state(net)
    result = tuned(net, recipe("bn"), epochs=1)
    assert changed(before, net) == {"ttl_head.fc.weight", "ttl_head.fc.bias"}
    assert [row["phase"] for row in result.curve] == ["head"]


def test_full_changes_every_parameter_and_the_running_statistics() -> None:
    net = model()
    before = state(net)
    tuned(net, recipe("full"))
    moved = changed(before, net)
    assert {name for name, _ in net.named_parameters()} <= moved
    assert {f"{norm}.running_mean" for norm in norms(net)} <= moved


def test_the_same_seed_gives_the_same_weights_and_leaves_the_callers_generator_alone() -> None:
    first, second = model(dropout=0.5), model(dropout=0.5)
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    tuned(first, recipe("full"), seed=3)
    assert torch.equal(torch.rand(3), expected)
    tuned(second, recipe("full"), seed=3)
    assert not changed(state(first), second)
    third = model(dropout=0.5)
    tuned(third, recipe("full"), seed=4)
    assert changed(state(first), third)


def with_scores(monkeypatch: pytest.MonkeyPatch, scores: list[float]) -> None:
    left = iter(scores)
    monkeypatch.setattr("ttl.finetune.loop.metrics", lambda *_: {"auprc": next(left)})


def quick(**changes: Any) -> Recipe:
    options: dict[str, Any] = {"train": ("all",), "bn": "train", "lr": 1e-3, "patience": 1, "min_lr": 2e-4, **changes}
    return Recipe(name="quick", summary="", source="", phases=(Phase(**options),), augment="none")


def test_the_rate_is_halved_when_the_metric_stagnates_and_training_stops_below_the_least(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with_scores(monkeypatch, [0.5] * 20)
    result = tuned(model(), quick(), epochs=20)
    # One good epoch; then every second without a better one halves: 1e-3, 5e-4, 2.5e-4, and 1.25e-4 is too low.
    assert [row["lr"] for row in result.curve] == pytest.approx([1e-3] * 3 + [5e-4] * 2 + [2.5e-4] * 2)


def test_the_best_epoch_is_kept_and_of_equals_the_earlier(monkeypatch: pytest.MonkeyPatch) -> None:
    with_scores(monkeypatch, [0.2, 0.9, 0.9, 0.1])
    seen: list[dict[str, torch.Tensor]] = []
    net = model()
    result = tuned(net, quick(), epochs=4, on_epoch=lambda _: seen.append(state(net)))
    assert (result.best_epoch, result.epochs) == (2, 4)
    assert not changed(seen[1], net)
    assert changed(seen[3], net)
    assert not net.training


def test_epochs_caps_all_phases_together() -> None:
    assert tuned(model(), recipe("bn"), epochs=3).epochs == 3


def test_a_learning_rate_of_ones_own_is_the_last_phases() -> None:
    rates = [row["lr"] for row in tuned(model(), recipe("bn"), epochs=2, lr=0.05).curve]
    assert rates == [1e-3, 0.05]


def test_a_last_batch_of_one_image_joins_the_one_before() -> None:
    sizes: list[int] = []
    net = model()
    net.ttl_head.register_forward_pre_hook(lambda m, args: sizes.append(len(args[0])) if m.training else None)
    fit(net, images(9), images(), recipe("full"), kind="binary", mean=MEAN, std=STD, epochs=1, batch_size=4)
    assert sizes == [4, 5]


def test_a_loss_that_is_no_number_stops_the_fine_tune_with_a_remedy() -> None:
    net = model()
    with torch.no_grad():
        net.ttl_head.fc.weight.fill_(float("nan"))
    with pytest.raises(TrainingError, match=r"The training loss is nan in epoch 1 \(full, learning rate .*lower --lr"):
        tuned(net, recipe("full"))


def test_where_the_metric_is_undefined_the_loss_decides_and_that_is_noted() -> None:
    one_class = Images(images().pixels, np.zeros(24, dtype=np.int64))
    result = fit(model(), images(), one_class, recipe("full"), kind="binary", mean=MEAN, std=STD, epochs=1)
    assert result.notes == ("Validation AUPRC is undefined (a class is absent): the validation loss decided",)


def test_an_unknown_recipe_lists_what_there_is() -> None:
    with pytest.raises(UsageError, match="There is no recipe 'fastest': choose one of full, bn"):
        recipe("fastest")
    assert all(row.source for row in RECIPES.values())


@pytest.mark.parametrize("channels", [1, 3])
def test_normalised_is_pixels_less_mean_over_std(channels: int) -> None:
    pixels = torch.full((2, channels, 4, 4), 51, dtype=torch.uint8)
    result = normalised(pixels, MEAN, STD)
    assert result.shape == (2, 3, 4, 4)
    assert result[0, :, 0, 0].tolist() == pytest.approx([(0.2 - m) / s for m, s in zip(MEAN, STD, strict=True)])


def test_predictions_are_probabilities_whatever_the_batch() -> None:
    net = model()
    first = predict(net, images().pixels, kind="binary", mean=MEAN, std=STD, batch_size=5)
    assert first.dtype == np.float64
    assert first.sum(axis=1) == pytest.approx(np.ones(24))
    assert predict(net, images().pixels, kind="binary", mean=MEAN, std=STD) == pytest.approx(first, abs=1e-6)


def test_it_learns() -> None:
    result = tuned(model(), recipe("full"), epochs=8, lr=1e-2)
    assert max(row["val_accuracy"] for row in result.curve) > 0.9
