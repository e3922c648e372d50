"""What an adapter is, how a model wears one for one fine-tune, and the checks that nothing of it is left afterwards."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import nn

from ttl.errors import TrainingError
from ttl.finetune.definition import Registered

if TYPE_CHECKING:  # recipes name adapters
    from ttl.finetune.recipes import Phase

TOLERANCE = 1e-5
"""Of the largest logit, that the undressed model's may differ by: folding a norm rounds each channel once."""
REMEDY = "use a recipe without it, and tell its author"

Piece = tuple[str, str, tuple[int, ...]]  # name, type and shape of a module, a parameter or a buffer


@dataclass(frozen=True)
class Adapter(Registered):
    """Changes how a model learns, and not what is left of it. Its fields are its options; it keeps no other state.

    Both methods change the model in place and run without gradients. It has one head or several.
    """

    @abstractmethod
    def dress(self, model: nn.Module, phases: Sequence[Phase]) -> Sequence[str]:
        """Replace modules of the plain model, or add to them, as its fine-tune in these phases begins with it.

        Back come sentences for the reader of the report: which modules were left as they are, and why.

        Raises:
            UsageError: the model, or how the recipe trains it, doesn't suit; the sentence says why.
        """

    @abstractmethod
    def undress(self, model: nn.Module) -> None:
        """Write what was learned into plain modules, as they were before `dress`; the model is in eval mode."""


@dataclass(frozen=True)
class Dressing:
    """One model, dressed in place in one adapter."""

    adapter: Adapter
    model: nn.Module
    plain: frozenset[Piece]  # what the model consisted of before
    tensors: frozenset[str]  # names of its parameters and buffers then
    notes: tuple[str, ...]  # of the adapter, for the report

    def frozen(self, names: Collection[str]) -> frozenset[str]:
        """Names of the plain model's tensors that stay as they are, and of those that the adapter added to them."""
        stays = frozenset(names)
        added = self.model.state_dict().keys() - self.tensors
        return stays | {name for name in added if (owned := self._around(name)) and owned <= stays}

    def _around(self, name: str) -> set[str]:
        """The plain model's tensors in the nearest module around `name` that has any of its own."""
        path, owned = name, set[str]()
        while path and not owned:
            path = path.rpartition(".")[0]
            owned = {each for each in self.tensors if each.rpartition(".")[0] == path}
        return owned

    def undress(self, inputs: torch.Tensor) -> None:
        """Make the model plain again, on the CPU and in eval mode.

        It must compute the same of `inputs`, real ones `(n, channels, ...)`, before and after.

        Raises:
            TrainingError: it doesn't, or something of the adapter is left.
        """
        # Not where it was trained: a GPU may round products to ten bits, and the check is of what is folded.
        self.model.cpu().eval()
        with torch.no_grad():
            dressed = self.model(inputs.cpu())
            self.adapter.undress(self.model)
            plain = self.model.eval()(inputs.cpu())
        gap, largest = float((plain - dressed).abs().max()), float(dressed.abs().max())
        left = sorted(name for name, *_ in set(_pieces(self.model)) ^ self.plain)
        if left:
            raise TrainingError(
                f"The adapter {self.adapter.name} has left something behind in {left[0] or 'the model'}: {REMEDY}"
            )
        if not gap <= TOLERANCE * largest:
            raise TrainingError(
                f"The adapter {self.adapter.name} can't be folded away: without it the network's outputs differ by "
                f"{gap:.2g}, and the largest is {largest:.2g}: {REMEDY}"
            )


def dress(adapter: Adapter, model: nn.Module, phases: Sequence[Phase]) -> Dressing:
    """Put an adapter on a plain model, in place, for a fine-tune in these phases.

    Raises:
        UsageError: model and phases don't suit the adapter.
        TrainingError: the adapter renamed a tensor of the model, or gave it another shape.
    """
    plain = frozenset(_pieces(model))
    shapes = {name: value.shape for name, value in model.state_dict().items()}
    with torch.no_grad():
        notes = tuple(adapter.dress(model, phases))
    state = model.state_dict()
    lost = [name for name, shape in shapes.items() if name not in state or state[name].shape != shape]
    if lost:
        raise TrainingError(
            f"The adapter {adapter.name} doesn't keep {lost[0]} under its name and in its shape: {REMEDY}"
        )
    return Dressing(adapter, model, plain, frozenset(shapes), notes)


def _pieces(model: nn.Module) -> Iterator[Piece]:
    """All that a model consists of; a module of several names under each of them."""
    for name, module in model.named_modules(remove_duplicate=False):
        yield name, f"{type(module).__module__}.{type(module).__qualname__}", ()
    for name, value in (*model.named_parameters(remove_duplicate=False), *model.named_buffers(remove_duplicate=False)):
        yield name, f"{type(value).__name__} of {value.dtype}", tuple(value.shape)
