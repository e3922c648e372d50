"""What a person asks of how stored values become 8-bit pictures, where files don't say it or say it wrongly."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import Literal

Window = tuple[float, float]
"""Centre and width, in the units that the file's values have after its rescaling (Hounsfield units in CT)."""
Range = tuple[float, float]
"""The values that become black and white; those beyond are black or white, too."""
Frame = Literal["first", "middle", "all"] | int
"""Which frame of a file with several; a number counts from 1."""

Stretch = Literal["percentiles", "minmax"]
"""The rule by which deep images become 8 bits: `ttl.data.modality.stretch.limits`, or that of version 0.1: as Pillow
reads a file, colour by its upper 8 bits and grey from the darkest to the brightest pixel. A model keeps its own."""


@dataclass(frozen=True)
class Rendering:
    """How values become 8 bits; what isn't asked for is as the file says, see `ttl.data.open_image`.

    Attributes:
        window: of DICOM files, in place of their headers'.
        value_range: of every image with more than 8 bits a channel; not together with a window.
        frame: of a file with several frames.
        stretch: of deep images for which no range is given.
    """

    window: Window | None = None
    value_range: Range | None = None
    frame: Frame = "first"
    stretch: Stretch = "percentiles"

    @property
    def way(self) -> tuple[Stretch, Range | None] | None:
        """What decides how deep images become 8 bits; None for the way of version 0.1.

        A model of that version knows the images that it was trained on by their bytes alone.
        """
        way = (self.stretch, self.value_range)
        return None if way == ("minmax", None) else way

    def at(self, number: int) -> Rendering:
        """The same of one frame, by its number from 1 on; 0 of a file that has no others."""
        return replace(self, frame=number) if number else self


def digest_of(file: hashlib._Hash, frame: int, *how: object) -> bytes:
    """SHA-256 of a file and of what makes another image of it: a frame beyond the first, and `how` it is shown.

    `file` has taken the file's bytes, and stays as it is.
    """
    marks = "".join(repr(each) for each in how if each is not None) + (f"#{frame}" if frame > 1 else "")
    total = file.copy()
    total.update(marks.encode())
    return total.digest()


AS_FILED = Rendering()
