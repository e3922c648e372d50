"""Means of a value a sample (a loss, a cost), of many weightings of the samples at once.

`cost` is a share of the dearer error, in `[0, 1]`; `brier` and `log_loss` (nats) go from 0 up; lower is better. `bias`
is calibration in the large: the mean of predicted less observed, 0 where as many are predicted as there are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from ttl.errors import DataError, UsageError
from ttl.stats.resampling import Array, Labels
from ttl.stats.scoring import ratio

VALUE_METRICS = ("cost", "brier", "log_loss", "bias")


class ValueScorer:
    """The mean of values `(n,)` under weights of the samples; nan is undefined, and left out.

    Labels make the strata, `(n,)` classes or `(n, labels)`, and are used for nothing else. Which of `VALUE_METRICS` the
    values are is for the caller to know: all are means, and differ in the scale on which they are compared.

    Raises:
        UsageError: shapes that don't fit.
        DataError: a value that is infinite.
    """

    every: ClassVar[tuple[str, ...]] = VALUE_METRICS
    headline: ClassVar[tuple[str, ...]] = VALUE_METRICS[:1]

    def __init__(self, kind: str, labels: npt.ArrayLike, predicted: npt.ArrayLike, names: Sequence[str]) -> None:
        self.names = tuple(names)
        self.labels: Labels = np.asarray(labels, np.int64)
        values = np.asarray(predicted, np.float64)
        if self.labels.ndim not in (1, 2) or values.shape != self.labels.shape[:1]:
            raise UsageError(f"values {values.shape} must be (n,), one a sample of the labels {self.labels.shape}.")
        if np.isinf(values).any():
            raise DataError(f"{int(np.isinf(values).sum())} of {len(values)} values are infinite.")
        self.defined: Array = (~np.isnan(values)).astype(np.float64)
        self.values: Array = np.where(np.isnan(values), 0, values)

    def __call__(self, weights: Array) -> dict[str, Array]:
        """Metric name -> `(resamples,)`, for `weights` `(resamples, n)`: how often each sample counts."""
        return dict.fromkeys(self.names, ratio(weights @ self.values, weights @ self.defined))

    def denominator(self, name: str) -> float | None:
        """None: a mean of values is no share."""
        return None

    def per_class(self) -> dict[str, Array]:
        """The metrics asked for and support (samples with a value), `(1,)`: there are no classes."""
        return self(np.ones((1, len(self.labels)))) | {"support": self.defined.sum(keepdims=True)}


def costs_of(labels: npt.ArrayLike, decisions: npt.ArrayLike, costs: tuple[float, float]) -> Array:
    """What each decision costs, as a share of the dearer error: the values of the metric `cost`.

    Args:
        labels: `(n,)` of 0 and 1, or `(n, labels)` of 0, 1 and -1 (unknown).
        decisions: likewise, of 0 and 1.
        costs: of a missed finding, and of a false alarm.

    Returns:
        `(n,)`; the mean over the known labels of a sample, nan where none is.
    """
    truth, found = (np.asarray(given).reshape(len(np.asarray(given)), -1) for given in (labels, decisions))
    miss, alarm = (cost / max(costs) for cost in costs)
    each = np.where((truth == 1) & (found == 0), miss, 0.0) + np.where((truth == 0) & (found == 1), alarm, 0.0)
    return ratio(each.sum(axis=1), (truth >= 0).sum(axis=1).astype(np.float64))
