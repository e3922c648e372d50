"""Optimizers as data: what a recipe says of one, and the torch object that is made of it."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from ttl.finetune.definition import Registered

if TYPE_CHECKING:  # recipes are listed without torch
    from torch import nn, optim

Rate = Annotated[float, Field(ge=1e-12)]
Decay = Annotated[float, Field(ge=0, lt=1)]
"""The share that a moving average keeps of what it was, step by step."""
Weight = Annotated[float, Field(ge=0)]


@dataclass(frozen=True)
class Optimizer(Registered):
    """What every optimizer has.

    Attributes:
        lr: the learning rate that a phase begins with.
    """

    lr: Rate

    @abstractmethod
    def make(self, parameters: Iterable[nn.Parameter]) -> optim.Optimizer:
        """The torch optimizer of these parameters; the learning rate of its first group is the one that is shown."""

    @property
    def words(self) -> str:
        """The learning rate, and what a reader must know beside it."""
        return f"{self.lr:g}"


@dataclass(frozen=True)
class Adam(Optimizer):
    """Adam (Kingma & Ba, ICLR 2015), with L2 decay in the gradient as torch has it.

    Attributes:
        lr: see `Optimizer`.
        betas: decay of the averages of the gradient and of its square.
        weight_decay: times the weight is added to its gradient.
    """

    name: ClassVar[str] = "adam"

    betas: tuple[Decay, Decay] = (0.9, 0.999)
    weight_decay: Weight = 0.0

    def make(self, parameters: Iterable[nn.Parameter]) -> optim.Optimizer:
        """See `Optimizer`."""
        from torch import optim

        return optim.Adam(parameters, lr=self.lr, betas=self.betas, weight_decay=self.weight_decay)


@dataclass(frozen=True)
class SGD(Optimizer):
    """Stochastic gradient descent with momentum: v = momentum * v + gradient, then w = w - lr * v.

    Attributes:
        lr: see `Optimizer`.
        momentum: decay of the sum of gradients.
        weight_decay: times the weight is added to its gradient.
    """

    name: ClassVar[str] = "sgd"

    momentum: Decay = 0.9
    weight_decay: Weight = 0.0

    def make(self, parameters: Iterable[nn.Parameter]) -> optim.Optimizer:
        """See `Optimizer`."""
        from torch import optim

        return optim.SGD(parameters, lr=self.lr, momentum=self.momentum, weight_decay=self.weight_decay)

    @property
    def words(self) -> str:
        """See `Optimizer`."""
        return f"{self.lr:g} (SGD, momentum {self.momentum:g})"


OPTIMIZERS: dict[str, type[Optimizer]] = {kind.name: kind for kind in (Adam, SGD)}
