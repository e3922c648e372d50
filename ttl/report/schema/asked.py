"""What was asked for and what it was done with: data, network, recipe, command."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from pydantic import JsonValue

from ttl.data.task import Duplicate
from ttl.typed import OptionalKey

SPLITS = ("train", "val", "test")
Setting = str | bool | int | float | tuple[str | int | float, ...] | None
"""The value of an option."""


@dataclass(frozen=True, kw_only=True)
class Duplicates:
    """Pairs of images across the splits that show the same, `identical` ones byte for byte, and the `first` of them.

    `images` is how many of a later split an earlier one has too.
    """

    pairs: int
    identical: int
    images: int
    first: tuple[Duplicate, ...]


@dataclass(frozen=True, kw_only=True)
class TaskRecord:
    """The data set.

    Attributes:
        channels: 1 grey, 3 colour.
        width_px: `min`, `median` and `max`, as `height_px`.
        groups_shared: groups (patients) in more than one split; None where there are no groups.
        duplicates: None where nobody looked.
        pixel_share: of masks: class -> its share of the labelled pixels; `unlabelled_share` is of all pixels.
        counts: split -> class -> images that hold it.
        split_images: split -> images.
        groups: split -> groups, None where there are none.
        distance_unit: of distances between edges of masks: `px` or `mm`.
    """

    name: str
    kind: Literal["binary", "multiclass", "multilabel", "segmentation"]
    class_names: tuple[str, ...]
    images: int
    channels: int
    width_px: Mapping[str, int | float]
    height_px: Mapping[str, int | float]
    groups_shared: int | None
    duplicates: Duplicates | None
    fingerprint: str
    notes: tuple[str, ...]
    pixel_share: OptionalKey[Mapping[str, float]] = None
    unlabelled_share: OptionalKey[float] = None
    counts: Mapping[str, Mapping[str, int]]
    split_images: Mapping[str, int]
    groups: Mapping[str, int | None]
    distance_unit: OptionalKey[str] = None

    def __post_init__(self) -> None:
        if any(set(by_split) != set(SPLITS) for by_split in (self.counts, self.split_images, self.groups)):
            raise ValueError(f"counts, split_images and groups must have {', '.join(SPLITS)}")
        if any(set(by_class) != set(self.class_names) for by_class in self.counts.values()):
            raise ValueError("counts must have all of class_names")
        if self.kind == "binary" and len(self.class_names) != 2:
            raise ValueError("a binary task has two class_names")

    @property
    def has_masks(self) -> bool:
        """Whether each pixel is given a class, by a U-Net."""
        return self.kind == "segmentation"

    @property
    def has_labels(self) -> bool:
        """Whether an image has several labels, each present or absent."""
        return self.kind == "multilabel"


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
    augment: str | Mapping[str, Setting]
    dropout: float
    balance: str
    amp: str
    processes: int
    seeds: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """The content of run.json.

    Attributes:
        config: option -> value, as given.
        resolved: all that decides a trial's result; only the run, its owner, knows how it is built.
        data: `fingerprint` and `name`.
        weights: `sha256` and `summary`.
    """

    schema: int
    command: str
    config: Mapping[str, Setting]
    seed: int
    resolved: Mapping[str, JsonValue]
    data: Mapping[str, str]
    weights: Mapping[str, str | None]
    versions: Mapping[str, str]
    hardware: Mapping[str, str | int | float | None]
    started: str
