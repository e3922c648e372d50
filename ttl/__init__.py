"""Truncated transfer learning: the smallest cut of a pretrained network that is as good as the whole.

Everything public is imported when it is first used, so that `import ttl` costs nothing.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ttl.cut.points import TruncationPoint as TruncationPoint
    from ttl.cut.points import truncation_points as truncation_points
    from ttl.cut.truncation import truncate as truncate
    from ttl.data import load_task as load_task
    from ttl.errors import TTLError as TTLError
    from ttl.export.bundle import load_bundle as load_bundle
    from ttl.export.run import OnnxModel as OnnxModel
    from ttl.export.to_file import export_onnx as export_onnx
    from ttl.networks import load_backbone as load_backbone
    from ttl.run import plan as plan
    from ttl.run import run as run

__version__ = "0.1.0"

_HOMES = {
    "OnnxModel": "ttl.export.run",
    "TTLError": "ttl.errors",
    "TruncationPoint": "ttl.cut.points",
    "export_onnx": "ttl.export.to_file",
    "load_backbone": "ttl.networks",
    "load_bundle": "ttl.export.bundle",
    "load_task": "ttl.data",
    "plan": "ttl.run",
    "truncate": "ttl.cut.truncation",
    "truncation_points": "ttl.cut.points",
}

_ROOMS = {"similarity": "ttl.stats.similarity", "windows": "ttl.data.modality.windows"}
"""Modules under their short public names."""

__all__ = ["__version__", "run", "search", *_HOMES]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    if name in _ROOMS:
        return import_module(_ROOMS[name])
    raise AttributeError(f"module 'ttl' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


class _Package(ModuleType):
    """`ttl.search` and `ttl.run` are public functions, and rooms of the package too: both readings work.

    Importing a submodule sets it as an attribute of its package; these properties keep the functions there.
    """

    search = property(lambda package: import_module("ttl.run").search, lambda package, module: None)
    run = property(lambda package: import_module("ttl.run").run, lambda package, module: None)


sys.modules[__name__].__class__ = _Package
