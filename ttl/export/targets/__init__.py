"""Ways in which a model leaves: one file each, and a row here. Nothing is imported until it is asked for."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator

from ttl.errors import UsageError

if TYPE_CHECKING:
    from ttl.export.targets.target import Target

TARGETS = {
    "fp32": "float32",
    "fp16": "half precision inside, float32 in and out",
    "int8": "8-bit integers, calibrated on training images",
    "program": "a torch.export program",
}
"""Name -> what it is; the module of that name defines it as `TARGET`."""


def target_of(name: str) -> Target:
    """The target of that name.

    Raises:
        UsageError: there is none.
    """
    if name not in TARGETS:
        raise UsageError(f"There is no target {name!r}: there are {', '.join(TARGETS)}.")
    found: Target = import_module(f"{__name__}.{name}").TARGET
    return found


def _is_target(name: str) -> str:
    if name not in TARGETS:
        *names, last = map(repr, TARGETS)
        raise ValueError(f"should be {', '.join(names)} or {last}")
    return name


TargetName = Annotated[str, AfterValidator(_is_target)]
"""A field that names a target."""
