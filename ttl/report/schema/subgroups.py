"""How the chosen and the whole network do on parts of the test images: by sex, site, scanner ..."""

from __future__ import annotations

from dataclasses import dataclass

from ttl.deliver.group_figures import OfGroup
from ttl.typed import OptionalKey
from ttl.words.estimate import Estimate

FEWEST = 20
"""Of fewer independent images (patients) nothing is said but their number."""


@dataclass(frozen=True, kw_only=True)
class Subgroup:
    """One value of an attribute: `units` images, or patients where those are decided on; `positives` among them.

    `too_few` groups have figures, which say nothing. `difference` is of the metric that chooses, truncated less whole.
    """

    column: str
    value: str
    units: int
    positives: OptionalKey[int] = None
    too_few: bool
    full: OfGroup
    chosen: OptionalKey[OfGroup] = None
    difference: OptionalKey[Estimate] = None
