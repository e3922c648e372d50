"""The last layer of a cut network: what its logits come from."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from ttl.cut.head import HEAD
from ttl.cut.truncation import CLASSES


def last_layer(model: nn.Module) -> nn.Module:
    """The (last) linear layer of its head; of a U-Net the convolution whose outputs are the classes."""
    end = model.get_submodule(f"{HEAD}.fc" if HEAD in dict(model.named_children()) else CLASSES)
    return [module for module in end.modules() if isinstance(module, nn.Linear | nn.Conv2d)][-1]


@torch.no_grad()
def fold_in(model: nn.Module, scale: Sequence[float], shift: Sequence[float]) -> None:
    """Have the model's logits `z` become `scale * z + shift` (an entry an output), in place and without an operator
    more: what stands between the last layer and the logits, of a U-Net an enlargement, is linear and keeps constants.
    """
    layer = last_layer(model)
    weight, bias = layer.get_parameter("weight"), layer.get_parameter("bias")
    factor, added = (torch.tensor(values, dtype=torch.float64, device=weight.device) for values in (scale, shift))
    weight.copy_(weight.double() * factor.reshape(-1, *[1] * (weight.ndim - 1)))
    bias.copy_(bias.double() * factor + added)
