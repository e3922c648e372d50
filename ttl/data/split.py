"""Which split each sample goes to: from a file, from the data itself, or drawn; and the outcome is checked.

What is drawn keeps each class's share, and never tears a group apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ttl.data.records import Records
from ttl.data.splits_file import groups_across, read_splits
from ttl.data.task import SPLITS, UNUSED, Labels, picked
from ttl.errors import DataError
from ttl.words.counts import counted, listed

Counts = npt.NDArray[np.float64]
Groups = tuple[str, ...] | None


@dataclass(frozen=True)
class Assignment:
    """The split of each sample, its group (None where unknown), and a note on where the split comes from."""

    splits: list[str]
    groups: Groups
    note: str
    unknown_patients: frozenset[str] = frozenset()  # see `Records`


def assign(records: Records, fractions: Mapping[str, float], *, seed: int, splits_file: Path | None) -> Assignment:
    """The split of each sample, checked: as the file says, else as the data says, else drawn in these fractions.

    Raises:
        DataError: a class that isn't in every split, a group in two splits, or a file that doesn't fit.
    """
    records.kind.check_counts(records)
    assignment = _assignment(records, fractions, seed, splits_file)
    if not assignment.unknown_patients:
        assignment = replace(assignment, unknown_patients=records.unknown_patients)
    notes = records.kind.check_splits(records, assignment.splits)
    torn = groups_across(assignment.splits, assignment.groups) if assignment.groups else {}
    if torn:
        places = listed(f"{group} ({' and '.join(s for s in SPLITS if s in torn[group])})" for group in torn)
        raise DataError(
            f"{counted(len(torn), 'group')} of {records.name} in more than one split: {places}: "
            "put each group into one split."
        )
    return replace(assignment, note=" ".join([assignment.note, *notes]))


def thinned(records: Records, assignment: Assignment, fraction: float, *, seed: int) -> Assignment:
    """The assignment with a stratified share of its training samples; the others are in no split.

    Raises:
        DataError: a class would have no training sample left.
    """
    shares = {"train": fraction, UNUSED: 1 - fraction}
    splits = _train_shared_out(records, assignment.splits, assignment.groups, shares, seed)
    records.kind.check_splits(records, splits)
    kept = counted(splits.count("train"), "image")
    note = f"Of train {kept} of {assignment.splits.count('train')} are used (--train-fraction {fraction:g})."
    return replace(assignment, splits=splits, note=f"{assignment.note} {note}")


def _assignment(records: Records, fractions: Mapping[str, float], seed: int, splits_file: Path | None) -> Assignment:
    if splits_file is not None:
        splits, groups = read_splits(splits_file, records)
        unknown = records.unknown_patients
        if records.groups is None and groups is not None:  # an image's name is no patient's
            unknown = frozenset(sample for sample, group in zip(records.ids, groups, strict=True) if group == sample)
        return Assignment(splits, groups or records.groups, f"Split as {splits_file} says.", unknown)
    if records.given is None:
        drawn = stratified_split(records.labels, fractions, seed=seed, groups=records.groups)
        shares = "/".join(f"{100 * fractions[split]:g}" for split in SPLITS)
        return Assignment(drawn, records.groups, f"Split {shares} at random, stratified by class, seed {seed}.")
    given = list(records.given)
    missing = [split for split in SPLITS if split not in given]
    if not missing or "train" in missing:
        return Assignment(given, records.groups, "Split as the data bring it.")
    total = sum(fractions[split] for split in ("train", *missing))
    completed = {split: fractions[split] / total for split in ("train", *missing)}
    splits = _train_shared_out(records, given, records.groups, completed, seed)
    drawn_from_train = " and ".join(f"{split} ({counted(splits.count(split), 'image')})" for split in missing)
    note = f"Split as the data bring it, with {drawn_from_train} taken out of train, stratified by class, seed {seed}."
    return Assignment(splits, records.groups, note)


def _train_shared_out(
    records: Records, splits: list[str], groups: Groups, shares: Mapping[str, float], seed: int
) -> list[str]:
    """The splits, with the samples of train dealt out in these shares."""
    pool = [i for i, split in enumerate(splits) if split == "train"]
    own = None if groups is None else picked(groups, pool)
    dealt = dict(zip(pool, stratified_split(records.labels[pool], shares, seed=seed, groups=own), strict=True))
    return [dealt.get(i, split) for i, split in enumerate(splits)]


def stratified_split(labels: Labels, fractions: Mapping[str, float], *, seed: int, groups: Groups = None) -> list[str]:
    """The split of each sample.

    Without groups each class is dealt out by itself, to the nearest image, and every split gets at least
    one of a class that has enough, and one of some class where there are as many images as splits. With
    groups each group goes whole to the split that lacks most, the hardest to place first (after Sechidis et
    al. 2011, "On the stratification of multi-label data"), so the shares are met as well as the groups allow.

    Args:
        labels: `(n,)` int64, or `(n, classes)` of 1, 0 and -1: the rarest that a sample has is its class then.
        fractions: share of the samples by split, summing to 1.
    """
    names, shares = list(fractions), np.array([*fractions.values()], np.float64)
    labels, rng = _strata(labels), np.random.default_rng(seed)
    chosen = _by_class(labels, shares, rng) if groups is None else _by_group(labels, shares, groups, rng)
    return [names[split] for split in chosen]


def _strata(labels: Labels) -> Labels:
    """One class a sample, `(n,)` int64 from 0 on: its own; of several labels the rarest that it has, or none."""
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
    # Of classes too small to divide all may go one way: an empty split takes an image from the largest.
    for split in range(len(shares)) if len(chosen) >= len(shares) else ():
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
        label, left = rarity[group].argmin(), (target - filled).sum(axis=1)
        lacking = 1 - filled[:, label] / target[:, label]
        # The split that lacks the largest part of its share of the rarest class; among equals, the most images.
        split_of[group] = np.lexsort((-left, -lacking))[0]
        filled[split_of[group]] += contents[group]
    return split_of[member_of]
