"""Fine-tuning strategies as rows of a table: which parameters train, how BN behaves, when to stop."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ttl.errors import UsageError

Part = Literal["head", "bn", "all"]


@dataclass(frozen=True)
class Phase:
    """A stretch of training with one set of trainable parameters."""

    train: tuple[Part, ...]
    """`head`, `bn` (scale and shift of every batch norm), `all`."""
    bn: Literal["train", "eval"]
    """`eval`: batch norms use their running statistics and leave them as they are."""
    lr: float
    epochs: int | None = None
    """How many; None until the learning rate falls below `min_lr` or the run's cap is reached."""
    patience: int = 5
    """Epochs without a better validation metric before the learning rate is multiplied by `factor`."""
    factor: float = 0.5
    min_lr: float = 1e-7
    """Training stops below this learning rate."""

    @property
    def name(self) -> str:
        """What trains, joined: `head+bn`."""
        return "+".join(self.train)


@dataclass(frozen=True)
class Recipe:
    """A published fine-tuning strategy."""

    name: str
    summary: str
    source: str
    phases: tuple[Phase, ...]
    batch_size: int = 64
    augment: str = "ttl"
    monitor: str = "auprc"
    """The validation metric that decides the schedule and which epoch is kept."""


RECIPES: dict[str, Recipe] = {
    row.name: row
    for row in (
        Recipe(
            name="full",
            summary="everything trains: Adam, 1e-4, halved when validation AUPRC stagnates",
            source="Peng et al., BMVC 2023, section 4 (FTL)",
            phases=(Phase(train=("all",), bn="train", lr=1e-4),),
        ),
        Recipe(
            name="bn",
            summary="the head alone for one epoch, then head and BN scale and shift, BN in inference mode",
            source="Kanavati & Tsuneki, MIDL 2021, section 2 (FC-then-BN)",
            phases=(
                Phase(train=("head",), bn="eval", lr=1e-3, epochs=1),
                Phase(train=("head", "bn"), bn="eval", lr=1e-3),
            ),
        ),
    )
}


def recipe(name: str) -> Recipe:
    """The recipe of that name.

    Raises:
        UsageError: there is none; the sentence lists what there is.
    """
    if name not in RECIPES:
        raise UsageError(f"There is no recipe {name!r}: choose one of {', '.join(RECIPES)}")
    return RECIPES[name]
