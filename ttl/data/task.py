"""What is learned from: a kind, class names, and three splits of samples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np
import numpy.typing as npt
from PIL import Image

from ttl.stats.masks import UNLABELLED

if TYPE_CHECKING:
    from ttl.data.kind import Kind

Labels = npt.NDArray[np.int64]

SPLITS = ("train", "val", "test")
UNUSED = "unused"
"""Where samples go that are in no split: what a smaller share of train leaves out."""


MISSING = -1
"""A label that isn't known, in multi-label tasks: it counts in neither loss nor metric."""

IGNORE = UNLABELLED
"""A pixel of no known class, in the masks of segmentation tasks: it counts in neither loss nor metric."""


def class_counts(labels: Labels, classes: int) -> list[int]:
    """Samples of each class; those that are known to have it, where a sample may have several."""
    if labels.ndim == 2:
        return [int(count) for count in (labels == 1).sum(axis=0)]
    return [int(count) for count in np.bincount(labels, minlength=classes)]


def label_words(class_names: tuple[str, ...], label: Labels) -> str:
    """A label as text: its class; or `edema=1;mass=0;nodule=`, nothing where unknown."""
    if label.ndim == 0:
        return class_names[int(label)]
    return ";".join(f"{name}={'' if value < 0 else value}" for name, value in zip(class_names, label, strict=True))


class ImageSource(Protocol):
    """All images of a data set, decoded when asked for."""

    @property
    def channels(self) -> int:
        """1 where every image is grey, else 3."""

    @property
    def sizes(self) -> npt.NDArray[np.int64]:
        """`(n, 2)` int64: width and height of each image in pixels, upright."""

    @property
    def digests(self) -> tuple[bytes, ...]:
        """SHA-256 of each image as it is stored."""

    @property
    def spacing_mm(self) -> npt.NDArray[np.float64]:
        """`(n, 2)` float64: millimetres from row to row and from column to column; NaN where unknown."""

    def __len__(self) -> int: ...

    def load(self, index: int) -> Image.Image:
        """The image at a position, upright, of mode `L` or `RGB`.

        Raises:
            DataError: it can't be read (any more).
        """


class MaskSource(Protocol):
    """The masks of a segmentation set, at the positions of its images."""

    @property
    def digests(self) -> tuple[bytes, ...]:
        """SHA-256 of each mask's size and classes."""

    @property
    def pixel_counts(self) -> npt.NDArray[np.int64]:
        """`(n, classes + 1)` int64: pixels of each class in each mask; in the last column the unlabelled ones."""

    def __len__(self) -> int: ...

    def load(self, index: int) -> npt.NDArray[np.uint8]:
        """`(height, width)` uint8: the class of each pixel of the mask at a position, or `IGNORE`.

        Raises:
            DataError: it can't be read (any more).
        """


@dataclass(frozen=True)
class Duplicate:
    """Two samples that show the same image.

    Attributes:
        a: sample id.
        b: sample id.
        a_split: the split that `a` is in.
        b_split: the split that `b` is in.
        kind: `identical` where the stored bytes are equal, `near` where the pictures are.
        distance: bits of 256 in which their perceptual hashes differ.
    """

    a: str
    b: str
    a_split: str
    b_split: str
    kind: Literal["identical", "near"]
    distance: int


@dataclass(frozen=True, eq=False)
class Samples:
    """One split.

    Attributes:
        ids: stable and unique: the path relative to the data root, or `train/17` for arrays.
        labels: `(n,)` int64, an index into the task's class names; in multi-label tasks `(n, classes)` of 1, 0 and
            -1 (unknown), in segmentation tasks of 1 where the class is in the mask and 0 where it isn't.
        source: holds the images of the whole data set, not of this split alone.
        index: `(n,)` int64, the position of each sample in `source` and in `masks`.
        groups: what must not be torn apart (the patient) for each sample; None where unknown.
        masks: those of the whole data set, in segmentation tasks.
    """

    ids: tuple[str, ...]
    labels: Labels
    source: ImageSource
    index: npt.NDArray[np.int64]
    groups: tuple[str, ...] | None = None
    masks: MaskSource | None = None

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True, eq=False)
class Task:
    """A data set ready for training: checked, named and split.

    Attributes:
        name: what messages call it.
        kind: of the labels.
        class_names: by label; class 1 of a binary task is the positive one.
        train: what the weights are fitted on.
        val: what decides: when to stop, which point.
        test: what is reported.
        fingerprint: SHA-256 (hex) over ids, labels and the bytes of every image and mask, whatever the split.
        notes: what a person should know about how the data was read, a sentence each.
        unused: what is in none of the three; None where all is used.
        duplicates: pairs of images in different splits that show the same; None where nobody looked for them.
    """

    name: str
    kind: Kind
    class_names: tuple[str, ...]
    train: Samples
    val: Samples
    test: Samples
    fingerprint: str
    notes: tuple[str, ...] = ()
    unused: Samples | None = None
    duplicates: tuple[Duplicate, ...] | None = None

    @property
    def splits(self) -> dict[str, Samples]:
        """The three splits by name."""
        return {"train": self.train, "val": self.val, "test": self.test}
