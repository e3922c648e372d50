"""Reads images with their masks; every one of both is decoded once, to be sure of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from ttl.data.check import Progress, check_each, left_aside, oddities, of_patients, patients, reasons
from ttl.data.dicom import Window
from ttl.data.image import Facts, check_image
from ttl.data.mask_classes import classes_of, read_class_names
from ttl.data.mask_file import MaskFacts, check_mask
from ttl.data.mask_layout import MaskLayout
from ttl.data.masks import FileMasks
from ttl.data.matching import MaskedImage, Matched, find_masks
from ttl.data.records import Records
from ttl.data.sources import FileSource
from ttl.errors import DataError
from ttl.words.counts import counted


@dataclass(frozen=True, eq=False)
class CheckedMasks:
    """Images whose masks fit them.

    Attributes:
        pairs: the files.
        facts: of each image.
        mask_facts: of each mask.
        skipped: ids of the other images.
        notes: what was wrong with those.
    """

    pairs: tuple[MaskedImage, ...]
    facts: tuple[Facts, ...]
    mask_facts: tuple[MaskFacts, ...]
    skipped: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def read_masks(
    layout: MaskLayout, *, window: Window | None = None, skip_bad: bool = False, on_progress: Progress | None = None
) -> Records:
    """All images of a segmentation set with their masks.

    Args:
        layout: the folders.
        window: centre and width of the values of DICOM files, in place of their own.
        skip_bad: leave out images whose masks don't fit, and what can't be read, instead of refusing the data.
        on_progress: called with how many images are checked, and of how many.

    Returns:
        records whose labels are `(n, classes)` of 1 and 0: whether the class is in the mask.

    Raises:
        DataError: images and masks that don't fit each other or can't be read, or values that are no classes.
    """
    root, matched = layout.root, find_masks(layout)
    checked = check_masks(str(root), matched, window, skip_bad, on_progress)
    declared = read_class_names([root, *(folders.images.parent for folders in layout.pairs)])
    ignored = left_aside(root, matched.ignored, matched.repeated, "neither image nor mask")
    notes = [*ignored, *of_patients(checked.facts)]
    return to_records(root.resolve().name, checked, declared, patients(checked.facts), notes, window)


def check_masks(
    place: str, matched: Matched, window: Window | None, skip_bad: bool, on_progress: Progress | None
) -> CheckedMasks:
    """The images whose masks fit them.

    Args:
        place: what messages call the set.
        matched: images with their masks.
        window: of the values of DICOM files.
        skip_bad: leave out the others, with a note.
        on_progress: called with how many pairs are checked, and of how many.

    Raises:
        DataError: others are there and not to be left out, or nothing is left.
    """
    told = check_each(partial(_check, window=window), matched.pairs, on_progress)
    good, bad = [], dict(matched.bad)
    for pair, (image, mask) in zip(matched.pairs, told, strict=True):
        faults = _faults(pair, image, mask)
        bad |= faults
        if isinstance(image, Facts) and isinstance(mask, MaskFacts) and not faults:
            good.append((pair, image, mask))
    why = reasons(dict(sorted(bad.items())))
    if bad and not (skip_bad and good):
        way_on = ", or go on without them with --skip-bad" if good else ""
        raise DataError(
            f"{counted(len(bad), 'file')} of {place} can't be used, where each of {counted(len(matched.ids), 'image')} "
            f"needs a mask of its size: {why}: repair, add or remove them{way_on}."
        )
    kept, facts, mask_facts = zip(*good, strict=True)
    skipped = set(matched.ids) - {pair.name for pair in kept}
    notes = (f"{counted(len(bad), 'unusable file')} left out: {why}.",) if bad else ()
    return CheckedMasks(kept, facts, mask_facts, tuple(sorted(skipped)), notes)


def _check(pair: MaskedImage, window: Window | None) -> tuple[Facts | str, MaskFacts | str]:
    return check_image(pair.image, window), check_mask(pair.mask)


def _faults(pair: MaskedImage, image: Facts | str, mask: MaskFacts | str) -> dict[str, str]:
    bad = {name: told for name, told in ((pair.name, image), (pair.mask_name, mask)) if isinstance(told, str)}
    if isinstance(image, Facts) and isinstance(mask, MaskFacts):
        sizes = [f"{fact.width}x{fact.height}" for fact in (image, mask)]
        if sizes[0] != sizes[1]:
            bad[pair.mask_name] = f"{sizes[1]} pixels, and its image {sizes[0]}"
    return bad


def to_records(
    name: str,
    checked: CheckedMasks,
    declared: tuple[str, ...] | None,
    groups: tuple[str, ...] | None,
    notes: Sequence[str],
    window: Window | None,
) -> Records:
    """The records of images with masks that are fine.

    Args:
        name: what messages call the set.
        checked: the images.
        declared: class names; None where the values say it all.
        groups: of the images; None where unknown.
        notes: on the set, beside those on its masks and images.
        window: of the values of DICOM files.

    Raises:
        DataError: the masks' values are no classes.
    """
    facts = dict(zip((pair.mask_name for pair in checked.pairs), checked.mask_facts, strict=True))
    classes = classes_of(name, facts, declared)
    masks = FileMasks(tuple(pair.mask for pair in checked.pairs), checked.mask_facts, classes)
    splits = tuple(pair.split for pair in checked.pairs if pair.split is not None)
    return Records(
        name=name,
        class_names=classes.names,
        ids=tuple(pair.name for pair in checked.pairs),
        labels=(masks.pixel_counts[:, :-1] > 0).astype(np.int64),
        source=FileSource(tuple(pair.image for pair in checked.pairs), checked.facts, window),
        masks=masks,
        given=splits or None,
        groups=groups,
        skipped=checked.skipped,
        notes=(*checked.notes, *notes, *classes.notes, *oddities(checked.facts, window)),
    )
