"""Where images and masks come from: files, or one array."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt
from PIL import Image

from ttl.data.modality.facts import Facts, MaskFacts
from ttl.data.modality.image import Pixels, read_image
from ttl.data.modality.mask_union import MaskFile, read_mask
from ttl.data.modality.rendering import AS_FILED, Rendering
from ttl.data.task import Labels, picked
from ttl.words.mask_values import MaskValues


@dataclass(frozen=True, eq=False)
class ImageSource(ABC):
    """All images of a data set, checked, and decoded when asked for."""

    facts: tuple[Facts, ...]
    # Position -> small grey picture, filled in by who compares images: none is decoded for that twice.
    thumbnails: dict[int, Pixels] = field(default_factory=dict, kw_only=True, repr=False)

    def __len__(self) -> int:
        return len(self.facts)

    @cached_property
    def channels(self) -> int:
        """1 where every image is grey, else 3."""
        return max((fact.channels for fact in self.facts), default=1)

    @cached_property
    def sizes(self) -> Labels:
        """`(n, 2)` int64: width and height of each image in pixels, upright."""
        return np.array([(fact.width, fact.height) for fact in self.facts], np.int64).reshape(-1, 2)

    @cached_property
    def digests(self) -> tuple[bytes, ...]:
        """SHA-256 of each image as it is stored."""
        return tuple(fact.digest for fact in self.facts)

    @cached_property
    def spacing_mm(self) -> npt.NDArray[np.float64]:
        """`(n, 2)` float64: millimetres from row to row and from column to column; NaN where unknown."""
        return np.array([fact.spacing_mm or (np.nan, np.nan) for fact in self.facts], np.float64).reshape(-1, 2)

    @abstractmethod
    def load(self, index: int) -> Image.Image:
        """The image at a position, upright, of mode `L` or `RGB`.

        Raises:
            DataError: it can't be read (any more).
        """

    @abstractmethod
    def pick(self, positions: Sequence[int]) -> Self:
        """The images at these positions."""

    def _thumbnails_at(self, positions: Sequence[int]) -> dict[int, Pixels]:
        """Those that are there, at the positions that `pick` gives them."""
        kept = self.thumbnails
        return {new: kept[old] for new, old in enumerate(positions) if old in kept}


@dataclass(frozen=True, eq=False)
class FileSource(ImageSource):
    """Image files."""

    paths: tuple[Path, ...]
    rendering: Rendering = AS_FILED

    def load(self, index: int) -> Image.Image:
        """See `ImageSource`."""
        return read_image(self.paths[index], self.rendering_of(index))

    def rendering_of(self, index: int) -> Rendering:
        """How the image at a position is read: of a file with several frames one, whichever was asked for."""
        return self.rendering.at(self.facts[index].frame)

    def pick(self, positions: Sequence[int]) -> Self:
        """See `ImageSource`."""
        return replace(
            self,
            facts=picked(self.facts, positions),
            paths=picked(self.paths, positions),
            thumbnails=self._thumbnails_at(positions),
        )


@dataclass(frozen=True, eq=False)
class ArraySource(ImageSource):
    """Images of one size in memory."""

    pixels: Pixels

    @classmethod
    def of(cls, pixels: Pixels) -> Self:
        """The images of `(n, h, w)` (grey) or `(n, h, w, 3)` uint8; their digests are of shape and pixels."""
        (height, width), channels = pixels.shape[1:3], 1 if pixels.ndim == 3 else 3
        shape = str(pixels.shape[1:]).encode()
        digests = (hashlib.sha256(shape + image.tobytes()).digest() for image in pixels)
        flat = pixels.reshape(len(pixels), height * width, channels)
        # Of whole numbers below 256 the difference is one of them, too.
        contrasts = (flat.max(axis=1, initial=0) - flat.min(axis=1, initial=255)).max(axis=1) if flat.size else ()
        facts = (
            Facts(digest, width, height, channels, contrast=int(contrast))
            for digest, contrast in zip(digests, contrasts, strict=True)
        )
        return cls(tuple(facts), pixels)

    def load(self, index: int) -> Image.Image:
        """See `ImageSource`."""
        return Image.fromarray(self.pixels[index])

    def pick(self, positions: Sequence[int]) -> Self:
        """See `ImageSource`."""
        return replace(
            self,
            facts=picked(self.facts, positions),
            pixels=self.pixels[np.array(positions, np.int64)],
            thumbnails=self._thumbnails_at(positions),
        )


@dataclass(frozen=True, eq=False)
class MaskSource:
    """The masks of a segmentation set, at the positions of its images."""

    facts: tuple[MaskFacts, ...]
    files: tuple[tuple[MaskFile, ...], ...]  # of each mask, which may have several
    table: Pixels  # `(256,)` uint8: the class that each value means, or `IGNORE`
    classes: int  # how many there are
    meaning: MaskValues | None = None  # how files become values, see `decode_mask`

    def __len__(self) -> int:
        return len(self.files)

    @cached_property
    def digests(self) -> tuple[bytes, ...]:
        """SHA-256 of each mask's size and classes."""
        meaning = self.table.tobytes()
        return tuple(hashlib.sha256(fact.digest + meaning).digest() for fact in self.facts)

    @cached_property
    def pixel_counts(self) -> Labels:
        """`(n, classes + 1)` int64: pixels of each class in each mask; in the last column the unlabelled ones."""
        of_class = np.minimum(self.table, self.classes)[:, None] == np.arange(self.classes + 1)
        counts: Labels = np.array([fact.counts for fact in self.facts]).reshape(-1, len(self.table)) @ of_class
        return counts

    def load(self, index: int) -> Pixels:
        """`(height, width)` uint8: the class of each pixel of the mask at a position, or `IGNORE`.

        Raises:
            DataError: it can't be read (any more).
        """
        return self.table[read_mask(self.files[index], self.facts[index].turn, self.meaning)]

    def pick(self, positions: Sequence[int]) -> Self:
        """The masks at these positions."""
        return replace(self, facts=picked(self.facts, positions), files=picked(self.files, positions))
