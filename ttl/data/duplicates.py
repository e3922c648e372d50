"""The same image twice, byte for byte or saved anew: named where it leaks, kept together, or dropped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations, combinations_with_replacement
from typing import Literal

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from ttl.data.describe import shared_groups
from ttl.data.likeness import matches, traits_of
from ttl.data.records import Records
from ttl.data.task import Duplicate, Samples, Task
from ttl.words.counts import counted, listed

Dedupe = Literal["together", "drop"]
NAMED = 3  # pairs that a message names


def find_duplicates(samples: Mapping[str, Samples], *, within: bool = False) -> list[Duplicate]:
    """Pairs of samples in different splits that show the same image; every one, so n copies against m give n * m.

    Near duplicates are those of a like perceptual hash (the signs of the 16x16 lowest frequencies about their
    median, Zauner 2010, "Implementation and benchmarking of perceptual image hash functions"), confirmed
    by the correlation of what is fine in two 32x32 thumbnails: chest X-rays are all alike in what is coarse.
    So are found copies in another format, compression, size or shape; not mirrored, turned or cropped ones, nor
    images of one grey level, nor copies that were shrunk below about 28 pixels.

    Args:
        within: pairs inside one split too. A split that is yet to be drawn needs them: give everything as one.

    Raises:
        DataError: an image can't be read any more.
    """
    traits = {split: traits_of(part.source, part.index) for split, part in samples.items()}
    return [
        Duplicate(samples[a].ids[i], samples[b].ids[j], a, b, "identical" if same else "near", distance)
        for a, b in (combinations_with_replacement if within else combinations)(samples, 2)
        for i, j, same, distance in matches(traits[a], traits[b], one_split=a == b)
    ]


def keep_together(
    ids: Sequence[str], duplicates: Sequence[Duplicate], groups: Sequence[str] | None = None
) -> tuple[str, ...]:
    """The group of each sample, so that no split tears duplicates apart: the first of the ids that became one.

    Whoever is linked over several pairs is in one group. Groups (patients) that are given stay whole, and it is the
    first of them then.
    """
    names = ids if groups is None else groups
    place = {name: i for i, name in enumerate(dict.fromkeys(names))}
    place_of = {sample: place[name] for sample, name in zip(ids, names, strict=True)}
    links = np.array([(place_of[pair.a], place_of[pair.b]) for pair in duplicates], np.int64).reshape(-1, 2)
    graph = coo_array((np.ones(len(links)), links.T), shape=(len(place), len(place)))
    component = connected_components(graph, directed=False)[1]
    first, ordered = np.unique(component, return_index=True)[1], list(place)
    return tuple(ordered[first[component[place[name]]]] for name in names)


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
    first = listed((f"{pair.a} ({pair.a_split}) = {pair.b} ({pair.b_split})" for pair in duplicates), NAMED)
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
        unknown = frozenset(records.ids) if records.groups is None else records.unknown_patients
        return replace(records, groups=groups, unknown_patients=unknown, notes=(*records.notes, note))
    clusters: dict[str, list[int]] = {}
    for i, name in enumerate(keep_together(records.ids, duplicates)):
        clusters.setdefault(name, []).append(i)
    says = records.labels.tolist() if records.masks is None else records.masks.digests
    unclear = {name: len(own) for name, own in clusters.items() if any(says[i] != says[own[0]] for i in own)}
    kept = sorted(members[0] for name, members in clusters.items() if name not in unclear)
    note = f"Duplicates: {counted(len(records) - len(kept), 'image')} dropped"
    what = "labels" if records.masks is None else "masks"
    ending = f", of which {sum(unclear.values())} bore different {what} than their copies." if unclear else "."
    return records.pick(kept, note + ending)
