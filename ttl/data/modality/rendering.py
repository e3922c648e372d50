"""What a person asks of how stored values become 8-bit pictures, where files don't say it or say it wrongly."""

from __future__ import annotations

from dataclasses import dataclass
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


AS_FILED = Rendering()
