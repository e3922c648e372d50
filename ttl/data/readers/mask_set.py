"""Reads images with their masks: which is of which by their names, and every one of both is decoded once."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ttl.data.modality.facts import Facts, MaskFacts
from ttl.data.modality.image import check_image
from ttl.data.modality.mask_file import check_mask
from ttl.data.pool import in_threads
from ttl.data.readers.header_patients import by_header as header_groups
from ttl.data.readers.mask_classes import FILE, classes_of, read_class_names
from ttl.data.readers.readable import PLAIN, Reading, left_aside, oddities, reasons
from ttl.data.readers.walk import Content, content_of, entries, split_folders
from ttl.data.records import Records
from ttl.data.sources import FileSource, MaskSource
from ttl.errors import DataError
from ttl.words.counts import counted, listed

SUFFIX = re.compile(r"[_-](mask|seg|segmentation)$", re.IGNORECASE)


@dataclass(frozen=True)
class MaskFolders:
    """Images and their masks, in one split where the folders say which."""

    images: Path
    masks: Path
    split: str | None


@dataclass(frozen=True)
class MaskedImage:
    """Two files, of which one is the mask of the other, and their ids; split and group where the data says them."""

    name: str
    image: Path
    mask_name: str
    mask: Path
    split: str | None = None
    group: str | None = None


@dataclass(frozen=True)
class Matched:
    """Images and masks of a set that belong together, in the order of their ids, before any is read."""

    pairs: tuple[MaskedImage, ...]
    ids: tuple[str, ...]  # of all images
    bad: Mapping[str, str]  # id of what has no fellow, or several -> the reason


Sound = tuple[MaskedImage, Facts, MaskFacts]  # a pair whose files can be read and fit each other


def read_masks(root: Path, reading: Reading = PLAIN) -> Records | None:
    """All images of a folder of images/ and masks/, or of those in train/ val/ test/, with their masks.

    See `mask_records`; None where it is no segmentation set.

    Raises:
        DataError: folders that contradict each other, images and masks that don't fit each other or can't be read, or
            values that are no classes.
    """
    parts, beside = _parts(root)
    if not parts:
        return None
    barred = [root, *(folder for part in parts for folder in (part.images, part.masks))]
    contents = {part: (_content(part.images, barred), _content(part.masks, barred)) for part in parts}
    ids = tuple(_id(root, path) for images, _ in contents.values() for path in images.images)
    bad: dict[str, str] = {}
    pairs = [pair for part, content in contents.items() for pair in _match(root, part, *content, bad)]
    matched = Matched(tuple(sorted(pairs, key=lambda pair: pair.name)), ids, bad)
    others = (path for path in beside if path.name != FILE)
    all_contents = [content for both in contents.values() for content in both]
    notes = left_aside(root, others, all_contents, "neither image nor mask")
    return mask_records(root, matched, reading, notes, [root, *(part.images.parent for part in parts)], by_header=True)


def _parts(root: Path) -> tuple[list[MaskFolders], list[Path]]:
    """The folders of images and masks under `root`, and what belongs to neither."""
    folders, files = entries(root)
    if whole := _folders(root, folders, None):
        return [whole], [*files, *(path for path in folders if path not in (whole.images, whole.masks))]
    parts, beside, lacking = [], files, []
    splits = split_folders(root, folders)
    for split, folder in splits.items():
        inner, loose = entries(folder)
        if part := _folders(folder, inner, split):
            parts.append(part)
            beside = [*beside, *loose, *(path for path in inner if path not in (part.images, part.masks))]
        else:
            lacking.append(folder.name)
    if parts and lacking:
        names = listed(part.images.parent.name for part in parts)
        raise DataError(f"The folder {root} has images/ and masks/ in {names} but not in {listed(lacking)}: add them.")
    return parts, [*beside, *(path for path in folders if path not in splits.values())]


def _folders(folder: Path, folders: list[Path], split: str | None) -> MaskFolders | None:
    images, masks = ([path for path in folders if path.name.lower() == what] for what in ("images", "masks"))
    if not (images and masks):
        return None
    for paths in (images, masks):
        if len(paths) > 1:
            names = " and ".join(path.name for path in paths)
            raise DataError(f"The folder {folder} has {names}: keep one of them.")
    return MaskFolders(images[0], masks[0], split)


def mask_records(
    place: Path, matched: Matched, reading: Reading, notes: Sequence[str], folders: Sequence[Path], *, by_header: bool
) -> Records:
    """The records of the images whose masks fit them; labels are `(n, classes)` of 1 and 0: what is in the mask.

    `place` is the set's folder or manifest, one of `folders` may hold a classes.txt, and `by_header` says whether the
    headers of DICOM files group the images.

    Raises:
        DataError: others are there and not to be left out, nothing is left, or the masks' values are no classes.
    """
    sound, left_out = _sound_pairs(place, matched, reading)
    pairs, facts, mask_facts = zip(*sound, strict=True)
    name = place.resolve().stem if place.is_file() else place.resolve().name
    classes = classes_of(name, {pair.mask_name: fact for pair, _, fact in sound}, read_class_names(folders))
    source = FileSource(facts, tuple(pair.image for pair in pairs), reading.rendering)
    masks = MaskSource(mask_facts, tuple(pair.mask for pair in pairs), classes.table, len(classes.names))
    ids = tuple(pair.name for pair in pairs)
    whose = header_groups(facts, ids) if by_header else None
    return Records(
        name=name,
        class_names=classes.names,
        ids=ids,
        labels=(masks.pixel_counts[:, :-1] > 0).astype(np.int64),
        source=source,
        masks=masks,
        given=_all(pair.split for pair in pairs),
        groups=whose.groups if whose else _all(pair.group for pair in pairs),
        skipped=tuple(sorted(set(matched.ids) - {pair.name for pair in pairs})),
        notes=(*left_out, *notes, *(whose.notes if whose else ()), *classes.notes, *oddities(source)),
    )


def _all(values: Iterable[str | None]) -> tuple[str, ...] | None:
    """The values, where there are any: of all samples or of none."""
    return tuple(value for value in values if value is not None) or None


def _sound_pairs(place: Path, matched: Matched, reading: Reading) -> tuple[list[Sound], list[str]]:
    """The pairs that can be used, and a note on what else there is."""
    sound, bad, pairs = [], dict(matched.bad), matched.pairs
    checked = in_threads(
        lambda pair: (check_image(pair.image, reading.rendering), check_mask(pair.mask)), pairs, reading.on_progress
    )
    for pair, (image, mask) in zip(pairs, checked, strict=True):
        bad |= {name: why for name, why in ((pair.name, image), (pair.mask_name, mask)) if isinstance(why, str)}
        if isinstance(image, Facts) and isinstance(mask, MaskFacts):
            sizes = [f"{facts.width}x{facts.height}" for facts in (image, mask)]
            if sizes[0] == sizes[1]:
                sound.append((pair, image, mask))
            else:
                bad[pair.mask_name] = f"{sizes[1]} pixels, and its image {sizes[0]}"
    why = reasons(dict(sorted(bad.items())))
    if bad and not (reading.skip_bad and sound):
        way_on = ", or go on without them with --skip-bad" if sound else ""
        raise DataError(
            f"{counted(len(bad), 'file')} of {place} can't be used, where each of {counted(len(matched.ids), 'image')} "
            f"needs a mask of its size: {why}: repair, add or remove them{way_on}."
        )
    return sound, [f"{counted(len(bad), 'unusable file')} left out: {why}."] if bad else []


def _content(folder: Path, barred: Iterable[Path]) -> Content:
    content = content_of(folder, barred)
    if not content.images:
        raise DataError(f"The folder {folder} holds no image: for each image in images/ put its mask into masks/.")
    return content


def _match(
    root: Path, part: MaskFolders, images: Content, masks: Content, bad: dict[str, str]
) -> Iterator[MaskedImage]:
    """Each image with the mask of its name, or of its name and a suffix; what is wrong with others goes into `bad`."""
    named = _by_stem(part.images, images.images)
    masks_of: dict[str, list[Path]] = {stem: [] for stem in named}
    for stem, paths in _by_stem(part.masks, masks.images).items():
        plain = SUFFIX.sub("", stem)
        if stem in named or plain in named:
            masks_of[stem if stem in named else plain] += paths
        else:
            bad |= {_id(root, path): "a mask without an image" for path in paths}
    for stem, (image, *twins) in named.items():
        bad |= {_id(root, path): f"{_names(root, [image, *twins])} have one name" for path in twins}
        name, own = _id(root, image), masks_of[stem]
        if len(own) != 1:
            bad[name] = f"several masks: {_names(root, own)}" if own else "no mask"
        elif not twins:
            yield MaskedImage(name, image, _id(root, own[0]), own[0], part.split)


def _by_stem(folder: Path, paths: Iterable[Path]) -> dict[str, list[Path]]:
    stems: dict[str, list[Path]] = {}
    for path in paths:
        stems.setdefault(path.relative_to(folder).with_suffix("").as_posix(), []).append(path)
    return stems


def _names(root: Path, paths: Iterable[Path]) -> str:
    return " and ".join(_id(root, path) for path in paths)


def _id(root: Path, path: Path) -> str:
    return path.relative_to(root).as_posix()
