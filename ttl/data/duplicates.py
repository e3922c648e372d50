"""The same image twice, pixel for pixel or saved anew: named, kept together, or dropped."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import combinations, combinations_with_replacement
from typing import Literal

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from ttl.data.contradictions import Contradictions, disagree, says
from ttl.data.describe import shared_groups
from ttl.data.likeness import Matches, Traits, matches_by_block, pixel_digests, traits_of
from ttl.data.records import Records
from ttl.data.task import Duplicate, Samples, Task
from ttl.words.counts import counted, listed

Dedupe = Literal["together", "drop"]
NAMED = 3  # pairs that a message names
REMEDY = "Correct them, or leave all of them out with --dedupe drop."


def find_duplicates(samples: Mapping[str, Samples], *, within: bool = False) -> list[Duplicate]:
    """Pairs of samples in different splits that show the same image; every one, so n copies against m give n * m.

    Near duplicates are those of a like perceptual hash (the signs of the 16x16 lowest frequencies about their
    median, Zauner 2010, "Implementation and benchmarking of perceptual image hash functions"), confirmed
    by the correlation of what is fine in two 32x32 thumbnails: chest X-rays are all alike in what is coarse.
    So are found copies in another format, compression, size or shape; not mirrored, turned or cropped ones, nor
    copies that were shrunk below about 28 pixels. Images of equal pixels are found whatever they show, one grey too.

    Args:
        within: pairs inside one split too. A split that is yet to be drawn needs them: give everything as one.

    Raises:
        DataError: an image can't be read any more.
    """
    traits = _traits(samples)
    return [
        duplicate
        for a, b in (combinations_with_replacement if within else combinations)(samples, 2)
        for found in matches_by_block(traits[a], traits[b], one_split=a == b)
        for duplicate in _duplicates(samples, a, b, found)
    ]


def compared(
    samples: Mapping[str, Samples], class_names: tuple[str, ...], remedy: str
) -> tuple[list[Duplicate], list[str]]:
    """What `find_duplicates` finds across the splits; and notes on images under two labels, in a split and across.

    The remedy, a sentence, ends each note.

    Raises:
        DataError: an image can't be read any more.
    """
    traits, wrong = _traits(samples), Contradictions(samples, class_names)
    across: list[Duplicate] = []
    for a, b in combinations_with_replacement(samples, 2):
        for found in matches_by_block(traits[a], traits[b], one_split=a == b):
            wrong.add(a, b, found)
            if a != b:
                across += _duplicates(samples, a, b, found)
    return across, wrong.notes(remedy)


def _traits(samples: Mapping[str, Samples]) -> dict[str, Traits]:
    """Of each split, with equal digests also where the pixels are equal and the bytes are not."""
    traits = {split: traits_of(part.source, part.index) for split, part in samples.items()}
    places = {split: [(part.source, i) for i in part.index.tolist()] for split, part in samples.items()}
    hashes = np.concatenate([own.hashes for own in traits.values()])
    same = pixel_digests([place for own in places.values() for place in own], hashes)
    return {
        split: replace(own, digests=tuple(map(same.get, places[split], own.digests))) for split, own in traits.items()
    }


def _duplicates(samples: Mapping[str, Samples], a: str, b: str, found: Matches) -> Iterator[Duplicate]:
    for i, j, same, distance in found.tuples():
        yield Duplicate(samples[a].ids[i], samples[b].ids[j], a, b, "identical" if same else "near", distance)


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
    """The task with the duplicates across its splits.

    Notes are on them, on groups (patients) in two splits, and on images under two labels wherever they are.
    """
    duplicates, wrong = compared(task.splits, task.class_names, REMEDY)
    notes = [_leaks(duplicates) if duplicates else "Leak check: no image is in two splits, not even saved anew."]
    shared = shared_groups(task)
    if shared is not None:
        groups = {group for samples in task.splits.values() for group in samples.groups or ()}
        notes.append(f"{len(groups)} groups (patients); {shared} shared between splits.")
    return replace(task, duplicates=tuple(duplicates), notes=(*task.notes, *notes, *wrong))


def _leaks(duplicates: list[Duplicate]) -> str:
    held_out = {pair.b for pair in duplicates}
    same = sum(pair.kind == "identical" for pair in duplicates)
    how = "all pixel for pixel"
    if same < len(duplicates):
        how = f"{same} of {counted(len(duplicates), 'pair')} pixel for pixel, the others saved anew"
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
    samples = Samples(
        records.ids, records.labels, records.source, np.arange(len(records)), records.groups, records.masks
    )
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
    labels = says({"all": samples})["all"]
    unclear = {name: len(own) for name, own in clusters.items() if disagree(labels[own])}
    kept = sorted(members[0] for name, members in clusters.items() if name not in unclear)
    note = f"Duplicates: {counted(len(records) - len(kept), 'image')} dropped"
    what = "labels" if records.masks is None else "masks"
    ending = f", of which {sum(unclear.values())} bore different {what} than their copies." if unclear else "."
    return records.pick(kept, note + ending)
