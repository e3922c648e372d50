"""Confusion matrices: what is taken for what."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ttl.errors import UsageError
from ttl.stats.resampling import Labels


def confusion(labels: npt.ArrayLike, decisions: npt.ArrayLike, classes: int) -> Labels:
    """Counts by truth (rows) and decision (columns).

    Args:
        labels: `(n,)` classes; or `(n, classes)` of 0, 1 and -1, where the unknown ones aren't counted.
        decisions: likewise, without -1.
        classes: how many there are.

    Returns:
        `(classes, classes)`; of several labels `(classes, 2, 2)`, of absent and present.

    Raises:
        UsageError: shapes that don't fit.
    """
    truth, decided = np.asarray(labels, np.int64), np.asarray(decisions, np.int64)
    if truth.shape != decided.shape or truth.shape[1:] not in ((), (classes,)):
        raise UsageError(f"labels {truth.shape} and decisions {decided.shape} must both be (n,) or (n, {classes}).")
    if truth.ndim == 1:
        return _counted(truth, decided, classes)
    known = truth >= 0
    return np.stack([_counted(truth[k, c], decided[k, c], 2) for c, k in enumerate(known.T)])


def _counted(truth: Labels, decided: Labels, classes: int) -> Labels:
    return np.bincount(truth * classes + decided, minlength=classes * classes).reshape(classes, classes)
