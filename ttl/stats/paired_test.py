"""The test by which two models are compared on the same images, and what it takes from each image.

Why it is done so, and how well: `ttl.stats.intervals`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ttl.stats.jackknife import Units
from ttl.stats.kinds import AnyScorer, scorer
from ttl.stats.resampling import Array

STRICTER = 25
"""By how much rarer an error is allowed on the metric's own scale. It's there for models that are nearly one (a network
and its quantised file): how much they differ is known well, even where the level of both isn't."""
NOT_NEGATIVE = ("hd95", "ece", "brier", "log_loss")
UNBOUNDED = (*NOT_NEGATIVE, "bias")
RANGES = {"kappa": (-1.0, 1.0)}
MIRRORED = ("cost",)
"""Of 0 to 1, lower is better: compared as one less the metric, so that the margin is added to the reference's."""
TAIL = 0.025
"""Of each side, at 95 %."""
GRID = 64
BISECTIONS = 30


@dataclass(frozen=True, eq=False)
class Jackknifed:
    """A metric of one model: its value, and the influence `(units,)` of each unit on it."""

    value: float
    influence: Array

    @property
    def error(self) -> float:
        """The standard error."""
        return float(np.sqrt((self.influence**2).sum()))

    def mirrored(self) -> Jackknifed:
        """One less the metric, of which more is better where less of the metric is."""
        return Jackknifed(1 - self.value, -self.influence)


def jackknifed(score: AnyScorer, units: Units) -> dict[str, Jackknifed]:
    """Every metric of a scorer, with the influence of each unit; nan where there is one unit only."""
    whole = score(np.ones((1, len(score.labels))))
    if len(units.stratum) < 2:
        return {name: Jackknifed(float(whole[name][0]), np.full(1, math.nan)) for name in score.names}
    without = [score(weights) for weights in units.left_out()]
    return {
        name: Jackknifed(float(whole[name][0]), units.influence(np.concatenate([part[name] for part in without])))
        for name in score.names
    }


@dataclass(frozen=True)
class Scale:
    """Log odds between two bounds; without bounds the metric itself.

    Values nearer to a bound than half a unit of `count` are moved there, and then as uncertain as that half unit: a
    perfect score of 40 images isn't known to be perfect.
    """

    low: float
    high: float
    count: int

    @classmethod
    def of(cls, metric: str, units: Units) -> Scale:
        """The scale on which a metric is compared."""
        bounds = (-math.inf, math.inf) if metric in UNBOUNDED else RANGES.get(metric, (0.0, 1.0))
        return cls(*bounds, units.fewest)

    @property
    def bounded(self) -> bool:
        """Whether it is one of log odds."""
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
        """The metric that lies there on this scale."""
        return self.low + (self.high - self.low) / (1 + math.exp(-value)) if self.bounded else value


@dataclass(frozen=True, eq=False)
class Pair:
    """Two models on the same units."""

    a: Jackknifed
    b: Jackknifed
    units: Units

    @property
    def error(self) -> float:
        """The standard error of the difference."""
        return float(np.sqrt(((self.a.influence - self.b.influence) ** 2).sum()))

    def limits(self, scale: Scale, tail: float, *, guarded: bool) -> tuple[float, float]:
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

    def _rejects(self, scale: Scale, tail: float, difference: float, side: int, guarded: bool) -> bool:
        t, freedom, skewness = self.distance(scale, difference, side, guarded)
        if guarded:
            t = min(t, t + skewness * (1 / 6 + t**2 / 3))
        return t > student(tail, freedom)

    def distance(self, scale: Scale, difference: float, side: int, guarded: bool) -> tuple[float, float, float]:
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
    first, second = (jackknifed(scorer(kind, labels, rows, (metric,)), units)[metric] for rows in (a, b))
    if metric in MIRRORED:
        first, second = first.mirrored(), second.mirrored()
    pair = Pair(Jackknifed(second.value, first.influence), second, units)
    own = Scale(-math.inf, math.inf, units.fewest)
    tests = (
        ClaimTest(*pair.distance(scale, -margin, 1, guarded)[:2], tail)
        for scale, guarded, tail in (
            (Scale.of(metric, units), kind == "segmentation", TAIL),
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
