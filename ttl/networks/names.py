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
    own, others, prefix, other = timm_names(), torchvision_names(), "", TORCHVISION
    if name.startswith(TORCHVISION):
        own, others, prefix, other = others, own, other, prefix
    plain = name.removeprefix(TORCHVISION).lower()
    plain = plain if prefix else plain.removeprefix("timm/").partition(".")[0]
    near = difflib.get_close_matches(plain, own, n=SUGGESTED, cutoff=0.6) if plain else []
    near = near or [full for full in own if plain and full.startswith(plain[:5])]
    twin = [other + plain] if plain in others and plain not in near else []
    suggested = [*twin, *(prefix + full for full in near)][:SUGGESTED]
    return (
        f"did you mean {' or '.join(suggested)}?" if suggested else "give a timm name such as resnet50, or tv:resnet50"
    )
