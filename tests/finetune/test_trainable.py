from __future__ import annotations

import pytest
import segmentation_models_pytorch as smp
import torch
from torch import nn

from toy_networks import TinyResNet, network
from ttl.cut.points import truncation_points
from ttl.cut.truncation import truncate
from ttl.finetune import Adam, Phase, recipe
from ttl.finetune.trainable import batch_norms, select, train_mode

HEAD = {"ttl_head.fc.weight", "ttl_head.fc.bias"}
NORMS = {f"{norm}.{part}" for norm in ("stem.1", "stage1.0.bn1") for part in ("weight", "bias")}
CONVOLUTIONS = {"stem.0.weight", "stem.0.bias", "stage1.0.conv1.weight", "stage1.0.conv2.weight"}


def tiny(dropout: float = 0.0) -> nn.Module:
    model = TinyResNet()
    return truncate(model, truncation_points(model, image_size=32)["stage1.0"], num_classes=2, dropout=dropout)


def trainable(model: nn.Module) -> set[str]:
    return {name for name, parameter in model.named_parameters() if parameter.requires_grad}


@pytest.mark.parametrize(
    ("train", "expected"),
    [
        (("head",), HEAD),
        (("bn",), NORMS),
        (("head", "bn"), HEAD | NORMS),
        (("all",), HEAD | NORMS | CONVOLUTIONS),
        (("all", "head", "bn"), HEAD | NORMS | CONVOLUTIONS),
    ],
)
def test_exactly_the_chosen_parts_require_gradients(train: tuple, expected: set[str]) -> None:
    model = tiny()
    chosen = select(model, Phase(train=train, bn="eval", optimizer=Adam(1e-3)))
    assert trainable(model) == expected
    parameters = dict(model.named_parameters())
    assert {id(parameter) for parameter in chosen} == {id(parameters[name]) for name in expected}
    assert len(chosen) == len(expected)


def test_a_later_phase_thaws_and_freezes_again() -> None:
    model = tiny()
    select(model, Phase(train=("head",), bn="eval", optimizer=Adam(1e-3)))
    select(model, Phase(train=("all",), bn="train", optimizer=Adam(1e-3)))
    assert trainable(model) == HEAD | NORMS | CONVOLUTIONS
    select(model, Phase(train=("bn",), bn="eval", optimizer=Adam(1e-3)))
    assert trainable(model) == NORMS


def test_a_batch_norm_without_scale_and_shift_gives_nothing_to_train() -> None:
    model = nn.Sequential()
    model.add_module("norm", nn.BatchNorm2d(4, affine=False))
    model.add_module("ttl_head", nn.Linear(4, 2))
    assert select(model, Phase(train=("bn",), bn="eval", optimizer=Adam(1e-3))) == []


def test_timms_batch_norm_with_an_activation_is_found() -> None:
    model = network("mobilenetv3_small_050")
    kinds = {type(norm).__name__ for norm in batch_norms(model)}
    assert "BatchNormAct2d" in kinds
    with_statistics = {name for name, _ in model.named_buffers() if name.endswith("running_mean")}
    assert len(batch_norms(model)) == len(with_statistics)


@pytest.mark.parametrize("bn", ["train", "eval"])
def test_batch_norms_stand_still_only_where_the_phase_says_so(bn: str) -> None:
    model = tiny(dropout=0.5).eval()
    train_mode(model, Phase(train=("head",), bn=bn, optimizer=Adam(1e-3)))  # type: ignore[arg-type]
    assert {norm.training for norm in batch_norms(model)} == {bn == "train"}
    assert model.get_submodule("ttl_head.dropout").training


def test_statistics_move_in_train_mode_and_not_in_eval_mode() -> None:
    model = tiny()
    images = torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    before = {name: value.clone() for name, value in model.named_buffers()}
    train_mode(model, Phase(train=("all",), bn="eval", optimizer=Adam(1e-3)))
    model(images)
    assert all(torch.equal(value, before[name]) for name, value in model.named_buffers())
    train_mode(model, Phase(train=("all",), bn="train", optimizer=Adam(1e-3)))
    model(images)
    assert not any(torch.equal(value, before[name]) for name, value in model.named_buffers())


def test_a_unets_head_is_its_decoder_whose_batch_norms_always_train() -> None:
    unet = smp.Unet("resnet18", encoder_weights=None)
    model = truncate(unet, truncation_points(unet, image_size=32)[3], num_classes=1)
    (phase,) = recipe("fc").phases
    chosen = {id(parameter) for parameter in select(model, phase)}
    new = ("decoder.", "segmentation_head.")
    assert {name for name, p in model.named_parameters() if id(p) in chosen} == {
        name for name, _ in model.named_parameters() if name.startswith(new)
    }
    train_mode(model, phase)
    norms = {name: m.training for name, m in model.named_modules() if isinstance(m, nn.BatchNorm2d)}
    assert set(norms.values()) == {True, False}
    assert all(trains is name.startswith("decoder.") for name, trains in norms.items())
