"""What a number of images can show: the chance to call a network as good as another that is in truth as good.

Everything rests on a model of the two networks, which is stated with each figure.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from ttl.stats.intervals import FEWEST_UNITS, claim_of, student
from ttl.stats.jackknife import Units
from ttl.stats.kinds import primary
from ttl.stats.mask_overlap import COLUMNS
from ttl.stats.resampling import Array, Labels

SIMULATED = 4000
SHIFT = math.sqrt(2) * NormalDist().inv_cdf(0.95)  # of the scores of positives: an AUROC of 0.95
CORRELATION = 0.8
DICE, DICE_SPREAD, DICE_GAP = 0.85, 0.1, 0.05
WANTED = 0.8
MOST_IMAGES = 10**7
ASSUMED = {
    "classes": "both with an AUROC of 0.95 and errors correlated at 0.8",
    "masks": "both with a Dice of 0.85, which differs by 0.05 from image to image",
}


@dataclass(frozen=True)
class Power:
    """The chance that a claim of non-inferiority is made where two networks are equally good.

    Attributes:
        images: independent images, or patients of equal size, that there are.
        chance: in [0, 1].
        needed: how many would make it 80 %.
        assumed: the model that this is true in, in words.
    """

    images: float
    chance: float
    needed: int
    assumed: str

    def words(self, metric: str, margin: float) -> str:
        """A sentence on a loss of `margin` in a metric, called `metric`."""
        chance, needed = f"{100 * self.chance:.0f} %", f"{float(f'{self.needed:.2g}'):,.0f}"
        chance = "less than 1 %" if self.chance < 0.01 else "more than 99 %" if self.chance > 0.99 else chance
        enough = "" if self.chance >= WANTED else f"; for {WANTED:.0%} about {needed} are needed"
        return (
            f"{self.images:.0f} independent test images (patients) have a chance of {chance} to show that a network as "
            f"good as the whole one loses less than {margin:g} of {metric}{enough} (assumed: {self.assumed})."
        )


def power(kind: str, labels: npt.ArrayLike, *, margin: float, groups: Sequence[str] | None = None) -> Power:
    """What a test split with these labels, and these groups (patients), can show of the kind's primary metric.

    Args:
        kind: one of `KINDS`, decisions left out.
        labels: as `metrics` takes them.
        margin: the largest loss that doesn't matter.
        groups: the patient of each image; None makes each its own.

    Raises:
        UsageError: not one group a sample, or labels of another shape.
    """
    truth = np.asarray(labels, np.int64)
    there = Units.of(truth, groups, 0).total
    simulated, cut, whole = _two_networks(kind, truth)
    claim = claim_of(primary(kind), kind, simulated, cut, whole, margin)

    # Standard errors shrink with the root of the number. So do, in simulations, the degrees of freedom: the largest of
    # few influences is no large one.
    def chance(units: float) -> float:
        if units < FEWEST_UNITS:
            return 0.0
        share = units / SIMULATED
        return max(
            NormalDist().cdf(distance * math.sqrt(share) - student(tail, max(1.0, freedom * math.sqrt(share))))
            for distance, freedom, tail in claim
        )

    assumed = ASSUMED["masks" if kind == "segmentation" else "classes"]
    return Power(there, chance(there), _fewest(lambda n: chance(n) >= WANTED), assumed)


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
