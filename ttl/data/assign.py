"""Gives each sample its split: from a file, from the data itself, or drawn; and checks the outcome."""

from __future__ import annotations

from collections.abc import Mapping
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
    _check_counts(records)
    assignment = _assignment(records, fractions, seed, splits_file)
    told = _check_presence(records, assignment.splits)
    if assignment.groups is not None:
        _check_groups(records, assignment.splits, assignment.groups)
    return replace(assignment, note=" ".join([assignment.note, *told]))


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
    _check_presence(records, splits.tolist())
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


def _check_counts(records: Records) -> None:
    if records.kind == "segmentation":
        if len(records) < len(SPLITS):
            raise DataError(
                f"{records.name} has {counted(len(records), 'image')} with masks: at least {len(SPLITS)} are needed, "
                "one for each of train, val and test."
            )
        return
    if records.kind != "multilabel" and len(records.class_names) < 2:
        raise DataError(f"{records.name} has {counted(len(records.class_names), 'class')}: at least two are needed.")
    small = {name: count for name, count in records.counts().items() if count < len(SPLITS)}
    if small:
        what = listed(f"{name} ({counted(count, 'image')})" for name, count in small.items())
        raise DataError(
            f"{records.name} has classes with too few images, {what}: at least {len(SPLITS)} are needed, one "
            "for each of train, val and test; add images, or remove the class."
        )


def _check_presence(records: Records, splits: list[str]) -> list[str]:
    """Refuses a split that lacks what it needs; notes on what it lacks otherwise."""
    if records.kind == "segmentation":
        return _check_masks(records, splits)
    if records.kind == "multilabel":
        return []  # a class that a split lacks is left out of that split's means
    for split in SPLITS:
        inside = np.array(splits) == split
        present = set(records.labels[inside].tolist())
        absent = [name for label, name in enumerate(records.class_names) if label not in present]
        if not absent:
            continue
        where = listed(other for other in SPLITS if _has(records, splits, other, absent[0]))
        raise DataError(
            f"The class {absent[0]!r} of {records.name} is in {where} but not in {split}: every split needs "
            "images of every class; move some, remove the class, or let the split be drawn."
        )
    return []


def _check_masks(records: Records, splits: list[str]) -> list[str]:
    """What can't be seen in train can't be learned; what others lack can only not be measured there."""
    has, where = records.labels == 1, np.array(splits)
    notes = []
    for split in SPLITS:
        if not (where == split).any():
            raise DataError(
                f"{records.name} has no image in {split}: every split needs some; add images, or move some there."
            )
        absent = has.any(axis=0) & ~has[where == split].any(axis=0)
        names = listed(name for name, lacks in zip(records.class_names, absent, strict=True) if lacks)
        if absent.any() and split == "train":
            raise DataError(
                f"No mask in train of {records.name} has {names}, and others do: every class has to be in train; "
                "move some images, use more of them, or remove the class."
            )
        if absent.any():
            notes.append(f"No mask in {split} has {names}.")
    return notes


def _has(records: Records, splits: list[str], split: str, name: str) -> bool:
    label = records.class_names.index(name)
    return any(s == split and number == label for s, number in zip(splits, records.labels, strict=True))


def _check_groups(records: Records, splits: list[str], groups: tuple[str, ...]) -> None:
    if torn := groups_across(splits, groups):
        found = listed(f"{group} ({' and '.join(s for s in SPLITS if s in torn[group])})" for group in torn)
        raise DataError(
            f"{counted(len(torn), 'group')} of {records.name} in more than one split: {found}: "
            "put each group into one split."
        )
