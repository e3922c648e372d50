"""Adapters to test with: one that folds away, and some that break a rule each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from ttl.errors import UsageError
from ttl.finetune.adapters.adapter import Adapter
from ttl.finetune.recipes import Phase

NAMES = {kind: f"toy_adapters:{kind}" for kind in ("Gain", "Forgets", "Leaves", "Renames", "Reshapes")}


class GainNorm(nn.BatchNorm2d):
    """A batch norm whose channels are multiplied by `gain`, and while it trains half of them by `1 + noise` at random.

    `source` keeps the scale that it came with.
    """

    def __init__(self, plain: nn.BatchNorm2d, noise: float) -> None:
        super().__init__(plain.num_features, plain.eps, plain.momentum)
        self.weight, self.bias = plain.weight, plain.bias
        self.running_mean, self.running_var = plain.running_mean, plain.running_var
        self.num_batches_tracked = plain.num_batches_tracked
        self.noise = noise
        self.gain = nn.Parameter(torch.ones_like(plain.weight))
        self.register_buffer("source", plain.weight.detach().clone())

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        gain = self.gain
        if self.training and self.noise:
            gain = gain * (1 + self.noise * torch.randint(2, gain.shape, device=gain.device))
        return super().forward(inputs) * gain[:, None, None]

    def plain(self, folds: bool) -> nn.BatchNorm2d:
        norm = nn.BatchNorm2d(self.num_features, self.eps, self.momentum, device=self.weight.device)
        norm.load_state_dict({name: value for name, value in self.state_dict().items() if name in norm.state_dict()})
        if folds:
            norm.weight *= self.gain
            norm.bias *= self.gain
        return norm


@dataclass(frozen=True)
class Gain(Adapter):
    """Folds away exactly."""

    name: ClassVar[str] = "gain"
    folds: ClassVar[bool] = True

    noise: float = 0.0

    def dress(self, model: nn.Module, phases: Sequence[Phase]) -> Sequence[str]:
        norms = [(name, each) for name, each in model.named_modules() if isinstance(each, _BatchNorm)]
        if not norms:
            raise UsageError("The adapter gain needs batch norms, and this network has none: use another recipe")
        fits = {each: GainNorm(each, self.noise) for _, each in norms if type(each) is nn.BatchNorm2d and each.affine}
        swap(model, fits)
        left = [name for name, each in norms if each not in fits]
        return [f"gain left {len(left)} norms as they were, {left[0]} first"] if left else []

    def undress(self, model: nn.Module) -> None:
        swap(model, {each: each.plain(self.folds) for each in model.modules() if isinstance(each, GainNorm)})


def swap(model: nn.Module, new: dict[nn.Module, nn.Module]) -> None:
    """Put modules in others' place, wherever in the model they are."""
    for name, module in list(model.named_modules(remove_duplicate=False)):
        if module in new:
            model.set_submodule(name, new[module])


class Forgets(Gain):
    """Doesn't fold what it learned."""

    name: ClassVar[str] = "forgets"
    folds: ClassVar[bool] = False


class Leaves(Gain):
    """Takes nothing off."""

    name: ClassVar[str] = "leaves"

    def undress(self, model: nn.Module) -> None:
        pass


class Renames(Gain):
    """Puts each norm into a module of its own."""

    name: ClassVar[str] = "renames"

    def dress(self, model: nn.Module, phases: Sequence[Phase]) -> Sequence[str]:
        swap(model, {each: nn.Sequential(each) for each in model.modules() if isinstance(each, nn.BatchNorm2d)})
        return []


class Reshapes(Gain):
    """Gives its norms a scale of another shape."""

    name: ClassVar[str] = "reshapes"

    def dress(self, model: nn.Module, phases: Sequence[Phase]) -> Sequence[str]:
        for each in model.modules():
            if isinstance(each, nn.BatchNorm2d):
                each.weight = nn.Parameter(each.weight[None])
        return []
