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
    "openvino": "OpenVINO's IR, float32",
    "openvino-fp16": "OpenVINO's IR, weights stored in half precision",
    "openvino-int8": "OpenVINO's IR, 8-bit integers",
}
"""Name -> what it is; the module of that name, up to a hyphen, defines it as `TARGET` or in `TARGETS`."""


def target_of(name: str) -> Target:
    """The target of that name.

    Raises:
        UsageError: there is none.
    """
    if name not in TARGETS:
        raise UsageError(f"There is no target {name!r}: there are {', '.join(TARGETS)}.")
    module = import_module(f"{__name__}.{name.partition('-')[0]}")
    found: Target = module.TARGETS[name] if "-" in name or not hasattr(module, "TARGET") else module.TARGET
    return found


def _is_target(name: str) -> str:
    if name not in TARGETS:
        *names, last = map(repr, TARGETS)
        raise ValueError(f"should be {', '.join(names)} or {last}")
    return name


TargetName = Annotated[str, AfterValidator(_is_target)]
"""A field that names a target."""
