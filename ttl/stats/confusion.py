"""Which class is taken for which: counts of samples."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ttl.stats.curves import THRESHOLD
from ttl.stats.resampling import Labels
from ttl.stats.scoring import checked


def confusion(kind: str, labels: npt.ArrayLike, probabilities: npt.ArrayLike) -> Labels:
    """Counts by truth (rows) and by what is said (columns).

    Args:
        kind: `binary`, `multiclass` or `multilabel`.
        labels: `(n,)`; `(n, classes)` for `multilabel`, where -1 is unknown and not counted.
        probabilities: `(n, classes)`.

    Returns:
        `(classes, classes)`, the most probable class being the one that is said; in `multilabel`
        `(classes, 2, 2)`, of absent and present, what has a probability from 0.5 on being said to be present.

    Raises:
        UsageError: shapes that don't fit.
        DataError: a probability is not finite, or a label is outside the classes.
    """
    truth, scores = checked(kind, labels, probabilities)
    if kind != "multilabel":
        return _counted(truth, scores.argmax(axis=1), scores.shape[1])
    said = (scores >= THRESHOLD).astype(np.int64)
    known = truth >= 0
    return np.stack([_counted(truth[k, c], said[k, c], 2) for c, k in enumerate(known.T)])


def _counted(truth: Labels, said: Labels, classes: int) -> Labels:
    counts = np.zeros((classes, classes), np.int64)
    np.add.at(counts, (truth, said), 1)
    return counts
