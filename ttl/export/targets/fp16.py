"""Half precision inside: float32 images in, float32 logits out."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
from torch import fx, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils.fusion import fuse_conv_bn_weights

from ttl.export.targets.onnx_target import OnnxTarget

HALF_FACTOR = 4
"""A file may be so many times as far from float64 as PyTorch's own half precision is."""


class Half(nn.Module):
    """Float32 in and out, half precision between.

    Args:
        model: in eval mode; it is copied, and left as it is.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        folded = copy.deepcopy(model)
        if isinstance(folded, fx.GraphModule):
            fold_batch_norms(folded)
        self.model = folded.half()

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Logits `(n, ...)` float32 of images `(n, 3, h, w)` float32."""
        logits: torch.Tensor = self.model(image.half()).float()
        return logits


def fold_batch_norms(model: fx.GraphModule) -> None:
    """Fold, in place, each batch norm into the convolution that alone feeds it, in the model's own precision.

    The norms stay, as the identity: an activation that a module has after its norm (timm's `BatchNormAct2d`) stays
    with them, and the exporter folds an identity without rounding anything. Half-precision statistics would round
    twice, and variances below 6e-8 would become 0.

    Args:
        model: in eval mode.
    """
    modules = dict(model.named_modules())
    calls: dict[str, int] = {}
    for node in model.graph.nodes:
        if node.op == "call_module":
            calls[node.target] = calls.get(node.target, 0) + 1
    for node in model.graph.nodes:
        norm = modules.get(node.target) if node.op == "call_module" else None
        if not isinstance(norm, _BatchNorm) or norm.running_mean is None or calls[node.target] > 1:
            continue
        fed_by = node.args[0] if node.args else None
        if not isinstance(fed_by, fx.Node) or fed_by.op != "call_module" or len(fed_by.users) > 1:
            continue
        conv = modules.get(str(fed_by.target))
        if isinstance(conv, nn.Conv2d) and calls[str(fed_by.target)] == 1:
            _fold(conv, norm)


def _fold(conv: nn.Conv2d, norm: _BatchNorm) -> None:
    assert norm.running_mean is not None and norm.running_var is not None  # noqa: PT018  # asked before
    weight, bias = fuse_conv_bn_weights(
        conv.weight, conv.bias, norm.running_mean, norm.running_var, norm.eps, norm.weight, norm.bias
    )
    conv.weight, conv.bias = weight, bias
    with torch.no_grad():
        norm.running_mean.zero_()
        norm.running_var.fill_(1.0)
        if norm.weight is not None:
            norm.weight.fill_(1.0)
            norm.bias.zero_()
    norm.eps = 0.0


@dataclass(frozen=True)
class _HalfPrecision(OnnxTarget):
    def rounded(self, model: nn.Module) -> nn.Module:
        """The half model: it is exported, and compared with."""
        return Half(model).eval()

    def tolerance(self, plain: float, rounding: float) -> float | None:
        """See `HALF_FACTOR`."""
        return plain + HALF_FACTOR * rounding


TARGET = _HalfPrecision("fp16", ("fp16", "onnx"), words="half precision, whose numbers end at 65504", is_exact=False)
