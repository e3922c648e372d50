"""What checked files hold: images and masks; width and height are in pixels, upright."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Facts:
    """Of an image."""

    digest: bytes
    """SHA-256 of the file's bytes, and of the window that a DICOM file is shown through: it makes another image."""
    width: int
    height: int
    channels: int  # 1 (grey) or 3
    deep: bool = False  # more than 8 bits a pixel, so that `open_image` stretches it
    animated: bool = False  # several frames, of which `open_image` takes the first
    windowed: bool = False  # a DICOM file, of whose values a window is shown
    patient: str = ""  # who a DICOM file says it is of; empty where it doesn't say
    spacing_mm: tuple[float, float] | None = None
    """From row to row and from column to column, of a DICOM file; None where unknown."""
    orientation: int = 1  # the EXIF one, by which `open_image` turns it; 1 where it is upright as it is stored


Palette = tuple[tuple[int, int], ...]
"""Values that occur, each with its colour as 0xRRGGBB."""


@dataclass(frozen=True, eq=False)
class MaskFacts:
    """Of a mask, in one file or several."""

    digest: bytes  # SHA-256 of its size and values
    width: int
    height: int
    counts: npt.NDArray[np.int64]  # `(256,)`: pixels of each value
    one_bit: bool  # it can only say 0 and 1, so that its 1 may mean what another mask's 255 means
    palettes: tuple[Palette, ...] = ()  # of its files, empty where a file has none
    turn: int = 1  # the EXIF orientation of its image, where that was applied to it; else 1
    own_turn: bool = False  # whether it has an EXIF orientation of its own that turns it
    files: int = 1

    @property
    def values(self) -> frozenset[int]:
        """Those that occur."""
        return frozenset(np.flatnonzero(self.counts).tolist())
