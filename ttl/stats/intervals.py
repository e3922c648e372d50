"""Confidence intervals of metrics, paired differences of two models, and non-inferiority.

Percentile bootstraps, which most tools use, fail where this one is used: a metric near 1, a hundred images, patients
of unequal size. There they called a model that loses exactly the margin "not inferior" in 5 to 15 % of cases instead
of 2.5 %. `benchmarks/coverage.py` measures what stands here instead:

- The standard error is the jackknife's, over patients where they are known (`ttl.stats.jackknife`).
- Metrics between 0 and 1 are compared as log odds, on which scale their spread depends less on their level: a lucky
  test set, on which both models look better than they are, no longer makes the margin look wide.
- Student's t with the degrees of freedom that the data have; for means over images (Dice), and for models that are
  nearly one, with Johnson's correction for skewness (1978) where it makes the claim harder: a model that fails badly on
  one image in twenty looks fine on most sets of ten.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from ttl.errors import UsageError
from ttl.stats.jackknife import Units
from ttl.stats.kinds import LOWER_IS_BETTER, AnyScorer, scorer
from ttl.stats.paired_test import MIRRORED, NOT_NEGATIVE, STRICTER, Jackknifed, Pair, Scale, jackknifed, student
from ttl.words.estimate import Estimate

FEWEST_UNITS = 20
"""No claim is made on fewer images (patients): with skewed losses no test of fewer keeps its error rate."""


def intervals(
    kind: str,
    labels: npt.ArrayLike,
    predicted: npt.ArrayLike,
    *,
    names: Sequence[str] | None = None,
    groups: Sequence[str] | None = None,
    seed: int = 0,
    confidence: float = 0.95,
) -> dict[str, Estimate]:
    """Metrics with their confidence intervals: jackknife, Student's t, on the scale of log odds.

    An interval is nan where a metric can't vary (one class, one sample) or is undefined without some sample.

    Args:
        kind: one of `KINDS`.
        labels: as `metrics` takes them.
        predicted: as `metrics` takes them.
        names: of `all_metrics(kind)`; None takes `headline(kind)`.
        groups: the group (patient) of each sample, left out whole; None makes each its own.
        seed: of the blocks into which more than `MOST_UNITS` samples (groups) are drawn.
        confidence: of the interval, in (0, 1).

    Raises:
        UsageError: the kind, a name, a shape or `confidence` makes no sense.
        DataError: a prediction is not finite, or a label is outside the classes.
    """
    return intervals_of(scorer(kind, labels, predicted, names), groups, seed, confidence)


def intervals_of(
    score: AnyScorer, groups: Sequence[str] | None = None, seed: int = 0, confidence: float = 0.95
) -> dict[str, Estimate]:
    """The metrics of a scorer made by hand (decisions at another prevalence, say); for all else see `intervals`."""
    tail = _tail(confidence)
    units = Units.of(score.labels, groups, seed)
    found = jackknifed(score, units)
    return {name: _interval(name, made, units, tail, score.denominator(name)) for name, made in found.items()}


def paired_difference(
    metric: str,
    kind: str,
    labels: npt.ArrayLike,
    a: npt.ArrayLike,
    b: npt.ArrayLike,
    *,
    groups: Sequence[str] | None = None,
    seed: int = 0,
    confidence: float = 0.95,
    derived: bool = False,
) -> Estimate:
    """A metric of `a` minus that of `b`, two models' predictions of the same samples.

    The interval holds the differences that its test doesn't reject (see `non_inferior`). The metric is one of
    `all_metrics(kind)`; `derived` says that `a` is `b` in another form, such as its quantised file: how far the two lie
    from each other is known then, however good both are, and log odds aren't needed. For all else see `intervals`.
    """
    return _compared(metric, kind, labels, a, b, groups, seed, confidence, derived)[0]


def paired_error(
    metric: str,
    kind: str,
    labels: npt.ArrayLike,
    a: npt.ArrayLike,
    b: npt.ArrayLike,
    *,
    groups: Sequence[str] | None = None,
    seed: int = 0,
) -> float:
    """The standard error of the difference; arguments and errors as of `paired_difference`, nan where undefined."""
    first, second, units = _both(metric, kind, labels, a, b, groups, seed)
    return Pair(first, second, units).error


@dataclass(frozen=True)
class NonInferiority:
    """Whether `a` is shown to be worse than `b` by less than a margin.

    Attributes:
        difference: the metric of `a` minus that of `b`, with its interval.
        margin: the largest loss that doesn't matter.
        units: how many independent images (patients) say so; inf where their number doesn't matter.
    """

    metric: str
    difference: Estimate
    margin: float
    units: float = math.inf

    @property
    def enough(self) -> bool:
        """Whether there are as many images (patients) as a claim needs, `FEWEST_UNITS`; equal models need none."""
        return self.units >= FEWEST_UNITS or self.difference == Estimate(0.0, 0.0, 0.0)

    @property
    def shown(self) -> bool:
        """The whole interval is better than a loss of the margin, on enough images; False where it is undefined."""
        if self.metric in LOWER_IS_BETTER:
            return self.enough and self.difference.ci_high < self.margin
        return self.enough and self.difference.ci_low > -self.margin

    @property
    def worse(self) -> bool:
        """`a` is shown to be worse than `b`, by however little: the whole interval lies on the losing side of 0."""
        if self.metric in LOWER_IS_BETTER:
            return self.difference.ci_low > 0
        return self.difference.ci_high < 0


def non_inferior(
    metric: str,
    kind: str,
    labels: npt.ArrayLike,
    a: npt.ArrayLike,
    b: npt.ArrayLike,
    *,
    margin: float = 0.01,
    groups: Sequence[str] | None = None,
    seed: int = 0,
    confidence: float = 0.95,
    derived: bool = False,
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
    difference, units = _compared(metric, kind, labels, a, b, groups, seed, confidence, derived)
    return NonInferiority(metric, difference, margin, math.inf if derived else units.total)


def _interval(name: str, made: Jackknifed, units: Units, tail: float, denominator: float | None) -> Estimate:
    if math.isnan(made.error):
        return Estimate(made.value, math.nan, math.nan)
    scale = Scale.of(name, units)
    if denominator is not None:  # so many independent units as the samples that the rate is of are worth
        scale = replace(scale, count=max(1, round(denominator * units.total / max(1, len(units.of_sample)))))
    middle, slope, extra = scale.at(made.value)
    error = math.sqrt((slope * made.error) ** 2 + extra)
    half = student(tail, units.degrees_of_freedom(made.influence)) * error
    low, high = scale.back(middle - half), scale.back(middle + half)
    if extra:  # moved off its bound: the interval reaches it
        low, high = (low, scale.high) if middle > 0 else (scale.low, high)
    if name in NOT_NEGATIVE:
        low = max(low, 0.0)
    return Estimate(made.value, min(low, made.value), max(high, made.value))


def _compared(
    metric: str,
    kind: str,
    labels: npt.ArrayLike,
    a: npt.ArrayLike,
    b: npt.ArrayLike,
    groups: Sequence[str] | None,
    seed: int,
    confidence: float,
    derived: bool,
) -> tuple[Estimate, Units]:
    """The paired difference, and the units that it rests on."""
    tail = _tail(confidence)
    first, second, units = _both(metric, kind, labels, a, b, groups, seed)
    value = first.value - second.value
    equal = np.array_equal(np.asarray(a), np.asarray(b), equal_nan=True)
    if equal and kind not in ("decision", "values") and not math.isnan(value):
        return Estimate(0.0, 0.0, 0.0), units  # one model; equal decisions, and what they cost, may be those of two
    if math.isnan(first.error + second.error):
        return Estimate(value, math.nan, math.nan), units
    pair = Pair(first, second, units) if metric not in MIRRORED else Pair(first.mirrored(), second.mirrored(), units)
    scale, own = Scale.of(metric, units), Scale(-math.inf, math.inf, units.fewest)
    if derived or not scale.bounded:
        low, high = pair.limits(own, tail, guarded=True)
    else:
        low, high = pair.limits(scale, tail, guarded=kind == "segmentation")
        if pair.error:
            near = pair.limits(own, tail / STRICTER, guarded=True)
            low, high = max(low, near[0]), min(high, near[1])
    if metric in MIRRORED:
        low, high = -high, -low
    return Estimate(value, min(low, value), max(high, value)), units


def _both(
    metric: str,
    kind: str,
    labels: npt.ArrayLike,
    a: npt.ArrayLike,
    b: npt.ArrayLike,
    groups: Sequence[str] | None,
    seed: int,
) -> tuple[Jackknifed, Jackknifed, Units]:
    first, second = (scorer(kind, labels, predicted, (metric,)) for predicted in (a, b))
    units = Units.of(first.labels, groups, seed)
    return jackknifed(first, units)[metric], jackknifed(second, units)[metric], units


def _tail(confidence: float) -> float:
    if not 0 < confidence < 1:
        raise UsageError(f"confidence must lie between 0 and 1, not {confidence}.")
    return (1 - confidence) / 2
