"""Which parameters train in a phase, and how its batch norms behave."""

from __future__ import annotations

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from ttl.finetune.recipes import Phase
from ttl.head import HEAD


def batch_norms(model: nn.Module) -> list[_BatchNorm]:
    """Every batch norm, subclasses such as timm's BatchNormAct2d included."""
    return [module for module in model.modules() if isinstance(module, _BatchNorm)]


def select(model: nn.Module, phase: Phase) -> list[nn.Parameter]:
    """Let exactly the phase's parameters require gradients; they are returned."""
    chosen: list[nn.Parameter] = []
    if "all" in phase.train:
        chosen += model.parameters()
    if "head" in phase.train:
        chosen += model.get_submodule(HEAD).parameters()
    if "bn" in phase.train:
        chosen += [p for norm in batch_norms(model) for p in (norm.weight, norm.bias) if p is not None]
    identities = {id(parameter) for parameter in chosen}
    for parameter in model.parameters():
        parameter.requires_grad_(id(parameter) in identities)
    return [parameter for parameter in model.parameters() if parameter.requires_grad]


def train_mode(model: nn.Module, phase: Phase) -> None:
    """Training mode for an epoch of the phase: where its batch norms stand still, they are in eval mode."""
    model.train()
    if phase.bn == "eval":
        for norm in batch_norms(model):
            norm.eval()
