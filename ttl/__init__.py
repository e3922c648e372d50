"""Truncated transfer learning: the smallest cut of a pretrained network that is as good as the whole.

Everything public is imported when it is first used, so that `import ttl` costs nothing.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ttl.backbones import load_backbone as load_backbone
    from ttl.bundle import load_bundle as load_bundle
    from ttl.data import load_task as load_task
    from ttl.errors import TTLError as TTLError
    from ttl.export.run import OnnxModel as OnnxModel
    from ttl.export.to_onnx import export_onnx as export_onnx
    from ttl.pipeline import plan as plan
    from ttl.pipeline import run as run
    from ttl.points import TruncationPoint as TruncationPoint
    from ttl.points import truncation_points as truncation_points
    from ttl.truncation import truncate as truncate

__version__ = "0.1.0"

_HOMES = {
    "OnnxModel": "ttl.export.run",
    "TTLError": "ttl.errors",
    "TruncationPoint": "ttl.points",
    "export_onnx": "ttl.export.to_onnx",
    "load_backbone": "ttl.backbones",
    "load_bundle": "ttl.bundle",
    "load_task": "ttl.data",
    "plan": "ttl.pipeline",
    "run": "ttl.pipeline",
    "truncate": "ttl.truncation",
    "truncation_points": "ttl.points",
}

__all__ = ["__version__", "search", *_HOMES]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'ttl' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


class _Package(ModuleType):
    """`ttl.search` is the public function, and `ttl.search.two_stage` a module: both readings work.

    Importing a submodule sets it as an attribute of its package; this property keeps the function there.
    """

    @property
    def search(self) -> Any:
        """See `ttl.pipeline.search`."""
        return import_module("ttl.pipeline").search

    @search.setter
    def search(self, module: ModuleType) -> None:
        pass


sys.modules[__name__].__class__ = _Package
