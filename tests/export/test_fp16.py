from __future__ import annotations

import copy

import pytest
import torch
from timm.layers import BatchNormAct2d
from torch import fx, nn

from ttl.cut.trace import trace
from ttl.export.targets.fp16 import Half, fold_batch_norms


class Net(nn.Module):
    """A norm after a convolution that feeds it alone, and one after a convolution that is read twice."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 4, 1, bias=False), nn.Conv2d(4, 4, 1)
        self.folds, self.stays = nn.BatchNorm2d(4), nn.BatchNorm2d(4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        a = self.second(self.folds(self.first(x)).relu())
        return self.stays(a) + a


@pytest.fixture
def net() -> fx.GraphModule:
    torch.manual_seed(0)
    model = Net()
    for norm in (model.folds, model.stays):
        nn.init.uniform_(norm.weight, 0.5, 2.0)
        nn.init.normal_(norm.bias)
    with torch.no_grad():
        model.train()(torch.randn(16, 3, 4, 4))
    return fx.symbolic_trace(model.eval())


def test_folding_changes_nothing_but_where_the_numbers_are(net: fx.GraphModule) -> None:
    images = torch.randn(2, 3, 4, 4)
    folded = copy.deepcopy(net)
    fold_batch_norms(folded)
    with torch.no_grad():
        torch.testing.assert_close(folded(images), net(images), rtol=1e-5, atol=1e-5)
    folds, stays = folded.get_submodule("folds"), folded.get_submodule("stays")
    assert isinstance(folds, nn.BatchNorm2d)
    assert isinstance(stays, nn.BatchNorm2d)
    assert (folds.eps, folds.weight.tolist(), folds.bias.tolist()) == (0.0, [1.0] * 4, [0.0] * 4)
    assert torch.equal(stays.weight, net.get_submodule("stays").weight)


def test_a_norm_with_an_activation_keeps_it() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 4, 3), BatchNormAct2d(4, act_layer=nn.SiLU), nn.Conv2d(4, 2, 1))
    nn.init.uniform_(model[1].weight, 0.5, 2.0)
    with torch.no_grad():
        model.train()(torch.randn(8, 3, 8, 8))
    traced = fx.GraphModule(model.eval(), trace(model, image_size=8).graph)
    images = torch.randn(2, 3, 8, 8)
    with torch.no_grad():
        wanted = traced(images)
        fold_batch_norms(traced)
        torch.testing.assert_close(traced(images), wanted, rtol=1e-5, atol=1e-5)
    kept = traced.get_submodule("1")
    assert isinstance(kept, BatchNormAct2d)
    assert kept.weight.tolist() == [1.0] * 4


def test_a_variance_below_half_precision_survives(net: fx.GraphModule) -> None:
    """Unfolded, a variance of 1e-9 and an epsilon of 1e-12 are 0 in half precision."""
    folds = net.get_submodule("folds")
    assert isinstance(folds, nn.BatchNorm2d)
    assert folds.running_var is not None
    with torch.no_grad():
        net.get_submodule("first").weight.mul_(1e-4)
        folds.running_var.fill_(1e-9)
        folds.running_mean.zero_()
    folds.eps = 1e-12
    images = torch.randn(2, 3, 4, 4)
    with torch.no_grad():
        torch.testing.assert_close(Half(net).eval()(images), net(images), rtol=0.02, atol=0.02)
        unfolded = copy.deepcopy(net).half()(images.half()).float()
    assert not (unfolded - net(images)).abs().max() < 1


def test_the_model_is_left_as_it_was(net: fx.GraphModule) -> None:
    before = copy.deepcopy(net.state_dict())
    Half(net)
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert {value.dtype for name, value in net.state_dict().items() if "num" not in name} == {torch.float32}
