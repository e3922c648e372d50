"""What was asked for and what it was done with: network and recipe."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class WeightsRecord:
    """The weights that the network began with; `missing` and `ignored` are names of tensors."""

    source: str
    loaded: int
    missing: tuple[str, ...]
    ignored: tuple[str, ...]
    sha256: str | None
    entry: str
    summary: str


@dataclass(frozen=True, kw_only=True)
class ModelRecord:
    """The network and the images that it takes; `image_size` is in pixels: a square's side, or each side."""

    name: str
    image_size: int | tuple[int, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    interpolation: str
    weights: WeightsRecord


@dataclass(frozen=True, kw_only=True)
class RecipeRecord:
    """How every candidate was fine-tuned; `augment` is a preset's name, or the fields of `ttl.data.Augment`."""

    name: str
    source: str
    phases: str
    epochs_cap: int | None
    batch_size: int
    accumulate: int
    augment: str | Mapping[str, str | int | float | bool]
    dropout: float
    balance: str
    amp: str
    processes: int
    seeds: tuple[int, ...]
