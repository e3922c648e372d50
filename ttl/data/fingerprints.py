"""What is kept of each image of a run, so that another data set can be searched for them without the images."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from ttl.data.likeness import FREQUENCIES, SIDE, Details, Hashes, Traits, matches, traits_of
from ttl.data.task import SPLITS, Samples, Task
from ttl.words.counts import counted

VERSION = 1
"""Of how images are compared; raise it when fingerprints that were stored can't be compared with new ones."""
DIGEST_BYTES = 8  # of SHA-256: among a million images two different ones agree in them with a chance of 3e-8
# Of fine detail on either side of 0: that moves the correlation of two by 0.0033 at most, on 1,000 chest X-rays.
LEVELS = 127

NAMED = 20  # images, and groups, that an overlap names
SHOWN = 3  # of them in a sentence


@dataclass(frozen=True)
class ImageFingerprint:
    """One image of a run. It isn't anonymous: `detail` is what is fine in a picture of 32x32 pixels."""

    id: str
    split: Literal["train", "val", "test"]
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{16}$")]  # of the stored bytes, its beginning
    perceptual_hash: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    detail: Annotated[str, Field(pattern="^[A-Za-z0-9+/]{1366}==$")]  # Base64 of 1,024 bytes
    group: str | None  # what must not be torn apart (the patient), as splits.csv has it; None where unknown


@dataclass(frozen=True)
class Fingerprints:
    """All images of a run that were in train, val or test."""

    images: tuple[ImageFingerprint, ...]
    version: int = VERSION

    def __post_init__(self) -> None:
        """Refuse, as a ValueError, what was made to be compared otherwise."""
        if self.version != VERSION:
            raise ValueError(f"version is {self.version}, and this version of ttl compares those of {VERSION}")


@dataclass(frozen=True)
class SeenImage:
    """An image of a data set that a run has, too."""

    id: str
    stored: str  # its id in the run
    kind: Literal["identical", "near"]  # see `ttl.data.task.Duplicate`


@dataclass(frozen=True)
class SplitOverlap:
    """What a data set has in common with one split of a run."""

    identical: int  # images of the data set whose stored bytes are there
    near: int  # others that show what an image there shows
    # Groups (patients) whose names are there: the same ones, unless each site numbers its patients anew.
    groups: int
    first_images: tuple[SeenImage, ...]
    first_groups: tuple[str, ...]

    @property
    def images(self) -> int:
        """Images of the data set that are there, either way."""
        return self.identical + self.near


@dataclass(frozen=True)
class Overlap:
    """What a data set has in common with the images of a run, by split of the run."""

    images: int  # of the data set
    seen: int  # of them in any split of the run
    groups_seen: int  # groups of the data set whose names are in any split of the run
    splits: Mapping[str, SplitOverlap]

    def words(self) -> str:
        """As a sentence for people."""
        if not (self.seen or self.groups_seen):
            return f"None of {counted(self.images, 'image')} is in the run's data, and no group (patient) by its name."
        places = "; ".join(_place(split, found) for split, found in self.splits.items() if found.images or found.groups)
        images = f"{self.seen} of {counted(self.images, 'image')}" if self.seen else ""
        groups = f"{counted(self.groups_seen, 'group')} (patients) by name" if self.groups_seen else ""
        return f"In the run's data, too: {', '.join(filter(None, (images, groups)))}: {places}."


@dataclass(frozen=True)
class Compared:
    """What a data set has in common with a run: in numbers, and which of its samples."""

    overlap: Overlap
    known: frozenset[str]  # ids of samples that the run has, or that are of a group (patient) that it has
    known_images: frozenset[str]  # those of them that the run has

    @property
    def of_known_groups(self) -> int:
        """Samples that the run hasn't, of groups (patients) that it has."""
        return len(self.known) - len(self.known_images)


def image_fingerprints(task: Task) -> Fingerprints:
    """The fingerprints of all samples of train, val and test; images that were looked at for leaks aren't read again.

    Raises:
        DataError: an image can't be read any more.
    """
    ids, images = {sample for samples in _parts(task) for sample in samples.ids}, []
    for split, samples in task.splits.items():
        traits = traits_of(samples.source, samples.index)
        groups = _groups(samples, ids)
        for i, sample in enumerate(samples.ids):
            images.append(
                ImageFingerprint(
                    id=sample,
                    split=split,  # type: ignore[arg-type]  # SPLITS, which are these
                    sha256=_beginning(traits.digests[i]).hex(),
                    perceptual_hash=traits.hashes[i].tobytes().hex(),
                    detail=b64encode(_as_bytes(traits.details[i])).decode(),
                    group=groups[i],
                )
            )
    return Fingerprints(tuple(images))


def compare(stored: Fingerprints, task: Task) -> Compared:
    """What of a data set, whatever its split, is in a run; images are compared as within a data set.

    See `ttl.data.duplicates.find_duplicates` for what is found; equal bytes are found whatever a window shows of them.

    Raises:
        DataError: an image can't be read any more.
    """
    parts = _parts(task)
    ids = [sample for samples in parts for sample in samples.ids]
    traits = traits_of(task.train.source, np.concatenate([samples.index for samples in parts]))
    own = replace(traits, digests=tuple(map(_beginning, traits.digests)))
    group_of = [group for samples in parts for group in _groups(samples, set(ids))]
    groups = {group for group in group_of if group is not None}
    seen: set[int] = set()
    shared: set[str] = set()
    splits = {}
    for split in SPLITS:
        images = [image for image in stored.images if image.split == split]
        found = _seen(own, ids, images)
        names = sorted(groups & {image.group for image in images if image.group is not None})
        seen |= found.keys()
        shared |= {*names}
        identical = sum(each.kind == "identical" for each in found.values())
        first = tuple(found[i] for i in sorted(found)[:NAMED])
        splits[split] = SplitOverlap(identical, len(found) - identical, len(names), first, tuple(names[:NAMED]))
    known_images = frozenset(ids[i] for i in seen)
    of_known = (sample for sample, group in zip(ids, group_of, strict=True) if group in shared)
    return Compared(Overlap(len(ids), len(seen), len(shared), splits), known_images.union(of_known), known_images)


def _seen(own: Traits, ids: Sequence[str], images: Sequence[ImageFingerprint]) -> dict[int, SeenImage]:
    """Position in `own` -> the first of `images` that shows the same, one of the same bytes before all others."""
    found: dict[int, SeenImage] = {}
    there = _traits(images)
    place = {digest: j for j, digest in reversed([*enumerate(there.digests)])}
    for i, digest in enumerate(own.digests):
        if digest in place:
            found[i] = SeenImage(ids[i], images[place[digest]].id, "identical")
    for i, j, _, _ in matches(own, there):
        found.setdefault(i, SeenImage(ids[i], images[j].id, "near"))
    return found


def _parts(task: Task) -> list[Samples]:
    """The splits, and what is in none of them."""
    return [*task.splits.values(), *([task.unused] if task.unused else [])]


def _groups(samples: Samples, ids: set[str]) -> Sequence[str | None]:
    """The group of each sample; none where groups are only of duplicates, which bear the id of one of them."""
    groups = samples.groups or ()
    return [None if group in ids else group for group in groups] or [None] * len(samples)


def _traits(images: Iterable[ImageFingerprint]) -> Traits:
    """What was stored, as it is compared."""
    stored = list(images)
    digests = tuple(bytes.fromhex(image.sha256) for image in stored)
    codes = b"".join(bytes.fromhex(image.perceptual_hash) for image in stored)
    hashes: Hashes = np.frombuffer(codes, np.uint64).reshape(-1, FREQUENCIES**2 // 64)
    levels = np.frombuffer(b"".join(b64decode(image.detail) for image in stored), np.int8).reshape(-1, SIDE * SIDE)
    lengths = np.linalg.norm(levels.astype(np.float32), axis=1, keepdims=True)
    details: Details = (levels / np.where(lengths > 0, lengths, 1)).astype(np.float32)
    return Traits(digests, hashes, details)


def _beginning(digest: bytes) -> bytes:
    return digest[:DIGEST_BYTES]


def _as_bytes(detail: Details) -> bytes:
    """Fine detail `(1024,)` as whole numbers from -127 to 127."""
    largest = float(np.abs(detail).max())
    levels: npt.NDArray[np.int8] = np.rint(detail * (LEVELS / largest if largest > 0 else 0)).astype(np.int8)
    return levels.tobytes()


def _place(split: str, found: SplitOverlap) -> str:
    """`train 2 images (1 byte for byte): a.png = b.png, c.png = d.png, 1 group: P1`."""
    words = []
    if found.images:
        pairs = [f"{each.id} = {each.stored}" for each in found.first_images]
        number = f"{counted(found.images, 'image')} ({found.identical} byte for byte)"
        words.append(f"{number}: {_first(pairs, found.images)}")
    if found.groups:
        words.append(f"{counted(found.groups, 'group')}: {_first(found.first_groups, found.groups)}")
    return f"{split} {', '.join(words)}"


def _first(names: Sequence[str], number: int) -> str:
    """Some of so many names."""
    return ", ".join(names[:SHOWN]) + (f" and {number - SHOWN} more" if number > SHOWN else "")
