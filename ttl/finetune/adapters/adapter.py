"""What an adapter is."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import nn

from ttl.finetune.definition import Registered

if TYPE_CHECKING:  # recipes name adapters
    from ttl.finetune.recipes import Phase


@dataclass(frozen=True)
class Adapter(Registered):
    """Changes how a model learns, and not what is left of it. Its fields are its options; it keeps no other state.

    Both methods change the model in place and run without gradients. It has one head or several.
    """

    @abstractmethod
    def dress(self, model: nn.Module, phases: Sequence[Phase]) -> Sequence[str]:
        """Replace modules of the plain model, or add to them.

        Args:
            model: as its fine-tune begins with it, on the CPU or not, in training mode or not.
            phases: of the recipe.

        Returns:
            what a reader of the report should know, in sentences: which modules were left as they are, and why.

        Raises:
            UsageError: the model, or how the recipe trains it, doesn't suit; the sentence says why.
        """

    @abstractmethod
    def undress(self, model: nn.Module) -> None:
        """Write what was learned into plain modules, as they were before `dress`; the model is in eval mode."""
