"""Gives each sample its split: from a file, from the data itself, or drawn; and checks the outcome."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ttl.data.records import Records
from ttl.data.split import strata, stratified_split
from ttl.data.splits_file import groups_across, read_splits
from ttl.data.task import SPLITS, UNUSED
from ttl.errors import DataError
from ttl.words.counts import counted, listed


@dataclass(frozen=True)
class Assignment:
    """Where each sample goes.

    Attributes:
        splits: the split of each sample.
        groups: the group of each sample; None where unknown.
        note: where the split comes from.
    """

    splits: list[str]
    groups: tuple[str, ...] | None
    note: str


def assign(records: Records, fractions: Mapping[str, float], *, seed: int, splits_file: Path | None) -> Assignment:
    """The split of each sample, checked.

    Args:
        records: the data.
        fractions: share of all samples by split, used where neither the file nor the data says.
        seed: of what is drawn.
        splits_file: says it all, where given.

    Raises:
        DataError: a class that isn't in every split, a group in two splits, or a file that doesn't fit.
    """
    records.kind.check_counts(records.name, records.class_names, records.labels)
    assignment = _assignment(records, fractions, seed, splits_file)
    notes = _checked(records, assignment.splits)
    if assignment.groups is not None:
        _check_groups(records, assignment.splits, assignment.groups)
    return replace(assignment, note=" ".join([assignment.note, *notes]))


def thinned(records: Records, assignment: Assignment, fraction: float, *, seed: int) -> Assignment:
    """The assignment with a stratified share of its training samples; the others are in no split.

    Raises:
        DataError: a class would have no training sample left.
    """
    splits = np.array(assignment.splits, dtype=object)
    pool = np.flatnonzero(splits == "train")
    groups = None if assignment.groups is None else tuple(assignment.groups[i] for i in pool)
    kept = stratified_split(
        strata(records.labels[pool]), {"train": fraction, UNUSED: 1 - fraction}, seed=seed, groups=groups
    )
    splits[pool] = kept
    _checked(records, splits.tolist())
    count = int((splits == "train").sum())
    note = (
        f"{assignment.note} Of train {counted(count, 'image')} of {len(pool)} are used (--train-fraction {fraction:g})."
    )
    return Assignment(splits.tolist(), assignment.groups, note)


def _assignment(records: Records, fractions: Mapping[str, float], seed: int, splits_file: Path | None) -> Assignment:
    if splits_file is not None:
        splits, groups = read_splits(splits_file, records)
        return Assignment(splits, groups or records.groups, f"Split as {splits_file} says.")
    if records.given is None:
        drawn = stratified_split(strata(records.labels), fractions, seed=seed, groups=records.groups)
        shares = "/".join(f"{100 * fractions[split]:g}" for split in SPLITS)
        return Assignment(drawn, records.groups, f"Split {shares} at random, stratified by class, seed {seed}.")
    missing = [split for split in SPLITS if split not in records.given]
    if not missing or "train" in missing:
        return Assignment(list(records.given), records.groups, "Split as the data bring it.")
    return _completed(records, missing, fractions, seed)


def _completed(records: Records, missing: list[str], fractions: Mapping[str, float], seed: int) -> Assignment:
    """The data's own split, with what it lacks drawn from its training samples, in the usual proportion."""
    splits = np.array(records.given)
    pool = np.flatnonzero(splits == "train")
    total = sum(fractions[split] for split in ("train", *missing))
    shares = {split: fractions[split] / total for split in ("train", *missing)}
    groups = None if records.groups is None else tuple(records.groups[i] for i in pool)
    splits[pool] = stratified_split(strata(records.labels[pool]), shares, seed=seed, groups=groups)
    taken = " and ".join(f"{split} ({counted(int((splits == split).sum()), 'image')})" for split in missing)
    note = f"Split as the data bring it, with {taken} taken out of train, stratified by class, seed {seed}."
    return Assignment(splits.tolist(), records.groups, note)


def _checked(records: Records, splits: Sequence[str]) -> tuple[str, ...]:
    """Notes on what the splits lack; what they can't do without is refused."""
    return records.kind.check_splits(records.name, records.class_names, records.labels, splits)


def _check_groups(records: Records, splits: list[str], groups: tuple[str, ...]) -> None:
    if torn := groups_across(splits, groups):
        found = listed(f"{group} ({' and '.join(s for s in SPLITS if s in torn[group])})" for group in torn)
        raise DataError(
            f"{counted(len(torn), 'group')} of {records.name} in more than one split: {found}: "
            "put each group into one split."
        )
