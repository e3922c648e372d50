"""Optimizers as data: what a recipe says of one, and the torch object that is made of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from ttl.finetune.definition import NotNegative, Registered, Share

if TYPE_CHECKING:  # recipes are listed without torch
    from torch import nn, optim


@dataclass(frozen=True)
class Optimizer(Registered):
    """One of `torch.optim`: the subclass has its class's name, and the fields are its arguments."""

    lr: Annotated[float, Field(ge=1e-12)]

    def make(self, parameters: Iterable[nn.Parameter]) -> optim.Optimizer:
        """The torch optimizer of these parameters; the learning rate of its first group is the one that is shown."""
        from torch import optim

        made: optim.Optimizer = getattr(optim, type(self).__name__)(parameters, **vars(self))
        return made

    @property
    def words(self) -> str:
        """The learning rate, and what a reader must know beside it."""
        return f"{self.lr:g}"


@dataclass(frozen=True)
class Adam(Optimizer):
    """Adam (Kingma & Ba, ICLR 2015), with L2 decay in the gradient as torch has it."""

    name: ClassVar[str] = "adam"

    betas: tuple[Share, Share] = (0.9, 0.999)
    weight_decay: NotNegative = 0.0


@dataclass(frozen=True)
class SGD(Optimizer):
    """Stochastic gradient descent: v = momentum * v + gradient + weight_decay * w, then w = w - lr * v."""

    name: ClassVar[str] = "sgd"

    momentum: Share = 0.9
    weight_decay: NotNegative = 0.0

    @property
    def words(self) -> str:
        """See `Optimizer`."""
        return f"{self.lr:g} (SGD, momentum {self.momentum:g})"


OPTIMIZERS: dict[str, type[Optimizer]] = {kind.name: kind for kind in (Adam, SGD)}
