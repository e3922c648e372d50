"""Gives each sample its split: from a file, from the data itself, or drawn; and checks the outcome."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from ttl.data.records import Records
from ttl.data.split import strata, stratified_split
from ttl.data.splits_file import groups_across, read_splits
from ttl.data.task import SPLITS, UNUSED, picked
from ttl.errors import DataError
from ttl.words.counts import counted, listed

Groups = tuple[str, ...] | None


@dataclass(frozen=True)
class Assignment:
    """Where each sample goes.

    Attributes:
        splits: the split of each sample.
        groups: the group of each sample; None where unknown.
        note: where the split comes from.
    """

    splits: list[str]
    groups: Groups
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
    records.kind.check_counts(records)
    assignment = _assignment(records, fractions, seed, splits_file)
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
        return Assignment(splits, groups or records.groups, f"Split as {splits_file} says.")
    if records.given is None:
        drawn = stratified_split(strata(records.labels), fractions, seed=seed, groups=records.groups)
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
    dealt = stratified_split(
        strata(records.labels[pool]), shares, seed=seed, groups=None if groups is None else picked(groups, pool)
    )
    changed = dict(zip(pool, dealt, strict=True))
    return [changed.get(i, split) for i, split in enumerate(splits)]
