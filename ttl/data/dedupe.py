"""What is done about images that show the same: named where they leak, kept together, or dropped."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np

from ttl.data.describe import shared_groups
from ttl.data.duplicates import find_duplicates, keep_together
from ttl.data.records import Records
from ttl.data.task import Duplicate, Samples, Task
from ttl.words.counts import counted, listed

Dedupe = Literal["together", "drop"]
SHOWN = 3


def checked_for_leaks(task: Task) -> Task:
    """The task with the duplicates across its splits, and notes on them and on groups (patients) in two splits."""
    duplicates = find_duplicates(task.splits)
    notes = [_leaks(duplicates) if duplicates else "Leak check: no image is in two splits, not even saved anew."]
    shared = shared_groups(task)
    if shared is not None:
        groups = {group for samples in task.splits.values() for group in samples.groups or ()}
        notes.append(f"{len(groups)} groups (patients); {shared} shared between splits.")
    return replace(task, duplicates=tuple(duplicates), notes=(*task.notes, *notes))


def _leaks(duplicates: list[Duplicate]) -> str:
    held_out = {pair.b for pair in duplicates}
    same = sum(pair.kind == "identical" for pair in duplicates)
    how = "all byte for byte"
    if same < len(duplicates):
        how = f"{same} of {counted(len(duplicates), 'pair')} byte for byte, the others saved anew"
    first = listed((f"{pair.a} ({pair.a_split}) = {pair.b} ({pair.b_split})" for pair in duplicates), SHOWN)
    return (
        f"Leak check: {counted(len(held_out), 'image')} of a later split {'is' if len(held_out) == 1 else 'are'} in an "
        f"earlier one too ({how}): {first}. "
        "The figures are too good by that: use --dedupe drop (or, where the split is drawn, --dedupe together)."
    )


def deduplicated(records: Records, how: Dedupe) -> Records:
    """The records with duplicates in one group, or with one of each left.

    Of duplicates the first by id is kept; those with different labels or masks are all dropped, for no one knows
    the right one.
    """
    samples = Samples(records.ids, records.labels, records.source, np.arange(len(records)), records.groups)
    duplicates = find_duplicates({"all": samples}, within=True)
    if not duplicates:
        return replace(records, notes=(*records.notes, "Duplicates: none found."))
    if how == "together":
        note = f"Duplicates: {counted(len(duplicates), 'pair')}, each kept in one split."
        groups = keep_together(records.ids, duplicates, records.groups)
        return replace(records, groups=groups, notes=(*records.notes, note))
    clusters: dict[str, list[int]] = {}
    for i, name in enumerate(keep_together(records.ids, duplicates)):
        clusters.setdefault(name, []).append(i)
    unclear = {name: len(members) for name, members in clusters.items() if not _agree(records, members)}
    kept = sorted(members[0] for name, members in clusters.items() if name not in unclear)
    note = f"Duplicates: {counted(len(records) - len(kept), 'image')} dropped"
    what = "labels" if records.masks is None else "masks"
    ending = f", of which {sum(unclear.values())} bore different {what} than their copies." if unclear else "."
    return records.pick(kept, note + ending)


def _agree(records: Records, members: list[int]) -> bool:
    if records.masks is not None:
        return len({records.masks.digests[i] for i in members}) == 1
    return len(np.unique(records.labels[members], axis=0)) == 1
