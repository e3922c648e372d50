"""What checked files hold: images and masks; width and height are in pixels, upright."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Facts:
    """Of an image."""

    digest: bytes
    """SHA-256 of the file's bytes and, where there are several ways to 8 bits, of the way: it makes another image."""
    width: int
    height: int
    channels: int  # 1 (grey) or 3
    deep: bool = False  # more than 8 bits a channel, or signed, so that `open_image` stretches it
    clipped: bool = False  # a deep image with outliers, which are black or white and don't set the scale
    transparent: bool = False  # some pixels are, so that they are darker than their colours or hidden
    contrast: int = 255  # from the darkest to the brightest pixel, of the channel where that is most
    animated: bool = False  # several frames, of which `open_image` takes the first
    windowed: bool = False  # a DICOM file, of whose values a window is shown
    patient: str = ""  # who a DICOM file says it is of; empty where it doesn't say
    spacing_mm: tuple[float, float] | None = None
    """From row to row and from column to column, of a DICOM file; None where unknown."""


@dataclass(frozen=True, eq=False)
class MaskFacts:
    """Of a mask."""

    digest: bytes  # SHA-256 of its size and values
    width: int
    height: int
    counts: npt.NDArray[np.int64]  # `(256,)`: pixels of each value
    one_bit: bool  # it can only say 0 and 1, so that its 1 may mean what another mask's 255 means

    @property
    def values(self) -> frozenset[int]:
        """Those that occur."""
        return frozenset(np.flatnonzero(self.counts).tolist())
