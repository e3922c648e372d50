"""Fine-tuning: recipes as data, and the one loop that follows them.

Imported when first used, so that listing the recipes costs no torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ttl.finetune.accelerated import from_main as from_main
    from ttl.finetune.epoch import Epoch as Epoch
    from ttl.finetune.loop import Fit as Fit
    from ttl.finetune.loop import Settings as Settings
    from ttl.finetune.loop import fit as fit
    from ttl.finetune.optimizers import SGD as SGD
    from ttl.finetune.optimizers import Adam as Adam
    from ttl.finetune.recipes import RECIPES as RECIPES
    from ttl.finetune.recipes import Phase as Phase
    from ttl.finetune.recipes import Recipe as Recipe
    from ttl.finetune.recipes import recipe as recipe
    from ttl.finetune.resume import epochs_done as epochs_done
    from ttl.finetune.schedules import Plateau as Plateau
    from ttl.finetune.schedules import Steps as Steps
    from ttl.finetune.schedules import Stop as Stop

_HOMES = {
    "Adam": "optimizers",
    "Epoch": "epoch",
    "Fit": "loop",
    "Phase": "recipes",
    "Plateau": "schedules",
    "RECIPES": "recipes",
    "Recipe": "recipes",
    "SGD": "optimizers",
    "Settings": "loop",
    "Steps": "schedules",
    "Stop": "schedules",
    "epochs_done": "resume",
    "fit": "loop",
    "from_main": "accelerated",
    "recipe": "recipes",
}

__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"ttl.finetune.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'ttl.finetune' has no attribute {name!r}")
