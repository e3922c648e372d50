"""Which parameters train in a phase, and how its batch norms behave."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from ttl.cut.head import HEAD
from ttl.cut.unet import DECODER, SEGMENTATION_HEAD
from ttl.finetune.recipes import Phase


def batch_norms(model: nn.Module) -> list[_BatchNorm]:
    """Every batch norm, subclasses such as timm's BatchNormAct2d included."""
    return [module for module in model.modules() if isinstance(module, _BatchNorm)]


def select(model: nn.Module, phase: Phase, frozen: Collection[str] = ()) -> list[nn.Parameter]:
    """Let exactly the phase's parameters require gradients; they are returned.

    The model has its head in the submodule `ttl_head`, or is a U-Net; `frozen` names what lies below the freeze point.
    """
    parts = {
        "all": list(model.parameters()),
        "head": head_parameters(model),
        "bn": [parameter for norm in batch_norms(model) for parameter in norm.parameters()],
        "above": [parameter for name, parameter in model.named_parameters() if name not in frozen],
    }
    chosen = {id(parameter) for part in phase.train for parameter in parts[part]}
    for parameter in model.parameters():
        parameter.requires_grad_(id(parameter) in chosen)
    return [parameter for parameter in model.parameters() if parameter.requires_grad]


def train_mode(model: nn.Module, phase: Phase, frozen: Collection[str] = ()) -> None:
    """Training mode for an epoch of the phase: batch norms that stand still, and those below, are in eval mode.

    Those of a U-Net's decoder have no statistics that they could stand still with: they train in any phase.
    """
    model.train()
    new = {module for part in _heads(model) for module in part.modules()}
    for name, module in model.named_modules():
        still = phase.bn == "eval" and module not in new
        if isinstance(module, _BatchNorm) and (still or f"{name}.running_mean" in frozen):
            module.eval()


def head_parameters(model: nn.Module) -> list[nn.Parameter]:
    """Of what is new: the head; of a U-Net its decoder and the segmentation head, whose bias comes last."""
    return [parameter for part in _heads(model) for parameter in part.parameters()]


def _heads(model: nn.Module) -> list[nn.Module]:
    parts = dict(model.named_children())
    return [parts[HEAD]] if HEAD in parts else [parts[name] for name in (DECODER, SEGMENTATION_HEAD)]


@contextmanager
def bn_momentum(model: nn.Module, momentum: float | None) -> Iterator[None]:
    """Every batch norm has this momentum meanwhile; None leaves them as they are."""
    before = [(norm, norm.momentum) for norm in batch_norms(model)]
    for norm, own in before:
        norm.momentum = own if momentum is None else momentum
    try:
        yield
    finally:
        for norm, own in before:
            norm.momentum = own
