"""Reads a folder of class folders; every image is decoded once, to be sure of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ttl.data.readers.check import PLAIN, Reading, check_images, left_aside, oddities, patients, reasons
from ttl.data.readers.layout import ClassFolder, Layout, read_class_layout
from ttl.data.readers.walk import Content, content_of
from ttl.data.records import Records
from ttl.data.task import picked
from ttl.errors import DataError
from ttl.words.counts import counted


def read_folder(root: Path, reading: Reading = PLAIN) -> Records:
    """All images under the class folders of `root`, or of train/ val/ test/ in it.

    Raises:
        DataError: no classes, a class without images, or images that can't be read.
    """
    layout = read_class_layout(root)
    barred = [root, *(folder.path for folder in layout.parts)]
    contents = {folder: content_of(folder.path, barred) for folder in layout.parts}
    for folder, content in contents.items():
        _check_filled(folder, content)
    images = [
        (path.relative_to(root).as_posix(), path, folder) for folder in contents for path in contents[folder].images
    ]
    ids, paths, folders = zip(*sorted(images, key=lambda image: image[0]), strict=True)
    checked = check_images(ids, paths, reading)
    if checked.bad and not reading.skip_bad:
        raise DataError(
            f"{len(checked.bad)} of {counted(len(ids), 'image')} in {root} can't be read: {reasons(checked.bad)}: "
            "repair or remove them, or go on without them with --skip-bad."
        )
    number = {name: i for i, name in enumerate(sorted({folder.name for folder in folders}))}
    kept = picked(folders, checked.good)
    groups, grouped = patients(checked.source.facts)
    return Records(
        name=root.resolve().name,
        class_names=tuple(number),
        ids=picked(ids, checked.good),
        labels=np.array([number[folder.name] for folder in kept], np.int64),
        source=checked.source,
        groups=groups,
        given=tuple(folder.split for folder in kept if folder.split) or None,
        skipped=tuple(checked.bad),
        notes=(*checked.skipped(), *_left_aside(layout, contents), *grouped, *oddities(checked.source)),
    )


def _left_aside(layout: Layout[ClassFolder], contents: Mapping[ClassFolder, Content]) -> list[str]:
    others = [path for content in contents.values() for path in content.others]
    repeated = [path for content in contents.values() for path in content.repeated]
    return left_aside(layout.root, [*layout.beside, *others], repeated, "no image of a class")


def _check_filled(folder: ClassFolder, content: Content) -> None:
    if content.images:
        return
    others = f" ({counted(len(content.others), 'other file')} in it)" if content.others else ""
    raise DataError(f"The class folder {folder.path} holds no image{others}: add images, or remove the folder.")
