"""Half precision inside: float32 images in, float32 logits out."""

from __future__ import annotations

import copy
from collections import Counter
from dataclasses import dataclass

import torch
from torch import fx, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils.fusion import fuse_conv_bn_weights

from ttl.export.targets.target import OnnxTarget

HALF_FACTOR = 4
"""A file may be so many times as far from float64 as PyTorch's own half precision is."""


class Half(nn.Module):
    """A copy of a model in eval mode: float32 in and out, half precision between."""

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
    """Fold, in place, each batch norm of a model in eval mode into the convolution that alone feeds it.

    The norms stay, as the identity: an activation that a module has after its norm (timm's `BatchNormAct2d`) stays
    with them, and the exporter folds an identity without rounding anything. Half-precision statistics would round
    twice, and variances below 6e-8 would become 0.
    """
    modules = dict(model.named_modules())
    calls = Counter(node.target for node in model.graph.nodes if node.op == "call_module")

    def called_once(node: object) -> nn.Module | None:
        if isinstance(node, fx.Node) and node.op == "call_module" and calls[node.target] == 1:
            return modules.get(str(node.target))
        return None

    for node in model.graph.nodes:
        fed_by = node.args[0] if node.args else None
        alone = isinstance(fed_by, fx.Node) and len(fed_by.users) == 1
        conv, norm = called_once(fed_by), called_once(node)
        if alone and isinstance(conv, nn.Conv2d) and isinstance(norm, _BatchNorm):
            _fold(conv, norm)


def _fold(conv: nn.Conv2d, norm: _BatchNorm) -> None:
    mean, variance = norm.running_mean, norm.running_var
    if mean is not None and variance is not None:
        conv.weight, conv.bias = fuse_conv_bn_weights(
            conv.weight, conv.bias, mean, variance, norm.eps, norm.weight, norm.bias
        )
        norm.reset_parameters()
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
