"""Adapters by the names that recipes have for them, imported when first used."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from ttl.errors import UsageError

if TYPE_CHECKING:
    from ttl.finetune.adapters.adapter import Adapter

ADAPTERS: dict[str, str] = {}
"""Name -> `module:class`: recipes are listed without torch, and every adapter needs it."""


def adapter_kind(name: str) -> type[Adapter]:
    """The class of the adapter of that name.

    Raises:
        UsageError: there is none.
    """
    if name not in ADAPTERS:
        raise UsageError(f"There is no adapter {name!r}: there are {', '.join(ADAPTERS) or 'none yet'}")
    module, _, kind = ADAPTERS[name].partition(":")
    found: type[Adapter] = getattr(import_module(module), kind)
    return found
