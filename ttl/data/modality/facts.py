"""What checked files hold: images and masks; width and height are in pixels, upright."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

DicomUse = Literal["", "localizer", "raw"]
"""What a DICOM file was made for, where that isn't to be seen: to plan others by, or to be processed first."""


@dataclass(frozen=True)
class Facts:
    """Of an image."""

    digest: bytes
    """SHA-256 of the file's bytes and of what makes another image of them: a way to 8 bits, a window, a frame."""
    width: int
    height: int
    channels: int  # 1 (grey) or 3
    deep: bool = False  # more than 8 bits a channel, or signed, so that `open_image` stretches it
    clipped: bool = False  # a deep image with outliers, which are black or white and don't set the scale
    transparent: bool = False  # some pixels are, so that they are darker than their colours or hidden
    contrast: int = 255  # from the darkest to the brightest pixel, of the channel where that is most
    frame: int = 0  # of a file with several the number of the one that is read, from 1 on; else 0
    windowed: bool = False  # a DICOM file, of whose values a window is shown
    window: tuple[float, float] | None = None  # its header's, centre and width, where that is shown
    patient: str = ""  # who a DICOM file says it is of; empty where it doesn't say
    study: str = ""  # its StudyInstanceUID, likewise
    use: DicomUse = ""
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
