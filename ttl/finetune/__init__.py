"""Fine-tuning: recipes as data, and the one loop that follows them.

What needs torch is imported when it is first used, so that listing the recipes costs none.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ttl.finetune.epoch import Epoch as Epoch
from ttl.finetune.optimizers import SGD as SGD
from ttl.finetune.optimizers import Adam as Adam
from ttl.finetune.recipes import RECIPES as RECIPES
from ttl.finetune.recipes import Phase as Phase
from ttl.finetune.recipes import Recipe as Recipe
from ttl.finetune.recipes import recipe as recipe
from ttl.finetune.schedules import Plateau as Plateau
from ttl.finetune.schedules import Steps as Steps
from ttl.finetune.schedules import Stop as Stop

if TYPE_CHECKING:
    from ttl.finetune.accelerated import from_main as from_main
    from ttl.finetune.loop import Fit as Fit
    from ttl.finetune.loop import Settings as Settings
    from ttl.finetune.loop import fit as fit
    from ttl.finetune.resume import epochs_done as epochs_done

_HOMES = {"Fit": "loop", "Settings": "loop", "epochs_done": "resume", "fit": "loop", "from_main": "accelerated"}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"ttl.finetune.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'ttl.finetune' has no attribute {name!r}")
