"""Who goes where: a seeded split that keeps each class's share and never tears a group apart."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from ttl.data.task import Labels

Counts = npt.NDArray[np.float64]


def stratified_split(
    labels: Labels, fractions: Mapping[str, float], *, seed: int, groups: tuple[str, ...] | None = None
) -> list[str]:
    """The split of each sample.

    Without groups each class is dealt out by itself, to the nearest image, and every split gets at least
    one of a class that has enough, and one of some class where there are as many images as splits. With
    groups each group goes whole to the split that lacks most, the hardest to place first (after Sechidis et
    al. 2011, "On the stratification of multi-label data"), so the shares are met as well as the groups allow.

    Args:
        labels: `(n,)` int64.
        fractions: share of the samples by split, summing to 1.
        seed: the same seed gives the same split.
        groups: the group of each sample.
    """
    names = list(fractions)
    shares = np.array([fractions[name] for name in names], np.float64)
    rng = np.random.default_rng(seed)
    chosen = _by_class(labels, shares, rng) if groups is None else _by_group(labels, shares, groups, rng)
    return [names[split] for split in chosen]


def strata(labels: Labels) -> Labels:
    """One class a sample to stratify by: its own; of several labels the rarest that it has, or none of them.

    Args:
        labels: `(n,)`, or `(n, classes)` of 1, 0 and -1.

    Returns:
        `(n,)` int64 from 0 on.
    """
    if labels.ndim == 1:
        return labels
    has = labels == 1
    by_rarity = np.argsort(has.sum(axis=0), kind="stable")
    rarest = np.where(has.any(axis=1), by_rarity[has[:, by_rarity].argmax(axis=1)] + 1, 0)
    return np.unique(rarest, return_inverse=True)[1].astype(np.int64)


def _by_class(labels: Labels, shares: Counts, rng: np.random.Generator) -> Labels:
    chosen = np.zeros(len(labels), np.int64)
    for label in np.unique(labels):
        members = rng.permutation(np.flatnonzero(labels == label))
        ends = np.cumsum(_apportion(len(members), shares))
        for split, part in enumerate(np.split(members, ends[:-1])):
            chosen[part] = split
    return _without_empty(chosen, labels, len(shares))


def _without_empty(chosen: Labels, labels: Labels, splits: int) -> Labels:
    """Of classes too small to divide all may go one way: an empty split takes an image from the largest."""
    for split in range(splits) if len(chosen) >= splits else ():
        if not (chosen == split).any():
            largest = chosen == np.bincount(chosen).argmax()
            commonest = np.bincount(labels[largest]).argmax()
            chosen[np.flatnonzero(largest & (labels == commonest))[-1]] = split
    return chosen


def _apportion(total: int, shares: Counts) -> Labels:
    """Whole numbers that sum to `total`, by largest remainder; none is 0 where `total` allows it."""
    exact = shares * total
    parts = np.floor(exact).astype(np.int64)
    for split in np.argsort(parts - exact, kind="stable")[: total - parts.sum()]:
        parts[split] += 1
    while total >= len(parts) and parts.min() == 0:
        parts[parts.argmin()] += 1
        parts[parts.argmax()] -= 1
    return parts


def _by_group(labels: Labels, shares: Counts, groups: tuple[str, ...], rng: np.random.Generator) -> Labels:
    _, member_of = np.unique(np.array(groups, object).astype(str), return_inverse=True)
    contents = np.zeros((member_of.max(initial=-1) + 1, labels.max(initial=-1) + 1))
    np.add.at(contents, (member_of, labels), 1)
    rarity = np.where(contents > 0, (contents > 0).sum(axis=0), np.inf)  # groups that have the class
    order = rng.permutation(len(contents))
    keys = (-contents.sum(axis=1)[order], rarity.min(axis=1, initial=np.inf)[order])
    target = np.outer(shares, contents.sum(axis=0))
    filled = np.zeros_like(target)
    split_of = np.zeros(len(contents), np.int64)
    for group in order[np.lexsort(keys)]:
        split_of[group] = _neediest(target, filled, int(rarity[group].argmin()))
        filled[split_of[group]] += contents[group]
    return split_of[member_of]


def _neediest(target: Counts, filled: Counts, label: int) -> int:
    """The split that lacks the largest part of its share of a class; among equals, the most images."""
    lacking = 1 - filled[:, label] / target[:, label]
    left = (target - filled).sum(axis=1)
    return int(np.lexsort((-left, -lacking))[0])
