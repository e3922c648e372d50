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


@dataclass(frozen=True)
class Rendering:
    """How values become 8 bits; what isn't asked for is as the file says, see `ttl.data.open_image`.

    Attributes:
        window: of DICOM files, in place of their headers'.
        value_range: of every image with more than 8 bits a channel; not together with a window.
        frame: of a file with several frames.
    """

    window: Window | None = None
    value_range: Range | None = None
    frame: Frame = "first"


AS_FILED = Rendering()
