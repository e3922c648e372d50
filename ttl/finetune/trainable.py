"""Which parameters train in a phase, and how its batch norms behave."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from ttl.finetune.recipes import Phase
from ttl.head import HEAD


def batch_norms(model: nn.Module) -> list[_BatchNorm]:
    """Every batch norm, subclasses such as timm's BatchNormAct2d included."""
    return [module for module in model.modules() if isinstance(module, _BatchNorm)]


def select(model: nn.Module, phase: Phase, frozen: Collection[str] = ()) -> list[nn.Parameter]:
    """Let exactly the phase's parameters require gradients; they are returned.

    Args:
        model: with its head in the submodule `ttl_head`.
        phase: says which parts train.
        frozen: names of what lies below the freeze point, for the part `above`.
    """
    chosen: list[nn.Parameter] = []
    if "all" in phase.train:
        chosen += model.parameters()
    if "head" in phase.train:
        chosen += model.get_submodule(HEAD).parameters()
    if "bn" in phase.train:
        chosen += [p for norm in batch_norms(model) for p in (norm.weight, norm.bias) if p is not None]
    if "above" in phase.train:
        chosen += [parameter for name, parameter in model.named_parameters() if name not in frozen]
    identities = {id(parameter) for parameter in chosen}
    for parameter in model.parameters():
        parameter.requires_grad_(id(parameter) in identities)
    return [parameter for parameter in model.parameters() if parameter.requires_grad]


def train_mode(model: nn.Module, phase: Phase, frozen: Collection[str] = ()) -> None:
    """Training mode for an epoch of the phase: batch norms that stand still, and those below, are in eval mode."""
    model.train()
    for name, module in model.named_modules():
        if isinstance(module, _BatchNorm) and (phase.bn == "eval" or f"{name}.running_mean" in frozen):
            module.eval()


@contextmanager
def bn_momentum(model: nn.Module, momentum: float | None) -> Iterator[None]:
    """Every batch norm has this momentum meanwhile; None leaves them as they are."""
    before = [(norm, norm.momentum) for norm in batch_norms(model)]
    for norm, _ in before if momentum is not None else ():
        norm.momentum = momentum
    try:
        yield
    finally:
        for norm, own in before:
            norm.momentum = own
