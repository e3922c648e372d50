"""What a task holds, in numbers: for tables, the report, and whoever looks before a run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from ttl.data.kind import Kind
from ttl.data.splits_file import groups_across
from ttl.data.task import SPLITS, Duplicate, Samples, Task, class_counts
from ttl.typed import OptionalKey
from ttl.words.counts import counted

DUPLICATES_NAMED = 20


@dataclass(frozen=True)
class Spread:
    """Of a number of pixels over all images."""

    min: int
    median: float
    max: int


@dataclass(frozen=True)
class Duplicates:
    """How many pairs of images in different splits show the same, and the first of them."""

    pairs: int
    identical: int  # of the pairs, pixel for pixel
    images: int  # of a later split that an earlier one has too
    first: tuple[Duplicate, ...]


@dataclass(frozen=True, kw_only=True)
class Description:
    """A data set in numbers."""

    name: str
    kind: Kind
    class_names: tuple[str, ...]
    finding: tuple[str, ...] = ()  # the classes that are one finding; none where that isn't known
    images: int
    channels: int  # 1 grey, 3 colour
    width_px: Spread
    height_px: Spread
    groups_shared: int | None  # groups (patients) in more than one split; None where there are no groups
    duplicates: Duplicates | None  # None where nobody looked
    fingerprint: str
    notes: tuple[str, ...]
    pixel_share: OptionalKey[Mapping[str, float]] = None  # of masks: class -> its share of the labelled pixels
    unlabelled_share: OptionalKey[float] = None  # of all pixels of the masks
    counts: Mapping[str, Mapping[str, int]]  # split -> class -> images that are labelled with it
    split_images: Mapping[str, int]
    groups: Mapping[str, int | None]  # split -> groups, None where there are none
    # split -> attribute (sex, site) -> value, empty where unknown -> images; of no attribute where there are none
    attributes: Mapping[str, Mapping[str, Mapping[str, int]]] = field(default_factory=dict)
    patients_known: OptionalKey[int] = None  # images whose patient is known
    distance_unit: OptionalKey[str] = None  # of distances between edges of masks: `px` or `mm`

    def __post_init__(self) -> None:
        """Refuse, as a ValueError, what lacks a split or a class."""
        for name in ("counts", "split_images", "groups"):
            if set(getattr(self, name)) != set(SPLITS):
                raise ValueError(f"{name} has not just {', '.join(SPLITS)}")
        if any(set(by_class) != set(self.class_names) for by_class in self.counts.values()):
            raise ValueError("counts has not just the class names")


def describe(task: Task) -> Description:
    """Counts and sizes, from what is there already: no image is read."""
    splits, sizes = task.splits.items(), task.train.source.sizes
    shares, unlabelled = _pixel_shares(task)
    duplicates, pairs = None, task.duplicates
    if pairs is not None:
        identical, images = sum(pair.kind == "identical" for pair in pairs), len({pair.b for pair in pairs})
        duplicates = Duplicates(len(pairs), identical, images, pairs[:DUPLICATES_NAMED])
    return Description(
        name=task.name,
        kind=task.kind,
        class_names=task.class_names,
        finding=task.finding,
        images=sum(len(samples) for _, samples in splits),
        channels=task.train.source.channels,
        width_px=_spread(sizes[:, 0]),
        height_px=_spread(sizes[:, 1]),
        groups_shared=shared_groups(task),
        duplicates=duplicates,
        fingerprint=task.fingerprint,
        notes=task.notes,
        pixel_share=shares,
        unlabelled_share=unlabelled,
        counts={split: class_counts(task.class_names, samples.labels) for split, samples in splits},
        split_images={split: len(samples) for split, samples in splits},
        groups={split: None if samples.groups is None else len(set(samples.groups)) for split, samples in splits},
        attributes={split: _values(samples) for split, samples in splits} if task.train.attributes else {},
        patients_known=task.patients_known,
        distance_unit=task.kind.distance_unit(task.train) or None,
    )


def patients_words(known: int, images: int) -> str:
    """How far patients are known, in a sentence."""
    words = f"Patients: known of {known} of {counted(images, 'image')}"
    others = "of the others, those" if known else "images"
    return f"{words}." if known == images else f"{words}; {others} of one patient may be in several splits."


def _pixel_shares(task: Task) -> tuple[Mapping[str, float] | None, float | None]:
    """Of each class among the labelled pixels, and of the unlabelled among all."""
    if task.train.masks is None:
        return None, None
    *pixels, unlabelled = task.train.masks.pixel_counts.sum(axis=0).tolist()
    shares = {name: count / sum(pixels) for name, count in zip(task.class_names, pixels, strict=True)}
    return shares, unlabelled / (sum(pixels) + unlabelled)


def _values(samples: Samples) -> dict[str, dict[str, int]]:
    return {name: dict(sorted(Counter(values).items())) for name, values in samples.attributes.items()}


def _spread(values: npt.NDArray[np.int64]) -> Spread:
    return Spread(int(values.min()), float(np.median(values)), int(values.max()))


def shared_groups(task: Task) -> int | None:
    """How many groups lie in more than one split; None where there are no groups."""
    places = [(split, group) for split, samples in task.splits.items() for group in samples.groups or ()]
    return len(groups_across(*zip(*places, strict=True))) if places else None
