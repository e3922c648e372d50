"""The delete-a-group jackknife: how much a metric hangs on each image, or on each patient with all of their images.

Wu, "Jackknife, bootstrap and other resampling methods in regression analysis" (1986), for strata; Shao & Tu, "The
Jackknife and Bootstrap" (1995), section 2.3, for groups of many units. It needs nothing of a metric but its values
under weights of the samples, so that every metric of every kind has a standard error by the same few lines.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ttl.stats.resampling import Array, Labels, chunks, units_of

MOST_UNITS = 1000
"""More units than this are left out several at a time: the standard error is as good, and 10,000 images take 0.1 s."""


@dataclass(frozen=True, eq=False)
class Units:
    """What is left out together.

    Attributes:
        of_sample: `(n,)` the unit of each sample.
        stratum: `(units,)`: units vary among those of their stratum only.
        independent: `(strata,)` how many independent units of equal size a stratum is worth (Kish 1965: the square of
            the sum of the sizes by the sum of their squares); a patient with most of the images is not one of many.
        fewest: the samples of the stratum that has the fewest: as a rule the positives.
    """

    of_sample: Labels
    stratum: Labels
    independent: Array
    fewest: int

    @classmethod
    def of(cls, labels: Labels, groups: Sequence[str] | None, seed: int) -> Units:
        """The samples of each class, or the patients that hold the same classes, are a stratum.

        Raises:
            UsageError: not one group a sample.
        """
        stratum, of_sample = units_of(labels, groups)
        of_sample = np.arange(len(stratum)) if of_sample is None else of_sample
        stratum = _merged(stratum)
        sizes = np.bincount(of_sample, minlength=len(stratum)).astype(np.float64)
        independent = np.bincount(stratum, sizes) ** 2 / np.bincount(stratum, sizes**2)
        block, of_block = _blocks(stratum, np.random.default_rng(seed))
        fewest = int(np.bincount(stratum, sizes).min()) if len(stratum) else 0
        return cls(block[of_sample], of_block, independent, fewest)

    @property
    def total(self) -> float:
        """Independent units in all."""
        return float(self.independent.sum())

    def left_out(self) -> Iterator[Array]:
        """`(some units, n)` weights of the samples, one unit at a time at 0."""
        start = 0
        for some in chunks(len(self.stratum), len(self.of_sample)):
            yield (self.of_sample != np.arange(start, start + some)[:, None]).astype(np.float64)
            start += some

    def influence(self, without: Array) -> Array:
        """Deviations `(units,)` whose squares sum up to the variance, from the metric `without` each unit."""
        count = np.bincount(self.stratum)
        mean = np.bincount(self.stratum, without, len(count)) / count
        scale = np.sqrt((count - 1) / count)
        deviations: Array = (mean[self.stratum] - without) * scale[self.stratum]
        return deviations

    def degrees_of_freedom(self, influence: Array, *, cautious: bool = False) -> float:
        """How well the variance that `influence` gives is known itself: Satterthwaite (1946) over the strata.

        `cautious` takes the spread of the squares where that says less: where three images carry the whole difference
        of two models, its variance is that of three numbers, however many there are.
        """
        squares = influence**2
        variance = squares.sum()
        by_stratum = np.bincount(self.stratum, squares, len(self.independent))
        uncertainty = (by_stratum**2 / np.maximum(self.independent - 1, 0.5)).sum()
        if cautious:
            of_squares = ((squares**2).sum() - (by_stratum**2 / np.bincount(self.stratum)).sum()) / 2
            uncertainty = max(uncertainty, of_squares)
        if not uncertainty > 0:
            return max(1.0, self.total - len(self.independent))
        return max(1.0, float(variance**2 / uncertainty))


def _merged(stratum: Labels) -> Labels:
    """Strata of one unit, which can't vary by themselves, taken together; numbered from 0."""
    names, number, count = np.unique(stratum, return_inverse=True, return_counts=True)
    alone = count == 1
    if alone.sum() == 1 and len(names) > 1:  # with itself only: it joins the largest
        alone[np.argmax(count)] = True
    joined = np.where(alone, len(names), np.arange(len(names)))
    return np.unique(joined[number], return_inverse=True)[1].reshape(-1)


def _blocks(stratum: Labels, rng: np.random.Generator) -> tuple[Labels, Labels]:
    """The block of each unit, and the stratum of each block: about `MOST_UNITS` blocks of one size.

    A small stratum keeps its units as far as there is room: of sixty positives among thousands two blocks know nothing.
    """
    size = -(-len(stratum) // MOST_UNITS)
    if size <= 1:
        return np.arange(len(stratum)), stratum
    block, of_block = np.empty(len(stratum), np.int64), np.empty(0, np.int64)
    counts = np.bincount(stratum)
    least = MOST_UNITS // (2 * len(counts))
    for number, count in enumerate(counts):
        wanted = min(count, max(2, least, count // size))
        block[stratum == number] = len(of_block) + rng.permutation(np.arange(count) % wanted)
        of_block = np.append(of_block, np.full(wanted, number))
    return block, of_block
