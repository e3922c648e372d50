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
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ttl.errors import UsageError
from ttl.stats.jackknife import Units
from ttl.stats.kinds import LOWER_IS_BETTER, AnyScorer, scorer
from ttl.stats.resampling import Array
from ttl.words.estimate import Estimate

FEWEST_UNITS = 20
"""No claim is made on fewer images (patients): with skewed losses no test of fewer keeps its error rate."""
STRICTER = 25
"""By how much rarer an error is allowed on the metric's own scale. It's there for models that are nearly one (a network
and its quantised file): how much they differ is known well, even where the level of both isn't."""
UNBOUNDED = ("hd95", "ece", "brier", "log_loss", "bias")
RANGES = {"kappa": (-1.0, 1.0)}
MIRRORED = ("cost",)
"""Of 0 to 1, lower is better: compared as one less the metric, so that the margin is added to the reference's."""
TAIL = 0.025
"""Of each side, at 95 %."""
GRID = 64
BISECTIONS = 30


@dataclass(frozen=True, eq=False)
class _Jackknifed:
    """A metric of one model: its value, and the influence `(units,)` of each unit on it."""

    value: float
    influence: Array

    @property
    def error(self) -> float:
        return float(np.sqrt((self.influence**2).sum()))

    def mirrored(self) -> _Jackknifed:
        """One less the metric, of which more is better where less of the metric is."""
        return _Jackknifed(1 - self.value, -self.influence)


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
    return {
        name: _interval(made, _Scale.of(name, units), units, tail) for name, made in _jackknifed(score, units).items()
    }


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
    return _Pair(first, second, units).error


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


@dataclass(frozen=True)
class _Scale:
    """Log odds between two bounds; without bounds the metric itself.

    Values nearer to a bound than half a unit of `count` are moved there, and then as uncertain as that half unit: a
    perfect score of 40 images isn't known to be perfect.
    """

    low: float
    high: float
    count: int

    @classmethod
    def of(cls, metric: str, units: Units) -> _Scale:
        bounds = (-math.inf, math.inf) if metric in UNBOUNDED else RANGES.get(metric, (0.0, 1.0))
        return cls(*bounds, units.fewest)

    @property
    def bounded(self) -> bool:
        return math.isfinite(self.low)

    def at(self, value: float) -> tuple[float, float, float]:
        """On this scale: the value, its slope by the metric, and the variance that it has at a bound."""
        if not self.bounded:
            return value, 1.0, 0.0
        width, nearest = self.high - self.low, 0.5 / (self.count + 1)
        share = (value - self.low) / width
        kept = min(max(share, nearest), 1 - nearest)
        extra = 0.0 if kept == share else 1 / (self.count * nearest)
        return math.log(kept / (1 - kept)), 1 / (kept * (1 - kept) * width), extra

    def back(self, value: float) -> float:
        return self.low + (self.high - self.low) / (1 + math.exp(-value)) if self.bounded else value


@dataclass(frozen=True, eq=False)
class _Pair:
    """Two models on the same units."""

    a: _Jackknifed
    b: _Jackknifed
    units: Units

    @property
    def error(self) -> float:
        return float(np.sqrt(((self.a.influence - self.b.influence) ** 2).sum()))

    def limits(self, scale: _Scale, tail: float, *, guarded: bool) -> tuple[float, float]:
        """The lowest and the highest difference that isn't rejected, each with an error rate of `tail`.

        `guarded` has skewness, and few images that carry the difference, make rejections rarer.
        """
        value = self.a.value - self.b.value
        if scale.bounded:
            ends = scale.low - self.b.value, self.a.value - scale.low
        else:
            reach = 100 * self.error
            ends = value - reach, value + reach

        def limit(end: float, side: int) -> float:
            return _first(lambda difference: self._rejects(scale, tail, difference, side, guarded), value, end)

        return limit(ends[0], 1), limit(ends[1], -1)

    def _rejects(self, scale: _Scale, tail: float, difference: float, side: int, guarded: bool) -> bool:
        t, freedom, skewness = self.distance(scale, difference, side, guarded)
        if guarded:
            t = min(t, t + skewness * (1 / 6 + t**2 / 3))
        return t > student(tail, freedom)

    def distance(self, scale: _Scale, difference: float, side: int, guarded: bool) -> tuple[float, float, float]:
        """By how many standard errors `a` is better than `b` plus a difference (side 1), or `b` than `a` less it (-1).

        Beside it the degrees of freedom, and the skewness.
        """
        first, slope, extra = scale.at(self.a.value - (difference if side < 0 else 0))
        second, other_slope, other_extra = scale.at(self.b.value + (difference if side > 0 else 0))
        influence = side * (slope * self.a.influence - other_slope * self.b.influence)
        error = math.sqrt((influence**2).sum() + extra + other_extra)
        apart = side * (first - second)
        if not error:
            return math.inf if apart > 0 else -math.inf, 1.0, 0.0
        freedom = self.units.degrees_of_freedom(influence, cautious=guarded)
        return apart / error, freedom, (influence**3).sum() / error**3


@dataclass(frozen=True)
class ClaimTest:
    """One of the tests that make a claim: standard errors to a loss of the margin, degrees of freedom, error rate."""

    distance: float
    freedom: float
    tail: float


@dataclass(frozen=True, eq=False)
class Claim:
    """A claim on two equally good models: it is made where any of its tests makes it."""

    tests: tuple[ClaimTest, ...]
    influence: Array  # `(units,)` of each unit on the difference, which is better the larger it is


def claim_of(
    metric: str, kind: str, labels: npt.ArrayLike, a: npt.ArrayLike, b: npt.ArrayLike, margin: float, units: Units
) -> Claim:
    """The claim, as if `a` and `b` were exactly equally good, for `ttl.stats.sample_size`."""
    first, second = (_jackknifed(scorer(kind, labels, rows, (metric,)), units)[metric] for rows in (a, b))
    if metric in MIRRORED:
        first, second = first.mirrored(), second.mirrored()
    pair = _Pair(_Jackknifed(second.value, first.influence), second, units)
    own = _Scale(-math.inf, math.inf, units.fewest)
    tests = (
        ClaimTest(*pair.distance(scale, -margin, 1, guarded)[:2], tail)
        for scale, guarded, tail in (
            (_Scale.of(metric, units), kind == "segmentation", TAIL),
            (own, True, TAIL / STRICTER),
        )
    )
    return Claim(tuple(tests), first.influence - second.influence)


def _first(rejects: Callable[[float], bool], start: float, end: float) -> float:
    """The first difference from `start` towards `end` that is rejected; `end` where none is."""
    held = start
    for step in map(float, start + (end - start) * (np.arange(1, GRID + 1) / GRID) ** 2):  # finer near the start
        if not rejects(step):
            held = step
            continue
        rejected = step
        for _ in range(BISECTIONS):
            middle = (held + rejected) / 2
            held, rejected = (held, middle) if rejects(middle) else (middle, rejected)
        return held
    return end


def student(tail: float, freedom: float) -> float:
    """The quantile of Student's t that is exceeded with the probability `tail`."""
    from scipy.special import stdtrit  # half a second to import

    return float(stdtrit(freedom, 1 - tail))


def _interval(made: _Jackknifed, scale: _Scale, units: Units, tail: float) -> Estimate:
    if math.isnan(made.error):
        return Estimate(made.value, math.nan, math.nan)
    middle, slope, extra = scale.at(made.value)
    error = math.sqrt((slope * made.error) ** 2 + extra)
    half = student(tail, units.degrees_of_freedom(made.influence)) * error
    low, high = scale.back(middle - half), scale.back(middle + half)
    if extra:  # moved off its bound: the interval reaches it
        low, high = (low, scale.high) if middle > 0 else (scale.low, high)
    return Estimate(made.value, min(low, made.value), max(high, made.value))


def _jackknifed(score: AnyScorer, units: Units) -> dict[str, _Jackknifed]:
    whole = score(np.ones((1, len(score.labels))))
    if len(units.stratum) < 2:
        return {name: _Jackknifed(float(whole[name][0]), np.full(1, math.nan)) for name in score.names}
    without = [score(weights) for weights in units.left_out()]
    return {
        name: _Jackknifed(float(whole[name][0]), units.influence(np.concatenate([part[name] for part in without])))
        for name in score.names
    }


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
    pair = _Pair(first, second, units) if metric not in MIRRORED else _Pair(first.mirrored(), second.mirrored(), units)
    scale, own = _Scale.of(metric, units), _Scale(-math.inf, math.inf, units.fewest)
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
) -> tuple[_Jackknifed, _Jackknifed, Units]:
    first, second = (scorer(kind, labels, predicted, (metric,)) for predicted in (a, b))
    units = Units.of(first.labels, groups, seed)
    return _jackknifed(first, units)[metric], _jackknifed(second, units)[metric], units


def _tail(confidence: float) -> float:
    if not 0 < confidence < 1:
        raise UsageError(f"confidence must lie between 0 and 1, not {confidence}.")
    return (1 - confidence) / 2
