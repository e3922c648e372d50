"""What is learned from: a kind, class names, and three splits of samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeVar

import numpy as np
import numpy.typing as npt

from ttl.stats.mask_overlap import UNLABELLED

if TYPE_CHECKING:
    from ttl.data.kind import Kind
    from ttl.data.sources import ImageSource, MaskSource

Labels = npt.NDArray[np.int64]
Value = TypeVar("Value")
Attributes = Mapping[str, tuple[str, ...]]
"""Name (sex, site) -> the value of each sample, empty where it is unknown; of no name where there are none."""

SPLITS = ("train", "val", "test")
UNUSED = "unused"  # where samples go that are in no split: what a smaller share of train leaves out

MISSING = -1  # a label of unknown value, in multi-label tasks: it counts in neither loss nor metric

ORDINAL_METRICS = ("kappa",)
"""Metrics that mean something only where the classes are ordered."""

IGNORE = UNLABELLED
"""A pixel of unknown class, in the masks of segmentation tasks: it counts in neither loss nor metric."""


def class_counts(class_names: tuple[str, ...], labels: Labels) -> dict[str, int]:
    """Samples of each class; where a sample may have several, those that are labelled with it."""
    counts = (labels == 1).sum(0) if labels.ndim == 2 else np.bincount(labels, minlength=len(class_names))
    return dict(zip(class_names, counts.tolist(), strict=True))


def label_words(class_names: tuple[str, ...], label: Labels) -> str:
    """A label as text: its class; or `edema=1;mass=0;nodule=`, nothing where unknown."""
    if label.ndim == 0:
        return class_names[int(label)]
    return ";".join(f"{name}={'' if value < 0 else value}" for name, value in zip(class_names, label, strict=True))


def picked(values: tuple[Value, ...], positions: Sequence[int] | Labels) -> tuple[Value, ...]:
    """The values at these positions."""
    return tuple(values[i] for i in positions)


@dataclass(frozen=True)
class Duplicate:
    """Two samples, by their ids, that show the same image."""

    a: str
    b: str
    a_split: str
    b_split: str
    kind: Literal["identical", "near"]  # `identical` where bytes or pixels are equal, `near` where the pictures are
    distance: int  # bits of 256 in which their perceptual hashes differ


@dataclass(frozen=True, eq=False)
class Samples:
    """One split."""

    ids: tuple[str, ...]  # stable and unique: the path relative to the data root, or `train/17` for arrays
    # `(n,)` int64, an index into the task's class names; in multi-label tasks `(n, classes)` of 1, 0 and -1 (unknown),
    # in segmentation tasks of 1 where the class is in the mask and 0 where it isn't
    labels: Labels
    source: ImageSource  # holds the images of the whole data set, not of this split alone; `masks` likewise
    index: Labels  # `(n,)` int64, the position of each sample in `source` and in `masks`
    # what must not be torn apart (the patient) for each sample; None where unknown
    groups: tuple[str, ...] | None = None
    masks: MaskSource | None = None
    attributes: Attributes = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True, eq=False)
class Task:
    """A data set ready for training: checked, named and split."""

    name: str  # what messages call it
    kind: Kind
    class_names: tuple[str, ...]  # by label; class 1 of a binary task is the positive one
    train: Samples
    val: Samples
    test: Samples
    fingerprint: str  # SHA-256 (hex) over ids, labels and the bytes of every image and mask, whatever the split
    # the classes that are one finding: the positive one of two; of more those that were asked for, if any
    finding: tuple[str, ...] = ()
    ordinal: bool = False  # whether the classes are ordered as their names are
    notes: tuple[str, ...] = ()  # what a person should know about how the data was read, a sentence each
    unused: Samples | None = None  # what is in none of the three splits; None where all is used
    unknown_patients: frozenset[str] = frozenset()  # ids of samples that are a group of their own for want of a patient
    # pairs of images in different splits that show the same; None where nobody looked for them
    duplicates: tuple[Duplicate, ...] | None = None

    @property
    def splits(self) -> dict[str, Samples]:
        """The three splits by name."""
        return {"train": self.train, "val": self.val, "test": self.test}

    @property
    def patients_known(self) -> int:
        """Of how many images of the three splits the patient is known."""
        grouped = [samples for samples in self.splits.values() if samples.groups is not None]
        return sum(sample not in self.unknown_patients for samples in grouped for sample in samples.ids)

    @property
    def metrics(self) -> tuple[str, ...]:
        """Every metric of its kind that means something for its classes."""
        return self._meaning_something(self.kind.metrics)

    @property
    def file_metrics(self) -> tuple[str, ...]:
        """Those of them that are computed again from an exported file."""
        return self._meaning_something(self.kind.file_metrics)

    def _meaning_something(self, metrics: tuple[str, ...]) -> tuple[str, ...]:
        return metrics if self.ordinal else tuple(name for name in metrics if name not in ORDINAL_METRICS)
