"""Where masks come from: files, or some of those."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ttl.data.mask_classes import MaskClasses
from ttl.data.mask_file import VALUES, MaskFacts, read_mask
from ttl.data.task import MaskSource


@dataclass(frozen=True, eq=False)
class FileMasks:
    """Mask files that have been checked.

    Attributes:
        paths: of each mask.
        facts: what checking each told.
        classes: what their values mean.
    """

    paths: tuple[Path, ...]
    facts: tuple[MaskFacts, ...]
    classes: MaskClasses

    def __len__(self) -> int:
        return len(self.paths)

    @cached_property
    def digests(self) -> tuple[bytes, ...]:
        """SHA-256 of each mask's size and classes."""
        meaning = self.classes.table.tobytes()
        return tuple(hashlib.sha256(fact.digest + meaning).digest() for fact in self.facts)

    @cached_property
    def pixel_counts(self) -> npt.NDArray[np.int64]:
        """`(n, classes + 1)` int64: pixels of each class in each mask; in the last column the unlabelled ones."""
        classes = len(self.classes.names)
        of_class = np.minimum(self.classes.table, classes)[:, None] == np.arange(classes + 1)
        counts: npt.NDArray[np.int64] = np.array([fact.counts for fact in self.facts]).reshape(-1, VALUES) @ of_class
        return counts

    def load(self, index: int) -> npt.NDArray[np.uint8]:
        """`(height, width)` uint8: the class of each pixel of the mask at a position, or `IGNORE`.

        Raises:
            DataError: it can't be read any more.
        """
        return self.classes.table[read_mask(self.paths[index])]


@dataclass(frozen=True, eq=False)
class PickedMasks:
    """Some masks of another source.

    Attributes:
        whole: the other source.
        index: `(n,)` positions in it.
    """

    whole: MaskSource
    index: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.index)

    @cached_property
    def digests(self) -> tuple[bytes, ...]:
        """SHA-256 of each mask's size and classes."""
        return tuple(self.whole.digests[i] for i in self.index)

    @cached_property
    def pixel_counts(self) -> npt.NDArray[np.int64]:
        """`(n, classes + 1)` int64: pixels of each class in each mask; in the last column the unlabelled ones."""
        return self.whole.pixel_counts[self.index]

    def load(self, index: int) -> npt.NDArray[np.uint8]:
        """`(height, width)` uint8: the class of each pixel of the mask at a position, or `IGNORE`."""
        return self.whole.load(int(self.index[index]))
