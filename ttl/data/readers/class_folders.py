"""Reads a folder of class folders; every image is decoded once, to be sure of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ttl.data.class_spelling import one_spelling
from ttl.data.readers.class_layout import ClassFolder, ClassLayout, class_layout
from ttl.data.readers.header_patients import by_header
from ttl.data.readers.mask_folders import folders_of_masks
from ttl.data.readers.mask_lookalike import check_no_masks
from ttl.data.readers.mask_names import masks_beside
from ttl.data.readers.readable import PLAIN, Reading, check_images, left_aside, oddities, reasons
from ttl.data.readers.walk import Content, content_of, glance, name_in
from ttl.data.records import Records
from ttl.errors import DataError
from ttl.words.counts import counted, listed

SHOWN = 3  # masks and folders that a message names
MANY = 10  # folders that may be classes where most images have masks beside them


def read_folder(root: Path, reading: Reading = PLAIN) -> Records:
    """All images under the class folders of `root`, or of train/ val/ test/ in it.

    Masks beside their images (`1_mask.png`, `1.png`) are no images of a class.

    Raises:
        DataError: no classes, a class without images, folders that may mean something else, or images that can't be
            read.
    """
    layout = class_layout(root, reading.known)
    contents = {
        each: content_of(each.folder, [root, *(other.folder for other in layout.folders)]) for each in layout.folders
    }
    for each, content in contents.items():
        if not content.images:
            others = f" ({counted(len(content.others), 'other file')} in it)" if content.others else ""
            raise DataError(f"The class folder {each.folder} holds no image{others}: add images, or remove the folder.")
    masks = _masks(contents)
    folder_of = {path: each for each, content in contents.items() for path in content.images if path not in masks}
    _check_patients(root, layout, len(masks), len(folder_of))
    check_no_masks(
        root,
        {each.folder: [path for path in content.images if path not in masks] for each, content in contents.items()},
    )
    images = sorted((name_in(root, path), path) for path in folder_of)
    ids, paths = zip(*images, strict=True)
    checked = check_images(ids, paths, reading)
    if checked.bad and not reading.skip_bad:
        raise DataError(
            f"{len(checked.bad)} of {counted(len(ids), 'image')} in {root} can't be read: {reasons(checked.bad)}: "
            "repair or remove them, or go on without them with --skip-bad."
        )
    spelling, spelled = one_spelling((each.name for each in folder_of.values()), where=f"the folders of {root}")
    number = {name: i for i, name in enumerate(sorted({*spelling.values()}))}
    if len(number) < 2 and not {*number} <= {*reading.known}:
        raise DataError(f"The folder {root} has only one class, {', '.join(number)}: at least two are needed.")
    folders = [folder_of[path] for path in checked.source.paths]
    whose = by_header(checked.source.facts, checked.ids)
    aside = left_aside(root, layout.beside, [*contents.values()], "no image of a class")
    return Records(
        name=root.resolve().name,
        class_names=tuple(number),
        ids=checked.ids,
        labels=np.array([number[spelling[each.name]] for each in folders], np.int64),
        source=checked.source,
        groups=whose.groups,
        unknown_patients=whose.unknown,
        given=tuple(each.split for each in folders if each.split) or None,
        skipped=tuple(checked.bad),
        notes=(
            *checked.skipped(),
            *layout.notes,
            *spelled,
            *_masks_note(root, sorted(masks)),
            *aside,
            *whose.notes,
            *oddities(checked.source),
        ),
    )


def _masks(contents: Mapping[ClassFolder, Content]) -> set[Path]:
    """The files that are masks by their names, or by those of the folders that they are in."""
    found = set(masks_beside(path for content in contents.values() for path in content.images))
    for each, content in contents.items():
        folders = folders_of_masks(glance(each.folder).folders)
        found |= {path for path in content.images if any(path.is_relative_to(folder) for folder in folders)}
    return found


def _check_patients(root: Path, layout: ClassLayout, masks: int, images: int) -> None:
    """Refuses many folders of images with masks beside them: sets of masks have such folders of patients."""
    names = sorted({each.name for each in layout.folders})
    if len(names) > MANY and 2 * masks > images:
        raise DataError(
            f"The {len(names)} folders of {root} ({listed(names, SHOWN)}) hold images and their masks, as folders of "
            "patients do: give --model unet:ENCODER to learn from the masks, or list images and labels in a CSV."
        )


def _masks_note(root: Path, masks: list[Path]) -> list[str]:
    if not masks:
        return []
    names = listed((path.relative_to(root).as_posix() for path in masks), SHOWN)
    return [
        f"{counted(len(masks), 'mask')} of the images left out of the "
        f"classes: {names}; --model unet:ENCODER learns from masks."
    ]
