"""Whether two images show the same: equal bytes or pixels, or alike both in what is coarse and in what is fine."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy.ndimage import uniform_filter

from ttl.data.modality.image import Pixels, read_image
from ttl.data.pool import in_threads
from ttl.data.sources import FileSource, ImageSource
from ttl.data.task import Labels, picked

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
class Traits:
    """What is compared of several images."""

    digests: tuple[bytes, ...]  # equal where the stored bytes are, and where it was looked for the pixels
    hashes: Hashes  # `(n, 4)`, see `perceptual_hash`
    details: Details  # `(n, 1024)`, see `fine_detail`

    def __len__(self) -> int:
        return len(self.digests)


def traits_of(source: ImageSource, index: Labels) -> Traits:
    """Of the images at these positions; those that were looked at before are not decoded again.

    Raises:
        DataError: an image can't be read any more.
    """
    hashes = np.empty((len(index), FREQUENCIES**2 // 64), np.uint64)
    details = np.empty((len(index), SIDE * SIDE), np.float32)
    for row, (code, detail) in enumerate(in_threads(partial(_look_at, source), index.tolist())):
        hashes[row], details[row] = code, detail
    return Traits(picked(source.digests, index), hashes, details)


Place = tuple[ImageSource, int]
"""A source, and a position in it."""


def pixel_digests(places: Sequence[Place], hashes: Hashes) -> dict[Place, bytes]:
    """SHA-256 of the decoded pixels, of images that have equals in all but the bytes of their files.

    Only what has the size and the thumbnail of an image of other bytes is decoded for that, and of equal bytes one.
    Of a JPEG and the same pixels without loss the thumbnails differ, for a large JPEG's is made of a draft: such pairs
    are near to each other, as `matches` finds them.

    Args:
        places: of images that were looked at, so that they have thumbnails.
        hashes: `(n, 4)`, theirs: those that no other image has need no closer look.

    Raises:
        DataError: an image can't be read any more.
    """
    alike: dict[tuple[int, int, bytes], dict[bytes, list[Place]]] = {}
    _, number, times = np.unique(hashes, axis=0, return_inverse=True, return_counts=True)
    for place in np.flatnonzero(times[number.ravel()] > 1).tolist():
        source, i = places[place]
        width, height = source.sizes[i].tolist()
        seen = alike.setdefault((width, height, hashlib.sha256(source.thumbnails[i].tobytes()).digest()), {})
        seen.setdefault(source.digests[i], []).append((source, i))
    copies = [members for seen in alike.values() if len(seen) > 1 for members in seen.values()]
    digests = in_threads(lambda place: _pixel_digest(place[0].load(place[1])), [members[0] for members in copies])
    return {place: digest for members, digest in zip(copies, digests, strict=True) for place in members}


def _pixel_digest(image: Image.Image) -> bytes:
    """The same for grey and for colour whose channels are equal."""
    pixels = np.asarray(image)
    if pixels.ndim == 3 and (pixels == pixels[..., :1]).all():
        pixels = pixels[..., 0]
    return hashlib.sha256(repr(pixels.shape).encode() + pixels.tobytes()).digest()


def _look_at(source: ImageSource, index: int) -> tuple[Hashes, Details]:
    kept = source.thumbnails
    if index not in kept:
        image = _small(source, index).convert("L")
        kept[index] = np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BILINEAR, reducing_gap=3.0))
    return perceptual_hash(kept[index]), fine_detail(kept[index])


def _small(source: ImageSource, index: int) -> Image.Image:
    """The image, where it is a JPEG decoded at a fraction of its size."""
    if isinstance(source, FileSource):
        return read_image(source.paths[index], source.rendering_of(index), draft=("L", (2 * SIDE, 2 * SIDE)))
    return source.load(index)


def perceptual_hash(thumbnail: Pixels) -> Hashes:
    """256 bits that say what is coarse in a picture: `(4,)` uint64 of a thumbnail `(32, 32)` uint8."""
    centred = thumbnail - thumbnail.mean()  # exactly 0 where the image is flat, so that rounding sets no bit
    low = COSINES @ centred @ COSINES.T
    # The median, in a third of the time that np.median takes for so few values.
    middle = low.size // 2
    two = np.partition(low.ravel(), (middle - 1, middle))[middle - 1 : middle + 1]
    code: Hashes = np.packbits(low > two.sum() / 2).view(np.uint64)
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


@dataclass(frozen=True, eq=False)
class Matches:
    """Pairs that show the same, `(n,)` each: position in `a`, in `b`, whether equal, distance of the hashes."""

    a: Numbers
    b: Numbers
    same: npt.NDArray[np.bool_]
    distance: npt.NDArray[np.uint16]

    def tuples(self) -> Iterator[tuple[int, int, bool, int]]:
        """The pairs one by one."""
        return zip(*(values.tolist() for values in (self.a, self.b, self.same, self.distance)), strict=True)


def matches(a: Traits, b: Traits, *, one_split: bool = False) -> Iterator[tuple[int, int, bool, int]]:
    """Pairs that show the same: position in `a`, in `b`, whether their digests are equal, distance of the hashes.

    Where `a` and `b` are `one_split`, each pair once.
    """
    for found in matches_by_block(a, b, one_split=one_split):
        yield from found.tuples()


def matches_by_block(a: Traits, b: Traits, *, one_split: bool = False) -> Iterator[Matches]:
    """What `matches` gives, some thousand pairs at a time, which may be none."""
    number = {digest: i for i, digest in enumerate(dict.fromkeys((*a.digests, *b.digests)))}
    a_files, b_files = (np.array([number[digest] for digest in of.digests], np.int64) for of in (a, b))
    # Flat ones are like nothing but themselves.
    a_seen, b_seen = ((of.details * of.details).sum(axis=1) > 0 for of in (a, b))
    rows = max(1, CELLS // max(1, len(b)))
    for start in range(0, len(a), rows):
        words = zip(a.hashes[start : start + rows].T, b.hashes.T, strict=True)
        distance = sum((np.bitwise_count(x[:, None] ^ y) for x, y in words), np.zeros((), np.uint16))
        i, j = np.nonzero(distance <= MAX_DISTANCE)
        apart = distance[i, j]
        i += start
        if one_split:
            i, j, apart = i[i < j], j[i < j], apart[i < j]
        same = a_files[i] == b_files[j]
        maybe = ~same & a_seen[i] & b_seen[j]
        kept = same.copy()
        kept[maybe] = _correlations(a.details, b.details, i[maybe], j[maybe]) >= MIN_CORRELATION
        yield Matches(i[kept], j[kept], same[kept], apart[kept])


def _correlations(a: Details, b: Details, i: Numbers, j: Numbers) -> Details:
    """Of row `i` of `a` with row `j` of `b`, pair by pair."""
    products = np.empty(len(i), np.float32)
    for start in range(0, len(i), CONFIRMED):
        part = slice(start, start + CONFIRMED)
        products[part] = np.einsum("nk,nk->n", a[i[part]], b[j[part]])
    return products
