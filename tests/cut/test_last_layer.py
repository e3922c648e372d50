"""A recalibration in the last layer computes what it would after it, and a temperature changes no decision."""

from __future__ import annotations

import copy
from functools import cache

import pytest
import segmentation_models_pytorch as smp
import torch
from torch import nn

from toy_networks import TinyResNet
from ttl.cut.last_layer import fold_in, last_layer
from ttl.cut.points import truncation_points
from ttl.cut.truncation import truncate

EXACT = 1e-12
TEMPERATURES = (1e-2, 0.3, 0.37, 0.96, 1.0, 1.66, 7.3, 1e2)


def images(n: int = 64, side: int = 16) -> torch.Tensor:
    return torch.randn(n, 3, side, side, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@cache
def classifier(outputs: int, pool: str = "avg") -> nn.Module:
    """A cut with a head, in double precision, whose logits are 0 in the mean: every class is decided for somewhere."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        backbone = TinyResNet()
        point = truncation_points(backbone, image_size=16)["stage2.0"]
        model = truncate(backbone, point, num_classes=outputs, pool=pool).double().eval()
    with torch.no_grad():
        last_layer(model).get_parameter("bias").sub_(model(images()).mean(0))
    return model


@cache
def unet(outputs: int) -> nn.Module:
    """A cut U-Net whose logits are enlarged after its last convolution, as smp does it where a decoder ends low."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        whole = smp.Unet("tu-test_resnet", encoder_weights=None, classes=outputs)
        whole.segmentation_head[1] = nn.UpsamplingBilinear2d(scale_factor=2)
        points = truncation_points(whole, image_size=32)
        return truncate(whole, points[2], num_classes=outputs).double().eval()


def logits(model: nn.Module, of: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return model(of)


def folded(model: nn.Module, scale: tuple[float, ...], shift: tuple[float, ...]) -> nn.Module:
    changed = copy.deepcopy(model)
    fold_in(changed, scale, shift)
    return changed


@pytest.mark.parametrize("outputs", [2, 5])
@pytest.mark.parametrize("temperature", TEMPERATURES)
def test_a_temperature_divides_the_logits_and_changes_no_decision(outputs: int, temperature: float) -> None:
    model = classifier(outputs)
    before = logits(model, images())
    after = logits(folded(model, (1 / temperature,) * outputs, (0.0,) * outputs), images())
    wanted = before / temperature
    assert (after - wanted).abs().max() <= EXACT * max(1.0, float(wanted.abs().max()))
    assert len(before.argmax(1).unique()) == outputs
    assert torch.equal(after.argmax(1), before.argmax(1))
    if outputs == 2:  # of more, the most probable class may have less than 0.5
        assert torch.equal(after.softmax(1) >= 0.5, before.softmax(1) >= 0.5)


@pytest.mark.parametrize("pool", ["avg", "none"])
def test_labels_are_scaled_and_shifted_each_by_itself(pool: str) -> None:
    scale, shift = (0.2, 1.0, 3.7), (-4.0, 0.0, 2.5)
    model = classifier(3, pool)
    before = logits(model, images())
    after = logits(folded(model, scale, shift), images())
    exact = before * torch.tensor(scale, dtype=torch.float64) + torch.tensor(shift, dtype=torch.float64)
    assert (after - exact).abs().max() <= EXACT
    assert torch.equal(after[:, 1], before[:, 1])


@pytest.mark.parametrize(("scale", "shift"), [((0.31,), (1.7,)), ((2.2, 0.4, 1.0), (0.3, -5.0, 0.0))])
def test_of_a_unet_too_through_what_enlarges_its_logits(scale: tuple[float, ...], shift: tuple[float, ...]) -> None:
    model, given = unet(len(scale)), images(2, 32)
    before = logits(model, given)
    assert before.shape == (2, len(scale), 64, 64)
    after = logits(folded(model, scale, shift), given)
    of_each = (torch.tensor(values, dtype=torch.float64)[:, None, None] for values in (scale, shift))
    factor, added = of_each
    assert (after - (before * factor + added)).abs().max() <= EXACT


def test_only_the_last_layer_changes_and_no_operator_is_added() -> None:
    for model in (classifier(3), unet(3)):
        changed = folded(model, (2.0,) * 3, (1.0,) * 3)
        last = last_layer(model)
        inside = {
            f"{name}.{part}" for name, each in model.named_modules() if each is last for part in ("weight", "bias")
        }
        state, other = model.state_dict(), changed.state_dict()
        assert {name for name in state if not torch.equal(state[name], other[name])} == inside
        assert [node.target for node in changed.graph.nodes] == [node.target for node in model.graph.nodes]
