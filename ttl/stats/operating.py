"""Operating points: from which score on a finding is called present; a score at the threshold is positive."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from ttl.errors import DataError, UsageError
from ttl.stats.resampling import Array, Labels
from ttl.typed import Figure

Endpoint = Literal["balanced_accuracy", "sensitivity", "specificity", "cost"]
Rule = Literal["balanced accuracy", "sensitivity", "specificity", "threshold", "costs", "dice"]


@dataclass(frozen=True)
class Aim:
    """What a threshold is chosen for.

    Attributes:
        value: the sensitivity or specificity to hold, in (0, 1), or the threshold itself, in [0, 1].
        costs: of a missed finding and of a false alarm, for the rule `costs`.
        confidence: with which the sensitivity or specificity holds on other images of the same kind.
    """

    rule: Rule = "balanced accuracy"
    value: float | None = None
    costs: tuple[float, float] | None = None
    confidence: float = 0.8

    def checked(self) -> Aim:
        """The aim itself.

        Raises:
            UsageError: a figure that its rule needs is missing, or makes no sense.
        """
        if self.rule in ("sensitivity", "specificity") and not (self.value is not None and 0 < self.value < 1):
            raise UsageError(f"{self.rule} must lie between 0 and 1, not {self.value}.")
        if self.rule == "threshold" and not (self.value is not None and 0 <= self.value <= 1):
            raise UsageError(f"threshold must be a probability from 0 to 1, not {self.value}.")
        if self.rule == "costs":
            costs = self.costs or (math.nan, math.nan)
            if not all(cost > 0 and math.isfinite(cost) for cost in costs):
                raise UsageError(f"costs must be two numbers above 0 (of a miss, of a false alarm), not {self.costs}.")
        if not 0 < self.confidence < 1:
            raise UsageError(f"confidence must lie between 0 and 1, not {self.confidence}.")
        return self

    def words(self) -> str:
        """For what, after "chosen for": `a sensitivity of 0.95 at least, with a confidence of 0.8`."""
        if self.rule in ("sensitivity", "specificity"):
            return f"a {self.rule} of {self.value:g} at least, with a confidence of {self.confidence:g}"
        if self.rule == "costs" and self.costs:
            return f"the lowest cost, a miss costing {self.costs[0]:g} and a false alarm {self.costs[1]:g}"
        best = {"balanced accuracy": "the best balanced accuracy", "dice": "the best Dice"}
        return best.get(self.rule, "this value, as it was asked for")


@dataclass(frozen=True)
class Threshold:
    """A threshold, and what it does on the samples that it was set on (nan where they hold one class only)."""

    value: float
    sensitivity: Figure
    specificity: Figure
    positives: int
    negatives: int


def threshold(labels: npt.ArrayLike, scores: npt.ArrayLike, aim: Aim, groups: Sequence[str] | None = None) -> Threshold:
    """The threshold that serves an aim best on these samples.

    Sensitivity `S`: just below the highest score of a positive of which, as a threshold, the true sensitivity is at
    least `S` with the confidence asked for. The share of positives below the k-th lowest of m scores has a
    Beta(k, m + 1 - k) distribution, whatever that of the scores. Patients count as so many independent positives as
    their sizes are worth (Kish: the square of the sum of the sizes by the sum of their squares). Specificity likewise,
    with the negatives.

    Balanced accuracy and costs: the best on the samples; the middle of the gap between the two scores that it lies
    between, the widest such gap where there are several.

    Args:
        labels: `(n,)` of 0 and 1.
        scores: `(n,)` probabilities of the finding.
        aim: what to choose for.
        groups: the patient of each sample; None makes each its own.

    Raises:
        UsageError: shapes that don't fit, or as of `Aim.checked`.
        DataError: labels or scores of other values, one class only, or too few positives (negatives).
    """
    aim.checked()
    truth, given = _checked(labels, scores, groups)
    positive = truth == 1
    if aim.rule == "threshold" and aim.value is not None:
        return _at(aim.value, positive, given)
    if positive.all() or not positive.any():
        raise DataError(
            f"there are {positive.sum()} positives and {(~positive).sum()} negatives: a threshold for "
            f"{aim.rule} can't be set on one class."
        )
    if aim.rule == "sensitivity":
        rank = _rank(aim, _independent(groups, positive), int(positive.sum()), "positive")
        score = float(np.sort(given[positive])[rank - 1])
        lower = given[given < score]
        # Between two scores, so that rounding elsewhere decides nothing otherwise.
        return _at((score + float(lower.max())) / 2 if len(lower) else score, positive, given)
    if aim.rule == "specificity":
        rank = _rank(aim, _independent(groups, ~positive), int((~positive).sum()), "negative")
        highest = float(np.sort(given[~positive])[-rank])  # the highest that must be called negative
        above = given[given > highest]
        value = (highest + float(above.min())) / 2 if len(above) else math.nextafter(highest, math.inf)
        return _at(value if value > highest else math.nextafter(highest, math.inf), positive, given)
    costs = aim.costs if aim.rule == "costs" and aim.costs else (1 / positive.sum(), 1 / (~positive).sum())
    return _at(_cheapest(positive, given, *map(float, costs)), positive, given)


def fewest_needed(aim: Aim) -> int:
    """So many independent positives (negatives) a sensitivity (specificity) with this confidence needs."""
    return math.ceil(math.log1p(-aim.confidence) / math.log(aim.value or 0.5) - 1e-9)


def _rank(aim: Aim, independent: float, count: int, name: str) -> int:
    """Which of `count` scores, from the lowest (of the negatives the highest), is the threshold."""
    from scipy.optimize import brentq
    from scipy.special import betainc

    share = aim.value or 0.5

    def excess(rank: float) -> float:
        return float(betainc(rank, independent + 1 - rank, 1 - share)) - aim.confidence

    if independent < 1 or excess(1) < 0:
        raise DataError(
            f"{count} {name} images (worth {independent:.0f} independent ones) are too few to hold a {aim.rule} of "
            f"{share:g} with a confidence of {aim.confidence:g}: {fewest_needed(aim)} independent ones are needed. "
            "Ask for less, or give more validation images."
        )
    rank = independent if excess(independent) >= 0 else brentq(excess, 1, independent)
    # Ranks among independent units are stretched to the samples, which are as many or more.
    return max(1, math.floor(rank * count / independent + 1e-9))


def _independent(groups: Sequence[str] | None, chosen: npt.NDArray[np.bool_]) -> float:
    if groups is None:
        return float(chosen.sum())
    own = np.array([groups[i] for i in np.flatnonzero(chosen).tolist()], object).astype(str)
    sizes = np.unique(own, return_counts=True)[1].astype(np.float64)
    return float(sizes.sum() ** 2 / (sizes**2).sum())


def _cheapest(positive: npt.NDArray[np.bool_], scores: Array, miss: float, alarm: float) -> float:
    """The middle of the widest gap between neighbouring scores in which a threshold costs least."""
    levels, place = np.unique(scores, return_inverse=True)
    positives, negatives = (np.bincount(place[of], minlength=len(levels)) for of in (positive, ~positive))
    missed = np.append(0, np.cumsum(positives))  # by a threshold above so many levels
    alarms = negatives.sum() - np.append(0, np.cumsum(negatives))
    cost = miss * missed + alarm * alarms
    best = cost <= cost.min() * (1 + 1e-12)
    below, above = np.append(min(0.0, levels[0]), levels), np.append(levels, max(1.0, levels[-1]))
    # Neighbouring gaps that cost the same are one.
    starts = np.flatnonzero(best & ~np.append(False, best[:-1]))
    ends = np.flatnonzero(best & ~np.append(best[1:], False))
    widest = int(np.argmax(above[ends] - below[starts]))
    low, high = float(below[starts[widest]]), float(above[ends[widest]])
    middle = (low + high) / 2
    if starts[widest] == 0:  # all are called positive, those at the lowest level too
        return min(middle, float(levels[0]))
    return middle if middle > low else math.nextafter(low, math.inf)


def _at(value: float, positive: npt.NDArray[np.bool_], scores: Array) -> Threshold:
    found = scores >= value
    positives, negatives = int(positive.sum()), int((~positive).sum())
    return Threshold(
        value,
        float(found[positive].mean()) if positives else math.nan,
        float((~found[~positive]).mean()) if negatives else math.nan,
        positives,
        negatives,
    )


def _checked(labels: npt.ArrayLike, scores: npt.ArrayLike, groups: Sequence[str] | None) -> tuple[Labels, Array]:
    truth, given = np.asarray(labels, np.int64), np.asarray(scores, np.float64)
    if truth.ndim != 1 or truth.shape != given.shape:
        raise UsageError(f"labels {truth.shape} and scores {given.shape} must both be (n,).")
    if groups is not None and len(groups) != len(truth):
        raise UsageError(f"{len(groups)} groups for {len(truth)} samples: give one a sample.")
    if not np.isin(truth, (0, 1)).all():
        raise DataError("labels must be 0 or 1.")
    if not np.isfinite(given).all():
        raise DataError("scores are not finite; the model that gave them is broken.")
    return truth, given
