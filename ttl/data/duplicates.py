"""The same image twice, byte for byte or saved anew: named where it leaks, kept together, or dropped."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from itertools import combinations, combinations_with_replacement
from typing import Literal

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps
from scipy.ndimage import uniform_filter
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from ttl.data.describe import shared_groups
from ttl.data.modality.image import Pixels, to_eight_bits
from ttl.data.pool import in_threads
from ttl.data.records import Records
from ttl.data.sources import FileSource, ImageSource
from ttl.data.task import Duplicate, Samples, Task
from ttl.words.counts import counted, listed

Dedupe = Literal["together", "drop"]
Numbers = npt.NDArray[np.int64]
Hashes = npt.NDArray[np.uint64]
Details = npt.NDArray[np.float32]
Traits = tuple[Numbers, Hashes, Details]
"""What is compared of a split: `(n,)` numbers, equal where the stored bytes are, `(n, 4)` and `(n, 1024)`."""

SIDE = 32  # of a thumbnail, in pixels
FREQUENCIES = 16  # of the cosine transform that are kept, each way

# `(16, 32)`: the lowest frequencies of the cosine transform (DCT-II), unscaled.
COSINES = np.cos(np.pi / (2 * SIDE) * np.outer(np.arange(FREQUENCIES), 2 * np.arange(SIDE) + 1))

# Measured on 1,000 chest X-rays, 120 images of nuclei and 30 of membranes: saved anew as JPEG of quality 80,
# half or twice as large, an image stays within 12 bits of itself and correlates above 0.99 (524 X-rays of
# 28x28: within 22, above 0.96). Two different images are at least 42 bits apart, and correlate below 0.92.
MAX_DISTANCE = 24
MIN_CORRELATION = 0.95

NAMED = 3  # pairs that a message names
CELLS = 1_000_000  # pairs that are compared at a time
CONFIRMED = 1_000  # pairs whose details are compared at a time


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
    number: dict[bytes, int] = {}
    traits = {split: _traits(part, number) for split, part in samples.items()}
    return [
        Duplicate(samples[a].ids[i], samples[b].ids[j], a, b, "identical" if same else "near", distance)
        for a, b in (combinations_with_replacement if within else combinations)(samples, 2)
        for i, j, same, distance in _matches(traits[a], traits[b], one_split=a == b)
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


def _traits(part: Samples, number: dict[bytes, int]) -> Traits:
    index, digests = part.index.tolist(), part.source.digests
    files = [number.setdefault(digests[i], len(number)) for i in index]
    hashes = np.empty((len(part), FREQUENCIES**2 // 64), np.uint64)
    details = np.empty((len(part), SIDE * SIDE), np.float32)
    for row, (code, detail) in enumerate(in_threads(partial(_look_at, part.source), index)):
        hashes[row], details[row] = code, detail
    return np.array(files, np.int64), hashes, details


def _look_at(source: ImageSource, index: int) -> tuple[Hashes, Details]:
    image = _small(source, index).convert("L")
    thumbnail = np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BILINEAR, reducing_gap=3.0))
    return perceptual_hash(thumbnail), fine_detail(thumbnail)


def _small(source: ImageSource, index: int) -> Image.Image:
    """The image, where it is a JPEG decoded at a fraction of its size."""
    if isinstance(source, FileSource):
        # What can't be read here can't be read below either, and there a sentence says why.
        with suppress(Exception), Image.open(source.paths[index]) as image:
            image.draft("L", (2 * SIDE, 2 * SIDE))
            ImageOps.exif_transpose(image, in_place=True)
            return to_eight_bits(image)
    return source.load(index)


def perceptual_hash(thumbnail: Pixels) -> Hashes:
    """256 bits that say what is coarse in a picture: `(4,)` uint64 of a thumbnail `(32, 32)` uint8."""
    centred = thumbnail - thumbnail.mean()  # exactly 0 where the image is flat, so that rounding sets no bit
    low = COSINES @ centred @ COSINES.T
    code: Hashes = np.packbits(low > np.median(low)).view(np.uint64)
    return code


def fine_detail(thumbnail: Pixels) -> Details:
    """What is fine in a picture: less its 5x5 box blur, of mean 0 and length 1; all 0 where it is flat.

    `(1024,)` float32 of a thumbnail `(32, 32)` uint8; the product of two is their correlation.
    """
    values = thumbnail.astype(np.float64)
    fine = (values - uniform_filter(values, 5, mode="mirror")).ravel()
    fine -= fine.mean()
    length = float(np.linalg.norm(fine))
    detail: Details = (fine / length if length > 1e-6 else np.zeros_like(fine)).astype(np.float32)
    return detail


def _matches(a: Traits, b: Traits, *, one_split: bool) -> Iterator[tuple[int, int, bool, int]]:
    """Position in `a`, position in `b`, whether the files are equal, and the distance of the hashes."""
    (a_files, a_hashes, a_details), (b_files, b_hashes, b_details) = a, b
    rows = max(1, CELLS // max(1, len(b_files)))
    for start in range(0, len(a_files), rows):
        words = zip(a_hashes[start : start + rows].T, b_hashes.T, strict=True)
        distance = sum((np.bitwise_count(x[:, None] ^ y) for x, y in words), np.zeros((), np.uint16))
        i, j = np.nonzero(distance <= MAX_DISTANCE)
        apart = distance[i, j]
        i += start
        if one_split:
            i, j, apart = i[i < j], j[i < j], apart[i < j]
        same = a_files[i] == b_files[j]
        kept = same.copy()
        kept[~same] = _correlations(a_details, b_details, i[~same], j[~same]) >= MIN_CORRELATION
        yield from zip(*(values[kept].tolist() for values in (i, j, same, apart)), strict=True)


def _correlations(a: Details, b: Details, i: Numbers, j: Numbers) -> Details:
    """Of row `i` of `a` with row `j` of `b`, pair by pair."""
    products = np.empty(len(i), np.float32)
    for start in range(0, len(i), CONFIRMED):
        part = slice(start, start + CONFIRMED)
        products[part] = np.einsum("nk,nk->n", a[i[part]], b[j[part]])
    return products


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
        return replace(records, groups=groups, notes=(*records.notes, note))
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
