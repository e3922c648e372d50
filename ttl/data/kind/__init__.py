"""The kinds of task, one a file: what is predicted, how it is learned, and what a row of predictions is.

To add one: a file with a class derived from `Kind`, a row here, and its metrics in `ttl.stats.kinds`.
"""

from __future__ import annotations

from ttl.data.kind.classes import Classes, TwoClasses
from ttl.data.kind.kind import Decided, Kind, Loss, Objective, Rows
from ttl.data.kind.labels import SeveralLabels
from ttl.data.kind.masks import PixelClasses

__all__ = ["KINDS", "Decided", "Kind", "Loss", "Objective", "Rows"]

_ROWS = (TwoClasses("binary"), Classes("multiclass"), SeveralLabels("multilabel"), PixelClasses("segmentation"))
KINDS: dict[str, Kind] = {kind: kind for kind in _ROWS}
