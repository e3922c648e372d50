"""Bootstrap intervals of metrics, paired differences of two models, and non-inferiority."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ttl.errors import UsageError
from ttl.stats.kinds import LOWER_IS_BETTER, scorer
from ttl.stats.resampling import Array, check_bootstrap, estimate, resample_weights
from ttl.words.estimate import Estimate


def intervals(
    kind: str,
    labels: npt.ArrayLike,
    predicted: npt.ArrayLike,
    *,
    names: Sequence[str] | None = None,
    groups: Sequence[str] | None = None,
    resamples: int = 2000,
    seed: int = 0,
    confidence: float = 0.95,
) -> dict[str, Estimate]:
    """Metrics with their percentile bootstrap intervals.

    Samples are redrawn within their class; with groups (patients), whole groups are, within those that hold the same
    classes: images of one patient aren't independent, and intervals that treat them so are too narrow. Resamples in
    which a metric is undefined are left out; a class with one sample (one group) never varies.

    Args:
        kind: one of `KINDS`.
        labels, predicted: as `metrics` takes them; several labels a sample make no strata.
        names: of `all_metrics(kind)`; None takes `headline(kind)`.
        groups: the group (patient) of each sample, redrawn whole; None makes each its own.
        seed: of the resampling; the same labels and seed give the same resamples.
        confidence: of the interval, in (0, 1).

    Raises:
        UsageError: the kind, a name, a shape, `resamples` or `confidence` makes no sense.
        DataError: a prediction is not finite, or a label is outside the classes.
    """
    check_bootstrap(resamples, confidence)
    score = scorer(kind, labels, predicted, names)
    values = score(np.ones((1, len(score.labels))))
    drawn = [score(weights) for weights in resample_weights(score.labels, resamples, seed, groups)]
    return {
        name: estimate(float(values[name][0]), np.concatenate([chunk[name] for chunk in drawn]), confidence)
        for name in score.names
    }


def paired_difference(
    metric: str,
    kind: str,
    labels: npt.ArrayLike,
    a: npt.ArrayLike,
    b: npt.ArrayLike,
    *,
    groups: Sequence[str] | None = None,
    resamples: int = 2000,
    seed: int = 0,
    confidence: float = 0.95,
) -> Estimate:
    """A metric of `a` minus that of `b`, two models' predictions of the same samples, both scored on each resample.

    The metric is one of `all_metrics(kind)`; for all else see `intervals`.
    """
    check_bootstrap(resamples, confidence)
    first, second = (scorer(kind, labels, predicted, (metric,)) for predicted in (a, b))

    def difference(weights: Array) -> Array:
        return first(weights)[metric] - second(weights)[metric]

    value = float(difference(np.ones((1, len(first.labels))))[0])
    drawn = [difference(weights) for weights in resample_weights(first.labels, resamples, seed, groups)]
    return estimate(value, np.concatenate(drawn), confidence)


@dataclass(frozen=True)
class NonInferiority:
    """Whether `a` is shown to be worse than `b` by less than a margin."""

    metric: str
    difference: Estimate  # the metric of `a` minus that of `b`, with its interval
    margin: float  # the largest loss that doesn't matter

    @property
    def shown(self) -> bool:
        """The whole interval is better than a loss of the margin; False where the difference is undefined."""
        if self.metric in LOWER_IS_BETTER:
            return self.difference.ci_high < self.margin
        return self.difference.ci_low > -self.margin


def non_inferior(
    metric: str,
    kind: str,
    labels: npt.ArrayLike,
    a: npt.ArrayLike,
    b: npt.ArrayLike,
    *,
    margin: float = 0.01,
    groups: Sequence[str] | None = None,
    resamples: int = 2000,
    seed: int = 0,
    confidence: float = 0.95,
) -> NonInferiority:
    """Test whether `a` is worse than the reference `b` by less than `margin`, on the same samples.

    A two-sided 95 % interval makes it a one-sided test at 2.5 %. The margin is in the metric's own unit (0.01 of AUPRC
    or Dice; mm or pixels of `hd95`); for all else see `paired_difference`.

    Raises:
        UsageError: the margin isn't positive, or as of `intervals`.
        DataError: as of `intervals`.
    """
    if not margin > 0:
        raise UsageError(f"margin must be above 0, not {margin}.")
    difference = paired_difference(
        metric, kind, labels, a, b, groups=groups, resamples=resamples, seed=seed, confidence=confidence
    )
    return NonInferiority(metric, difference, margin)
