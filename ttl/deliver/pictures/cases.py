"""Test images that the report shows, with what networks make of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from ttl.typed import Figure, OptionalKey

Which = Literal["full", "chosen"]
"""The whole network, and the one that is cut where the search chose."""


@dataclass(frozen=True, kw_only=True)
class MaskCase:
    """A test image, why it is shown, its figures (network -> metric -> value) and its pictures (what -> file)."""

    id: str
    why: str
    figures: Mapping[Which, Mapping[str, Figure]]
    files: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class MaskCases:
    """What the networks draw on some images."""

    split: str
    classes: tuple[str, ...]
    cases: tuple[MaskCase, ...]


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a network gives for an image, or for a label of it."""

    name: Annotated[str, Field(alias="class")]
    probability: float
    right: bool


@dataclass(frozen=True, kw_only=True)
class CamCase:
    """A test image with its maps.

    Attributes:
        truth: its class, or the label with `no` before it where that is absent.
        map_of: network -> the class that its map is of.
        map_size: network -> rows and columns of the map.
        files: `image` and each network -> file.
    """

    id: str
    why: str
    truth: str
    says: Mapping[Which, Answer]
    map_of: Mapping[Which, str]
    map_size: Mapping[Which, tuple[int, ...]]
    files: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class CamCases:
    """Grad-CAM of some images; only `missing`, the reason, where it could not be drawn."""

    split: OptionalKey[str] = None
    cases: Annotated[tuple[CamCase, ...], Field(exclude_if=lambda cases: not cases)] = ()
    missing: OptionalKey[str] = None
