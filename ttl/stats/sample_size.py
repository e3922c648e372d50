"""What a number of images can show: the chance to call a network as good as another that is in truth as good.

Everything rests on a model of the two networks, which is stated with each figure.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from ttl.errors import UsageError
from ttl.stats.intervals import FEWEST_UNITS
from ttl.stats.jackknife import Units
from ttl.stats.kinds import primary
from ttl.stats.mask_overlap import COLUMNS
from ttl.stats.operating import Endpoint
from ttl.stats.paired_test import Claim, claim_of, student
from ttl.stats.resampling import Array, Labels
from ttl.stats.sample_values import costs_of
from ttl.words.metric import metric as named

SIMULATED = 4000
SHIFT = math.sqrt(2) * NormalDist().inv_cdf(0.95)  # of the scores of positives: an AUROC of 0.95
CORRELATION = 0.8
DICE, DICE_SPREAD, DICE_GAP = 0.85, 0.1, 0.05
WANTED = 0.8
MOST_IMAGES = 10**7
REACH = 8.0  # standard deviations, beyond which nothing lies
ASSUMED = {
    "classes": "both with an AUROC of 0.95 and errors correlated at 0.8",
    "masks": "both with a Dice of 0.85, which differs by 0.05 from image to image",
}


@dataclass(frozen=True)
class Power:
    """The chance that a claim of non-inferiority is made where two networks are equally good.

    Attributes:
        images: independent images, or patients of equal size, that there are.
        chance: in [0, 1]; of a joint claim that both parts are made.
        needed: how many would make it 80 %.
        assumed: the model that this is true in, in words.
        endpoint: the metric of decisions that must be shown too, empty where there is none.
        margin_decision: the largest loss of it that doesn't matter, 0 where there is none.
    """

    images: float
    chance: float
    needed: int
    assumed: str
    endpoint: str = ""
    margin_decision: float = 0.0

    def words(self, metric: str, margin: float) -> str:
        """A sentence on a loss of `margin` in a metric, called `metric`."""
        chance, needed = f"{100 * self.chance:.0f} %", f"{float(f'{self.needed:.2g}'):,.0f}"
        chance = "less than 1 %" if self.chance < 0.01 else "more than 99 %" if self.chance > 0.99 else chance
        enough = "" if self.chance >= WANTED else f"; for {100 * WANTED:.0f} % about {needed} are needed"
        also = f" and {self.margin_decision:g} of {named(self.endpoint).name}" if self.endpoint else ""
        return (
            f"{self.images:.0f} independent test images (patients) have a chance of {chance} to show that a network as "
            f"good as the whole one loses less than {margin:g} of {metric}{also}{enough} (assumed: {self.assumed})."
        )


def power(
    kind: str,
    labels: npt.ArrayLike,
    *,
    margin: float,
    margin_decision: float | None = None,
    endpoint: Endpoint = "balanced_accuracy",
    finding: Sequence[int] = (),
    groups: Sequence[str] | None = None,
) -> Power:
    """What a test split with these labels, and these groups (patients), can show.

    With `margin_decision` the claim is a joint one: of the kind's primary metric, and of decisions. Both networks are
    simulated once, and decide by the threshold in the middle between the classes (of more than two classes without a
    finding by the most probable one), each at its own; in a cost a miss is as dear as a false alarm. Both parts are
    taken for normal deviates, as correlated as the influences of the simulated images on the two differences. Against
    300 simulated sets of this model a cell, put through both tests, the chance was right to within 0.04 for rates of
    two classes, and 0.08 for costs and for four classes (the product of the two chances: too low by up to 0.08). What
    a threshold set on few validation images adds isn't counted. In segmentation there is one claim, of the primary
    metric.

    Args:
        kind: one of `KINDS`, decisions and values left out.
        labels: as `metrics` takes them.
        margin: the largest loss of the primary metric that doesn't matter.
        margin_decision: likewise of the decision endpoint; None leaves it out.
        endpoint: of the decisions.
        finding: of more than two classes those (by number) that are one finding; without them the most probable class
            is the decision.
        groups: the patient of each image; None makes each its own.

    Raises:
        UsageError: not one group a sample, labels of another shape, or an endpoint that needs a finding without one.
    """
    truth = np.asarray(labels, np.int64)
    there = Units.of(truth, groups, 0).total
    simulated, cut, whole = _two_networks(kind, truth)
    units = Units.of(simulated, None, 0)
    claim = claim_of(primary(kind), kind, simulated, cut, whole, margin, units)
    if margin_decision is None or kind == "segmentation":
        chance = partial(_chance, claim)
        assumed = ASSUMED["masks" if kind == "segmentation" else "classes"]
        return Power(there, chance(there), _fewest(lambda n: chance(n) >= WANTED), assumed)
    of, answers, (first, second) = _decided(kind, simulated, cut, whole, endpoint, finding)
    both = partial(_chance_of_both, claim, claim_of(endpoint, of, answers, first, second, margin_decision, units))
    assumed = f"{ASSUMED['classes']}, each at its own threshold"
    return Power(there, both(there), _fewest(lambda n: both(n) >= WANTED), assumed, endpoint, margin_decision)


def _excess(claim: Claim, images: float) -> float:
    """By how many standard errors the best of a claim's tests is expected to pass, with so many images.

    Standard errors shrink with the root of the number. So do, in simulations, the degrees of freedom: the largest of
    few influences is no large one.
    """
    if images < FEWEST_UNITS:
        return -math.inf
    root = math.sqrt(images / SIMULATED)
    return max(test.distance * root - student(test.tail, max(1.0, test.freedom * root)) for test in claim.tests)


def _chance(claim: Claim, images: float) -> float:
    return NormalDist().cdf(_excess(claim, images)) if images >= FEWEST_UNITS else 0.0


def _chance_of_both(one: Claim, other: Claim, images: float) -> float:
    """That two normal deviates, correlated as the influences are, lie below what their claims can spare."""
    from scipy.special import ndtr

    first, second = _excess(one, images), _excess(other, images)
    if images < FEWEST_UNITS or first <= -REACH:
        return 0.0
    correlation = min(max(_correlation(one.influence, other.influence), -0.999), 0.999)
    x = np.linspace(-REACH, min(first, REACH), 2001)
    density = np.exp(-(x**2) / 2) / math.sqrt(2 * math.pi)
    below = ndtr((second - correlation * x) / math.sqrt(1 - correlation**2))
    return float(np.trapezoid(density * below, x))


def _correlation(one: Array, other: Array) -> float:
    return float(one @ other / np.sqrt((one @ one) * (other @ other)))


def _decided(
    kind: str, labels: Labels, cut: Array, whole: Array, endpoint: Endpoint, finding: Sequence[int]
) -> tuple[str, Labels, list[Array]]:
    """How the endpoint is scored: the kind, labels, and of both networks what they decide (or what it costs)."""
    rows = cut, whole
    middle = 1 / (1 + math.exp(-SHIFT / 2))
    if kind == "multilabel":
        answers, made = labels, [(each >= middle).astype(np.int64) for each in rows]
    elif kind == "binary":
        answers, made = labels, [(each[:, 1] >= middle).astype(np.int64) for each in rows]
    elif finding:
        chosen = list(finding)
        answers = np.isin(labels, chosen).astype(np.int64)
        made = [np.isin(each.argmax(axis=1), chosen).astype(np.int64) for each in rows]
    elif endpoint == "balanced_accuracy":
        return kind, labels, [cut, whole]
    else:
        raise UsageError(f"{endpoint} of more than two classes needs a finding: name the classes that make it.")
    if endpoint == "cost":
        return "values", labels, [costs_of(answers, each, (1.0, 1.0)) for each in made]
    return "decision", answers, [each.astype(np.float64) for each in made]


def _fewest(holds: Callable[[int], bool]) -> int:
    """The smallest number that `holds`, which all larger ones do; `MOST_IMAGES` where even that doesn't."""
    low, high = 0, FEWEST_UNITS
    while not holds(high) and high < MOST_IMAGES:
        low, high = high, min(2 * high, MOST_IMAGES)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high


def _two_networks(kind: str, truth: Labels) -> tuple[Labels, Array, Array]:
    """`SIMULATED` images with the shares of classes that the labels have, as two equally good networks see them."""
    rng = np.random.default_rng(0)
    if kind == "segmentation":
        dice = np.clip(DICE + DICE_SPREAD * rng.standard_normal(SIMULATED), 0.02, 0.98)
        other = np.clip(dice + DICE_GAP * rng.standard_normal(SIMULATED), 0, 1)
        return np.ones((SIMULATED, 2), np.int64), _overlaps(dice), _overlaps(other)
    if truth.ndim == 2:
        shares = (truth == 1).sum(axis=0) / np.maximum((truth >= 0).sum(axis=0), 1)
        marks = np.stack([_dealt(rng, np.array([1 - share, share])) for share in shares], axis=1)
        labels = marks
    else:
        labels = _dealt(rng, np.bincount(truth) / len(truth))
        marks = labels[:, None] == np.arange(truth.max() + 1)
    common, *own = rng.standard_normal((3, *marks.shape))
    scores = (SHIFT * marks + math.sqrt(CORRELATION) * common + math.sqrt(1 - CORRELATION) * each for each in own)
    first, second = (1 / (1 + np.exp(-each)) for each in scores)
    return labels, first, second


def _dealt(rng: np.random.Generator, shares: Array) -> Labels:
    """Classes in these shares, at random places."""
    return rng.permutation(np.searchsorted(np.cumsum(shares), (np.arange(SIMULATED) + 0.5) / SIMULATED))


def _overlaps(dice: Array) -> Array:
    """`(n, 2, 5)` as of `overlap`, with this Dice in the foreground."""
    counts = np.zeros((len(dice), 2, len(COLUMNS)))
    counts[:, 0, 0], counts[:, 1, 0] = 1, dice
    counts[:, 1, 1] = counts[:, 1, 2] = 1 - dice
    counts[:, :, -1] = np.nan
    return counts
