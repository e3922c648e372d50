"""Reads a folder of class folders; every image is decoded once, to be sure of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ttl.data.readers.header_patients import by_header
from ttl.data.readers.readable import PLAIN, Reading, check_images, left_aside, oddities, reasons
from ttl.data.readers.walk import content_of, entries, is_image, split_folders
from ttl.data.records import Records
from ttl.errors import DataError
from ttl.words.counts import counted


def read_folder(root: Path, reading: Reading = PLAIN) -> Records:
    """All images under the class folders of `root`, or of train/ val/ test/ in it.

    Raises:
        DataError: no classes, a class without images, or images that can't be read.
    """
    split_of, beside = _classes(root)
    contents = {folder: content_of(folder, [root, *split_of]) for folder in split_of}
    for folder, content in contents.items():
        if not content.images:
            others = f" ({counted(len(content.others), 'other file')} in it)" if content.others else ""
            raise DataError(f"The class folder {folder} holds no image{others}: add images, or remove the folder.")
    folder_of = {path: folder for folder, content in contents.items() for path in content.images}
    images = sorted((path.relative_to(root).as_posix(), path) for path in folder_of)
    ids, paths = zip(*images, strict=True)
    checked = check_images(ids, paths, reading)
    if checked.bad and not reading.skip_bad:
        raise DataError(
            f"{len(checked.bad)} of {counted(len(ids), 'image')} in {root} can't be read: {reasons(checked.bad)}: "
            "repair or remove them, or go on without them with --skip-bad."
        )
    number = {name: i for i, name in enumerate(sorted({folder.name for folder in contents}))}
    folders = [folder_of[path] for path in checked.source.paths]
    whose = by_header(checked.source.facts, checked.ids)
    aside = left_aside(root, beside, [*contents.values()], "no image of a class")
    return Records(
        name=root.resolve().name,
        class_names=tuple(number),
        ids=checked.ids,
        labels=np.array([number[folder.name] for folder in folders], np.int64),
        source=checked.source,
        groups=whose.groups,
        given=tuple(split for folder in folders if (split := split_of[folder])) or None,
        skipped=tuple(checked.bad),
        notes=(*checked.skipped(), *aside, *whose.notes, *oddities(checked.source)),
    )


def _classes(root: Path) -> tuple[dict[Path, str | None], list[Path]]:
    """The class folders under `root`, of at least two classes, with their splits; and what belongs to none of them."""
    folders, files = entries(root)
    splits = split_folders(root, folders)
    split_of: dict[Path, str | None] = {} if splits else dict.fromkeys(folders)
    beside = [*files, *(path for path in folders if splits and path not in splits.values())]
    for split, folder in splits.items():
        inner, loose = entries(folder)
        split_of |= dict.fromkeys(inner, split)
        beside += loose
    names = sorted({folder.name for folder in split_of})
    if not names:
        images = counted(sum(is_image(path) for path in beside), "image")
        raise DataError(
            f"The folder {root} has no class folders ({images} in it): "
            "put the images of each class into a folder of its own, named like the class."
        )
    if len(names) == 1:
        raise DataError(f"The folder {root} has only one class, {names[0]}: at least two class folders are needed.")
    return split_of, beside
