"""Adapters: what a model wears while it is fine-tuned. Nothing of one is left afterwards.

To add a recipe: a row in `RECIPES` of `ttl.finetune.recipes`.
To add an optimizer or a schedule: a class in `optimizers.py` or `schedules.py`, and its name in the registry there. Its
fields are those of its TOML table, checked by their types.
To add an adapter: a file here with a subclass of `Adapter` (its fields are its options), a row in `ADAPTERS`, and a row
in `RECIPES` that names it. The training loop stays as it is. Where a default or the meaning of a field changes: raise
the `version` of its class, so that no old trial counts as new.

Rules for adapters, which `adapter.py` checks in each fine-tune:
- While the model is dressed, its parameters and buffers keep their names and shapes: freeze points go by them. What is
  added stands in or under the module that it belongs to, and is frozen together with it.
- Undressed, the model has the modules, parameters and buffers of the plain one, by name, type and shape, and computes
  in eval mode what it computed dressed. So bundles, exports and later fine-tunes need not know of adapters.
Rules that nothing checks: what stands in for a batch norm is a subclass of one, or phases don't find it; `dress` does
the same again for the same seed of torch; what is learned lies in parameters and persistent buffers, or a fine-tune
that was stopped can't go on.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from ttl.errors import UsageError

if TYPE_CHECKING:
    from ttl.finetune.adapters.adapter import Adapter

ADAPTERS: dict[str, str] = {}  # name -> `module:class`: recipes are listed without torch, and every adapter needs it


def adapter_kind(name: str) -> type[Adapter]:
    """The class of the adapter of that name.

    Raises:
        UsageError: there is none.
    """
    if name not in ADAPTERS:
        raise UsageError(f"There is no adapter {name!r}: there are {', '.join(ADAPTERS) or 'none yet'}")
    module, _, kind = ADAPTERS[name].partition(":")
    adapter: type[Adapter] = getattr(import_module(module), kind)
    return adapter
