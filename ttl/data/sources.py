"""Where images come from: files, or one array."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from ttl.data.dicom import Window
from ttl.data.image import Facts, read_image
from ttl.data.task import ImageSource

UNKNOWN = (np.nan, np.nan)


@dataclass(frozen=True, eq=False)
class FileSource:
    """Image files that have been checked.

    Attributes:
        paths: of each image.
        facts: what checking each told.
        window: of the values of DICOM files, in place of their own.
    """

    paths: tuple[Path, ...]
    facts: tuple[Facts, ...]
    window: Window | None = None

    def __len__(self) -> int:
        return len(self.paths)

    @cached_property
    def channels(self) -> int:
        """1 where every image is grey, else 3."""
        return max((fact.channels for fact in self.facts), default=1)

    @cached_property
    def sizes(self) -> npt.NDArray[np.int64]:
        """`(n, 2)` int64: width and height of each image in pixels, upright."""
        return np.array([(fact.width, fact.height) for fact in self.facts], np.int64).reshape(-1, 2)

    @cached_property
    def digests(self) -> tuple[bytes, ...]:
        """SHA-256 of each file."""
        return tuple(fact.digest for fact in self.facts)

    @cached_property
    def spacing_mm(self) -> npt.NDArray[np.float64]:
        """`(n, 2)` float64: from row to row and from column to column; NaN where the file doesn't say."""
        return np.array([fact.spacing_mm or UNKNOWN for fact in self.facts], np.float64).reshape(-1, 2)

    def load(self, index: int) -> Image.Image:
        """The image at a position, upright, of mode `L` or `RGB`."""
        return read_image(self.paths[index], self.window)


@dataclass(frozen=True, eq=False)
class PickedSource:
    """Some images of another source.

    Attributes:
        whole: the other source.
        index: `(n,)` positions in it.
    """

    whole: ImageSource
    index: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.index)

    @property
    def channels(self) -> int:
        """1 where every image of the other source is grey, else 3."""
        return self.whole.channels

    @cached_property
    def sizes(self) -> npt.NDArray[np.int64]:
        """`(n, 2)` int64: width and height of each image in pixels, upright."""
        return self.whole.sizes[self.index]

    @cached_property
    def digests(self) -> tuple[bytes, ...]:
        """SHA-256 of each image as it is stored."""
        return tuple(self.whole.digests[i] for i in self.index)

    @cached_property
    def spacing_mm(self) -> npt.NDArray[np.float64]:
        """`(n, 2)` float64: from row to row and from column to column; NaN where unknown."""
        return self.whole.spacing_mm[self.index]

    def load(self, index: int) -> Image.Image:
        """The image at a position, upright, of mode `L` or `RGB`."""
        return self.whole.load(int(self.index[index]))


@dataclass(frozen=True, eq=False)
class ArraySource:
    """Images of one size in memory.

    Attributes:
        pixels: `(n, h, w)` (grey) or `(n, h, w, 3)` uint8.
    """

    pixels: npt.NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.pixels)

    @property
    def channels(self) -> int:
        """1 where the images are grey, else 3."""
        return 1 if self.pixels.ndim == 3 else 3

    @cached_property
    def sizes(self) -> npt.NDArray[np.int64]:
        """`(n, 2)` int64: width and height of each image in pixels."""
        height, width = self.pixels.shape[1:3]
        return np.tile(np.array([width, height], np.int64), (len(self), 1))

    @cached_property
    def digests(self) -> tuple[bytes, ...]:
        """SHA-256 of each image's shape and pixels."""
        shape = str(self.pixels.shape[1:]).encode()
        return tuple(hashlib.sha256(shape + image.tobytes()).digest() for image in self.pixels)

    @property
    def spacing_mm(self) -> npt.NDArray[np.float64]:
        """`(n, 2)` float64 of NaN: an array doesn't say."""
        return np.tile(np.array(UNKNOWN), (len(self), 1))

    def load(self, index: int) -> Image.Image:
        """The image at a position, of mode `L` or `RGB`."""
        return Image.fromarray(self.pixels[index])
