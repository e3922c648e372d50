"""Reads images with their masks; every one of both is decoded once, to be sure of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from ttl.data.modality.dicom import Window
from ttl.data.modality.image import Facts, check_image
from ttl.data.modality.mask_file import MaskFacts, check_mask
from ttl.data.pool import in_threads
from ttl.data.readers.check import PLAIN, Reading, left_aside, oddities, patients, reasons
from ttl.data.readers.layout import Layout, MaskFolders
from ttl.data.readers.mask_classes import classes_of, read_class_names
from ttl.data.readers.matching import MaskedImage, Matched, match_masks
from ttl.data.records import Records
from ttl.data.sources import FileSource, MaskSource
from ttl.errors import DataError
from ttl.words.counts import counted

Sound = tuple[MaskedImage, Facts, MaskFacts]
"""A pair whose files can be read and fit each other."""


def read_masks(layout: Layout[MaskFolders], reading: Reading = PLAIN) -> Records:
    """All images of a segmentation set with their masks; see `mask_records`.

    Raises:
        DataError: images and masks that don't fit each other or can't be read, or values that are no classes.
    """
    root, matched = layout.root, match_masks(layout)
    notes = left_aside(root, matched.ignored, matched.repeated, "neither image nor mask")
    folders = [root, *(part.images.parent for part in layout.parts)]
    return mask_records(root, matched, reading, notes, folders, by_header=True)


def mask_records(
    place: Path, matched: Matched, reading: Reading, notes: Sequence[str], folders: Sequence[Path], *, by_header: bool
) -> Records:
    """The records of the images whose masks fit them.

    Args:
        place: the set's folder, or its manifest.
        matched: images with their masks.
        reading: whether the others are left out, with a note.
        notes: on the set, beside those on its masks and images.
        folders: where a classes.txt may be.
        by_header: whether the headers of DICOM files group the images.

    Returns:
        records whose labels are `(n, classes)` of 1 and 0: whether the class is in the mask.

    Raises:
        DataError: others are there and not to be left out, nothing is left, or the masks' values are no classes.
    """
    pairs, why = _sound_pairs(str(place), matched, reading)
    kept, facts, mask_facts = zip(*pairs, strict=True)
    name = place.resolve().stem if place.is_file() else place.resolve().name
    classes = classes_of(name, {pair.mask_name: fact for pair, _, fact in pairs}, read_class_names(folders))
    source = FileSource(facts, tuple(pair.image for pair in kept), reading.window)
    masks = MaskSource(mask_facts, tuple(pair.mask for pair in kept), classes.table, len(classes.names))
    groups, grouped = patients(facts) if by_header else (_all(pair.group for pair in kept), [])
    return Records(
        name=name,
        class_names=classes.names,
        ids=tuple(pair.name for pair in kept),
        labels=(masks.pixel_counts[:, :-1] > 0).astype(np.int64),
        source=source,
        masks=masks,
        given=_all(pair.split for pair in kept),
        groups=groups,
        skipped=tuple(sorted(set(matched.ids) - {pair.name for pair in kept})),
        notes=(*why, *notes, *grouped, *classes.notes, *oddities(source)),
    )


def _sound_pairs(place: str, matched: Matched, reading: Reading) -> tuple[list[Sound], list[str]]:
    """The pairs that can be used, and a note on what else there is."""
    check = partial(_check, window=reading.window)
    good, bad = [], dict(matched.bad)
    for pair, (image, mask) in zip(matched.pairs, in_threads(check, matched.pairs, reading.on_progress), strict=True):
        faults = {name: why for name, why in ((pair.name, image), (pair.mask_name, mask)) if isinstance(why, str)}
        if isinstance(image, Facts) and isinstance(mask, MaskFacts):
            sizes = [f"{facts.width}x{facts.height}" for facts in (image, mask)]
            if sizes[0] == sizes[1]:
                good.append((pair, image, mask))
            else:
                faults = {pair.mask_name: f"{sizes[1]} pixels, and its image {sizes[0]}"}
        bad |= faults
    why = reasons(dict(sorted(bad.items())))
    if bad and not (reading.skip_bad and good):
        way_on = ", or go on without them with --skip-bad" if good else ""
        raise DataError(
            f"{counted(len(bad), 'file')} of {place} can't be used, where each of {counted(len(matched.ids), 'image')} "
            f"needs a mask of its size: {why}: repair, add or remove them{way_on}."
        )
    return good, [f"{counted(len(bad), 'unusable file')} left out: {why}."] if bad else []


def _check(pair: MaskedImage, window: Window | None) -> tuple[Facts | str, MaskFacts | str]:
    return check_image(pair.image, window), check_mask(pair.mask)


def _all(values: Iterable[str | None]) -> tuple[str, ...] | None:
    """The values, where there are any: of all samples or of none."""
    return tuple(value for value in values if value is not None) or None
