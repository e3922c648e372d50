"""Leaks: the same image in two splits, byte for byte or saved anew."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import combinations, combinations_with_replacement

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from ttl.data.modality.image import Pixels, to_eight_bits
from ttl.data.pool import in_threads
from ttl.data.sources import FileSource, ImageSource
from ttl.data.task import Duplicate, Samples

Numbers = npt.NDArray[np.int64]
Hashes = npt.NDArray[np.uint64]
Details = npt.NDArray[np.float32]

SIDE = 32  # of a thumbnail, in pixels
FREQUENCIES = 16  # of the cosine transform that are kept, each way

# `(16, 32)`: the lowest frequencies of the cosine transform (DCT-II), unscaled.
COSINES = np.cos(np.pi / (2 * SIDE) * np.outer(np.arange(FREQUENCIES), 2 * np.arange(SIDE) + 1))

# Measured on 1,000 chest X-rays, 120 images of nuclei and 30 of membranes: saved anew as JPEG of quality 80,
# half or twice as large, an image stays within 12 bits of itself and correlates above 0.99 (524 X-rays of
# 28x28: within 22, above 0.96). Two different images are at least 42 bits apart, and correlate below 0.92.
MAX_DISTANCE = 24
MIN_CORRELATION = 0.95

CELLS = 1_000_000  # pairs that are compared at a time
CONFIRMED = 1_000  # pairs whose details are compared at a time


@dataclass(frozen=True, eq=False)
class _Traits:
    """What is compared of a split.

    Attributes:
        files: `(n,)` int64, equal where the stored bytes are.
        hashes: `(n, 4)` uint64, see `perceptual_hash`.
        details: `(n, 1024)` float32, see `fine_detail`.
    """

    files: Numbers
    hashes: Hashes
    details: Details


def find_duplicates(samples: Mapping[str, Samples], *, within: bool = False) -> list[Duplicate]:
    """Pairs of samples in different splits that show the same image.

    Near duplicates are found by a perceptual hash (the signs of the 16x16 lowest frequencies about their
    median, Zauner 2010, "Implementation and benchmarking of perceptual image hash functions"), and confirmed
    by the correlation of what is fine in two 32x32 thumbnails: chest X-rays are all alike in what is coarse.
    Found are copies in another format, compression, size or shape; not mirrored, turned or cropped ones, nor
    images of one grey level, nor copies that were shrunk below about 28 pixels.

    Args:
        samples: by split.
        within: pairs inside one split too. A split that is yet to be drawn needs them: give everything as one.

    Returns:
        the pairs in the order of `samples`; every one, so n copies against m give n * m.

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
    """The group of each sample, so that no split tears duplicates apart.

    Args:
        ids: of the samples.
        duplicates: pairs of them; whoever is linked over several pairs is in one group.
        groups: of the samples (the patient), which stay whole; None where unknown.

    Returns:
        a label for each of `ids`: the first of the ids, or of the groups, that became one.
    """
    names = ids if groups is None else groups
    name_of = dict(zip(ids, names, strict=True))
    parent = {name: name for name in names}
    order = {name: position for position, name in enumerate(parent)}
    for pair in duplicates:
        roots = [_root(parent, name_of[sample]) for sample in (pair.a, pair.b)]
        first, last = sorted(roots, key=order.__getitem__)
        parent[last] = first
    return tuple(_root(parent, name) for name in names)


def _root(parent: dict[str, str], name: str) -> str:
    while parent[name] != name:
        parent[name] = parent[parent[name]]
        name = parent[name]
    return name


def _traits(part: Samples, number: dict[bytes, int]) -> _Traits:
    """Of a split; `number` tells equal files of all splits."""
    index = part.index.tolist()
    digests = part.source.digests
    files = [number.setdefault(digests[i], len(number)) for i in index]
    hashes = np.empty((len(part), FREQUENCIES**2 // 64), np.uint64)
    details = np.empty((len(part), SIDE * SIDE), np.float32)
    for row, (code, detail) in enumerate(in_threads(partial(_look_at, part.source), index)):
        hashes[row], details[row] = code, detail
    return _Traits(np.array(files, np.int64), hashes, details)


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

    Args:
        thumbnail: `(32, 32)` uint8.

    Returns:
        `(1024,)` float32; the product of two is their correlation.
    """
    values = thumbnail.astype(np.float64)
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(values, 2, mode="reflect"), (5, 5))
    fine = (values - windows.mean(axis=(2, 3))).ravel()
    fine -= fine.mean()
    length = float(np.linalg.norm(fine))
    detail: Details = (fine / length if length > 1e-6 else np.zeros_like(fine)).astype(np.float32)
    return detail


def _matches(a: _Traits, b: _Traits, *, one_split: bool) -> Iterator[tuple[int, int, bool, int]]:
    """Position in `a`, position in `b`, whether the files are equal, and the distance of the hashes."""
    rows = max(1, CELLS // max(1, len(b.files)))
    for start in range(0, len(a.files), rows):
        words = zip(a.hashes[start : start + rows].T, b.hashes.T, strict=True)
        distance = sum((np.bitwise_count(x[:, None] ^ y) for x, y in words), np.zeros((), np.uint16))
        i, j = np.nonzero(distance <= MAX_DISTANCE)
        apart = distance[i, j]
        i += start
        if one_split:
            i, j, apart = i[i < j], j[i < j], apart[i < j]
        same = a.files[i] == b.files[j]
        kept = same.copy()
        kept[~same] = _correlations(a.details, b.details, i[~same], j[~same]) >= MIN_CORRELATION
        yield from zip(*(values[kept].tolist() for values in (i, j, same, apart)), strict=True)


def _correlations(a: Details, b: Details, i: Numbers, j: Numbers) -> Details:
    """Of row `i` of `a` with row `j` of `b`, pair by pair."""
    products = np.empty(len(i), np.float32)
    for start in range(0, len(i), CONFIRMED):
        part = slice(start, start + CONFIRMED)
        products[part] = np.einsum("nk,nk->n", a[i[part]], b[j[part]])
    return products
