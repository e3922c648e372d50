"""The confusion matrix: counts of samples by truth and decision."""

from __future__ import annotations

import numpy.typing as npt

from ttl.stats.kinds import classified
from ttl.stats.resampling import Labels


def confusion(kind: str, labels: npt.ArrayLike, probabilities: npt.ArrayLike) -> Labels:
    """Counts by truth (rows) and decision (columns).

    Args:
        kind: `binary`, `multiclass` or `multilabel`.
        labels: `(n,)`; `(n, classes)` for `multilabel`, where -1 is unknown and not counted.
        probabilities: `(n, classes)`.

    Returns:
        `(classes, classes)`, the most probable class being the decision; in `multilabel` `(classes, 2, 2)`, of absent
        and present, a probability from 0.5 on being decided as present.

    Raises:
        UsageError: shapes that don't fit.
        DataError: a probability is not finite, or a label is outside the classes.
    """
    return classified(kind, labels, probabilities).confusion()
