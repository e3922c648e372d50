"""Bootstrap resamples as weights: how often each sample is drawn, alone or with its whole group."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from ttl.errors import UsageError
from ttl.stats.defined import Array

Positions = npt.NDArray[np.intp]

CHUNK_ELEMENTS = 16_000
"""Weights drawn at once: from 128 kB on, Linux hands every array out as new, unmapped pages, which costs a third."""


def resample_weights(
    strata: npt.NDArray[np.int64], resamples: int, seed: int, groups: Sequence[str] | None = None
) -> Iterator[Array]:
    """Yield `(some resamples, n)`: how often each sample is drawn.

    Without groups, samples are redrawn within their stratum. With them, whole groups are redrawn among those
    whose samples are of the same strata, so that the number of groups of each make-up stays what it was; the
    number of samples varies with the sizes of the groups.

    Args:
        strata: `(n,)` integers, the labels; the same everywhere draws from all samples alike.
        resamples: Bootstrap resamples.
        seed: Of the resampling; the same strata, groups and seed give the same resamples.
        groups: `(n,)` names; None lets every sample stand alone.

    Raises:
        UsageError: There isn't one group a sample.
    """
    if groups is not None and len(groups) != len(strata):
        raise UsageError(f"groups name {len(groups)} samples and there are {len(strata)}; give one a sample.")
    rng = np.random.default_rng(seed)
    owner = None if groups is None else _owners(groups)
    pools = _pools_of_samples(strata) if owner is None else _pools_of_groups(strata, owner)
    units = sum(len(pool) for pool in pools)
    for n in chunks(resamples, len(strata)):
        drawn = np.empty((n, units))
        for pool in pools:
            draws = rng.integers(len(pool), size=(n, len(pool)))
            draws += np.arange(n)[:, None] * len(pool)
            drawn[:, pool] = np.bincount(draws.ravel(), minlength=draws.size).reshape(draws.shape)
        yield drawn if owner is None else drawn[:, owner]


def chunks(resamples: int, n: int) -> Iterator[int]:
    """Split `resamples` so that a part times `n` stays small."""
    size = max(1, CHUNK_ELEMENTS // max(1, n))
    for start in range(0, resamples, size):
        yield min(size, resamples - start)


def _pools_of_samples(strata: npt.NDArray[np.int64]) -> list[Positions]:
    return [np.flatnonzero(strata == stratum) for stratum in np.unique(strata)]


def _owners(groups: Sequence[str]) -> Positions:
    """`(n,)` the position of each sample's group, groups in the order in which they first come."""
    seen: dict[str, int] = {}
    return np.array([seen.setdefault(group, len(seen)) for group in groups], np.intp)


def _pools_of_groups(strata: npt.NDArray[np.int64], owner: Positions) -> list[Positions]:
    """Positions of the groups whose samples are of the same strata, a pool for each such combination."""
    held: defaultdict[int, set[int]] = defaultdict(set)
    for group, stratum in zip(owner.tolist(), strata.tolist(), strict=True):
        held[group].add(stratum)
    pools: defaultdict[tuple[int, ...], list[int]] = defaultdict(list)
    for group in sorted(held):
        pools[tuple(sorted(held[group]))].append(group)
    return [np.array(pools[key], np.intp) for key in sorted(pools)]
