"""Reads images with their masks: which is of which by their names, and every one of both is decoded once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ttl.data.modality.facts import Facts, MaskFacts
from ttl.data.modality.image import UPRIGHT, check_image
from ttl.data.modality.mask_union import check_mask, read_mask
from ttl.data.pool import in_threads
from ttl.data.readers.class_names import FILE, NNUNET_FILE, DeclaredClasses, read_class_names
from ttl.data.readers.header_patients import by_header as header_groups
from ttl.data.readers.mask_classes import classes_of
from ttl.data.readers.mask_colours import colours_meant, is_inverted
from ttl.data.readers.mask_folders import mask_layout
from ttl.data.readers.mask_match import MaskedImage, Matched, PartFiles, files_of, match
from ttl.data.readers.mask_sense import check_sense
from ttl.data.readers.readable import PLAIN, Reading, left_aside, oddities, reasons
from ttl.data.records import Records
from ttl.data.sources import FileSource, MaskSource
from ttl.errors import DataError
from ttl.words.counts import counted


@dataclass(frozen=True)
class SoundPair:
    """An image and its mask whose files can be read and fit each other."""

    pair: MaskedImage
    image: Facts
    mask: MaskFacts


def read_masks(root: Path, reading: Reading = PLAIN) -> Records | None:
    """All images of a folder that have masks beside them, see `mask_layout`, with their masks.

    See `mask_records`; None where it is no segmentation set, or where masks aren't wanted and it can be read without.

    Raises:
        DataError: folders that contradict each other, images and masks that don't fit each other or can't be read, or
            values that are no classes.
    """
    layout = mask_layout(root, wanted=bool(reading.per_pixel))
    if not layout.parts:
        return None
    barred = [root, *(folder for part in layout.parts for folder in (part.images, part.masks))]
    files = [files_of(part, barred) for part in layout.parts]
    if reading.per_pixel is False and _may_be_classes(files):
        return None
    others = (path for path in layout.beside if path.name not in (FILE, NNUNET_FILE))
    notes = left_aside(root, others, [content for each in files for content in each.contents], "neither image nor mask")
    folders = [root, *(part.folder for part in layout.parts), *(part.folder.parent for part in layout.parts)]
    return mask_records(root, match(root, files), reading, [*layout.notes, *notes], folders, by_header=True)


def _may_be_classes(files: Sequence[PartFiles]) -> bool:
    """Whether images and masks lie in several folders, of which each may be a class: they hold several images."""
    folders = {each.part.folder for each in files if each.part.apart}
    return len(folders) == len(files) > 1 and any(len(each.images) > 1 for each in files)


def mask_records(
    place: Path, matched: Matched, reading: Reading, notes: Sequence[str], folders: Sequence[Path], *, by_header: bool
) -> Records:
    """The records of the images whose masks fit them; labels are `(n, classes)` of 1 and 0: what is in the mask.

    `place` is the set's folder or manifest, one of `folders` may hold a classes.txt, and `by_header` says whether the
    headers of DICOM files group the images.

    Raises:
        DataError: others are there and not to be left out, nothing is left, or the masks' values are no classes.
    """
    name = place.resolve().stem if place.is_file() else place.resolve().name
    sound, left_out = _sound_pairs(place, matched, reading)
    meaning, by_colour = reading.mask_values, list[str]()
    if meaning is None:
        meaning = colours_meant(name, {each.pair.name: each.mask for each in sound})
        if meaning is not None:
            sound, left_out = _sound_pairs(place, matched, replace(reading, mask_values=meaning, on_progress=None))
            by_colour = [f"The masks' palettes differ, so colours count, not their numbers: --mask-values {meaning}."]
    pairs = tuple(each.pair for each in sound)
    facts, mask_facts = tuple(each.image for each in sound), tuple(each.mask for each in sound)
    of_masks = {each.pair.masks[0].name: each.mask for each in sound}
    declared = _declared(place, folders, matched.classes)
    if meaning is None and declared is None:
        own = {each.pair.masks[0].name: each for each in sound}
        check_sense(name, of_masks, lambda mask: read_mask(own[mask].pair.masks, own[mask].mask.turn))
    classes = classes_of(name, of_masks, declared, meaning)
    source = FileSource(facts, tuple(pair.image for pair in pairs), reading.rendering)
    masks = MaskSource(mask_facts, tuple(p.masks for p in pairs), classes.table, len(classes.names), meaning)
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
        unknown_patients=whose.unknown if whose else frozenset(),
        notes=(
            *left_out,
            *notes,
            *(whose.notes if whose else ()),
            *by_colour,
            *_mask_oddities(sound, classes.names),
            *classes.notes,
            *oddities(source),
        ),
    )


def _all(values: Iterable[str | None]) -> tuple[str, ...] | None:
    """The values, where there are any: of all samples or of none."""
    return tuple(value for value in values if value is not None) or None


def _sound_pairs(place: Path, matched: Matched, reading: Reading) -> tuple[list[SoundPair], list[str]]:
    """The pairs that can be used, and a note on what else there is."""
    sound, bad = list[SoundPair](), dict(matched.bad)

    def check(pair: MaskedImage) -> tuple[Facts | str, MaskFacts | Mapping[str, str]]:
        image = check_image(pair.image, reading.rendering)
        return image, check_mask(pair.masks, image if isinstance(image, Facts) else None, reading.mask_values)

    for pair, (image, mask) in zip(matched.pairs, in_threads(check, matched.pairs, reading.on_progress), strict=True):
        if isinstance(image, str):
            bad[pair.name] = image
        if not isinstance(mask, MaskFacts):
            bad |= mask
        elif isinstance(image, Facts):
            sound.append(SoundPair(pair, image, mask))
    why = reasons(dict(sorted(bad.items())))
    if bad and not (reading.skip_bad and sound):
        way_on = ", or go on without them with --skip-bad" if sound else ""
        raise DataError(
            f"{counted(len(bad), 'file')} of {place} can't be used, where each of {counted(len(matched.ids), 'image')} "
            f"needs a mask of its size: {why}: repair, add or remove them{way_on}."
        )
    return sound, [f"{counted(len(bad), 'unusable file')} left out: {why}."] if bad else []


def _declared(place: Path, folders: Sequence[Path], of_folders: tuple[str, ...]) -> DeclaredClasses | None:
    """The classes that a file names, or that have a folder of masks each."""
    declared = read_class_names(folders)
    if not of_folders:
        return declared
    if declared is not None and declared.names[1:] != of_folders:
        raise DataError(
            f"The {declared.file} of {place} names {', '.join(declared.names)}, and the folders of masks are "
            f"{', '.join(of_folders)}: remove that file, or name background and then the folders in their order."
        )
    return declared or DeclaredClasses(("background", *of_folders), file="the folders of masks")


def _mask_oddities(sound: Sequence[SoundPair], names: Sequence[str]) -> list[str]:
    """Notes on masks that were made of several files, turned, or that are shown otherwise than they count."""
    several = Counter(each.mask.files for each in sound if each.mask.files > 1)
    turned = sum(each.mask.turn != UPRIGHT for each in sound)
    left = sum(each.mask.turn == UPRIGHT != each.image.orientation and not each.mask.own_turn for each in sound)
    alone = sum(each.mask.own_turn and each.image.orientation == UPRIGHT for each in sound)
    odd = (
        (
            several.total(),
            "{has} {its} mask in several files{each}: united, up to " + str(max(several, default=0)) + ".",
        ),
        (turned, "{has} an EXIF orientation, and {its} mask{s} none: turned alike."),
        (left, "{has} an EXIF orientation, and {its} mask{s} {is_} upright already: not turned."),
        (alone, "{has} no EXIF orientation, and {its} mask{s} {has} one: the mask{s} alone {is_} turned by it."),
    )
    one = {"has": "has", "its": "its", "s": "", "is_": "is", "each": ""}
    many = {"has": "have", "its": "their", "s": "s", "is_": "are", "each": " each"}
    notes = [
        f"{counted(number, 'image')} {what.format_map(one if number == 1 else many)}" for number, what in odd if number
    ]
    if len(names) == 2 and is_inverted(each.mask for each in sound):
        notes.append(
            f"In the masks' palettes {names[1]} (1) is black and {names[0]} (0) isn't: numbers count, not colours; "
            "--mask-values with colours turns that round."
        )
    return notes
