from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from toy_networks import network
from ttl.cut import macs
from ttl.cut.macs import MacCounter


def macs_of(model: nn.Module, image: torch.Tensor) -> MacCounter:
    with torch.no_grad(), MacCounter() as counter:
        model.eval()(image)
    return counter


def test_a_convolution_counts_its_multiply_adds() -> None:
    counter = macs_of(nn.Conv2d(3, 8, 3, stride=2, padding=1, groups=1), torch.zeros(1, 3, 16, 16))
    assert counter.take() == 8 * 8 * 8 * 27  # positions x channels out x kernel


def test_a_linear_layer_and_a_norm() -> None:
    assert macs_of(nn.Linear(5, 7), torch.zeros(2, 5)).take() == 2 * 5 * 7
    assert macs_of(nn.BatchNorm2d(4), torch.zeros(1, 4, 3, 3)).take() == 2 * 36
    assert macs_of(nn.LayerNorm(4), torch.zeros(1, 9, 4)).take() == 5 * 36


def test_a_meta_tensor_costs_the_same_as_a_real_one() -> None:
    with torch.device("meta"):
        shadow = network("resnet10t")
    real = macs_of(network("resnet10t"), torch.zeros(1, 3, 64, 64))
    assert macs_of(shadow, torch.zeros(1, 3, 64, 64, device="meta")).take() == real.take()


def test_what_has_no_formula_is_collected() -> None:
    class Fourier(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.fft.rfft2(x).real

    assert dict(macs_of(Fourier(), torch.zeros(1, 3, 8, 8)).without_formula) == {"_fft_r2c": 1}


def test_inference_mode_is_refused_instead_of_counted_as_nothing() -> None:
    with (
        torch.inference_mode(),
        pytest.raises(RuntimeError, match=r"can't be counted under torch\.inference_mode"),
    ):
        MacCounter().__enter__()


@pytest.mark.filterwarnings("ignore:`torch.jit:FutureWarning")  # fvcore is older than torch.export
@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
@pytest.mark.parametrize("name", ["resnet10t", "small:densenet", "test_efficientnet", "small:tv-mobilenet_v2"])
def test_agrees_with_fvcore_and_with_torch(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from fvcore.nn import FlopCountAnalysis

    model, image = network(name).eval(), torch.zeros(1, 3, 64, 64)
    counter = macs_of(model, image)
    analysis = FlopCountAnalysis(model, image).unsupported_ops_warnings(False).uncalled_modules_warnings(False)
    for pooling in ("aten::mean", "aten::avg_pool2d"):  # fvcore counts only the adaptive kind
        analysis.set_op_handle(pooling, lambda inputs, _: torch.Size(inputs[0].type().sizes()).numel())
    with torch.no_grad():
        assert counter.take() == analysis.total()
        with FlopCounterMode(display=False) as flops:
            model(image)
    # torch counts products alone, and two operations for each multiply-add.
    monkeypatch.setattr(macs, "FORMULAS", {name: macs.FORMULAS[name] for name in ("convolution", "addmm", "mm", "bmm")})
    assert 2 * macs_of(model, image).take() == flops.get_total_flops()
