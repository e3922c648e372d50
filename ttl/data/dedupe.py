"""What is done about images that show the same: told where they leak, kept together, or dropped."""

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
    found = find_duplicates(task.splits)
    return replace(task, duplicates=tuple(found), notes=(*task.notes, *_leaks(task, found)))


def _leaks(task: Task, found: list[Duplicate]) -> tuple[str, ...]:
    told = [_told(found) if found else "Leak check: no image is in two splits, not even saved anew."]
    shared = shared_groups(task)
    if shared is not None:
        groups = {group for samples in task.splits.values() for group in samples.groups or ()}
        told.append(f"{len(groups)} groups (patients); {shared} shared between splits.")
    return tuple(told)


def _told(found: list[Duplicate]) -> str:
    held_out = {pair.b for pair in found}
    same = sum(pair.kind == "identical" for pair in found)
    how = "all byte for byte"
    if same < len(found):
        how = f"{same} of {counted(len(found), 'pair')} byte for byte, the others saved anew"
    shown = listed((f"{pair.a} ({pair.a_split}) = {pair.b} ({pair.b_split})" for pair in found), SHOWN)
    return (
        f"Leak check: {counted(len(held_out), 'image')} of a later split {'is' if len(held_out) == 1 else 'are'} in an "
        f"earlier one too ({how}): {shown}. "
        "The figures are too good by that: use --dedupe drop (or, where the split is drawn, --dedupe together)."
    )


def deduplicated(records: Records, how: Dedupe) -> Records:
    """The records with duplicates in one group, or with one of each left.

    Of duplicates the first by id is kept; those with different labels or masks are all dropped, for no one knows
    the right one.
    """
    samples = Samples(records.ids, records.labels, records.source, np.arange(len(records)), records.groups)
    found = find_duplicates({"all": samples}, within=True)
    if not found:
        return replace(records, notes=(*records.notes, "Duplicates: none found."))
    if how == "together":
        note = f"Duplicates: {counted(len(found), 'pair')}, each kept in one split."
        return replace(records, groups=keep_together(records.ids, found, records.groups), notes=(*records.notes, note))
    clusters: dict[str, list[int]] = {}
    for i, name in enumerate(keep_together(records.ids, found)):
        clusters.setdefault(name, []).append(i)
    kept = sorted(members[0] for members in clusters.values() if _agree(records, members))
    dropped = len(records) - len(kept)
    unclear = sum(len(members) for members in clusters.values() if not _agree(records, members))
    note = f"Duplicates: {counted(dropped, 'image')} dropped"
    what = "labels" if records.masks is None else "masks"
    note += f", of which {unclear} bore different {what} than their copies." if unclear else "."
    return records.pick(kept, note)


def _agree(records: Records, members: list[int]) -> bool:
    if records.masks is not None:
        return len({records.masks.digests[i] for i in members}) == 1
    return len(np.unique(records.labels[members], axis=0)) == 1
