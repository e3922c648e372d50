"""What to suggest for the name of a network that doesn't exist."""

from __future__ import annotations

import difflib
from functools import cache

import timm
import torchvision

TORCHVISION = "tv:"
UNET = "unet:"
SUGGESTED = 3


@cache
def timm_names() -> tuple[str, ...]:
    """All that timm can build, without tags."""
    return tuple(timm.list_models())


@cache
def torchvision_names() -> tuple[str, ...]:
    """torchvision's classification networks."""
    return tuple(torchvision.models.list_models(module=torchvision.models))


def did_you_mean(name: str) -> str:
    """The end of a sentence: the same name in the other zoo, and near names in the one that was asked for."""
    near = _in_torchvision(name) if name.startswith(TORCHVISION) else _in_timm(name)
    return f"did you mean {' or '.join(near)}?" if near else "give a timm name such as resnet50, or tv:resnet50"


def _in_torchvision(name: str) -> list[str]:
    plain = name.removeprefix(TORCHVISION).lower()
    near = [f"{TORCHVISION}{n}" for n in _near(plain, torchvision_names())]
    other = [plain] if plain in timm_names() and f"{TORCHVISION}{plain}" not in near else []
    return (other + near)[:SUGGESTED]


def _in_timm(name: str) -> list[str]:
    base = name.lower().removeprefix("timm/").partition(".")[0]
    near = _near(base, timm_names())
    other = [f"{TORCHVISION}{base}"] if base in torchvision_names() and base not in near else []
    return (other + near)[:SUGGESTED]


def _near(name: str, names: tuple[str, ...]) -> list[str]:
    if not name:
        return []
    near = difflib.get_close_matches(name, names, n=SUGGESTED, cutoff=0.6)
    return near or [n for n in names if n.startswith(name[:5])][:SUGGESTED]
