"""Reads a folder of class folders; every image is decoded once, to be sure of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ttl.data.check import Progress, check_images, left_aside, oddities, of_patients, patients, reasons, skipped
from ttl.data.dicom import Window
from ttl.data.image import Facts
from ttl.data.layout import ClassFolder, Layout, read_layout
from ttl.data.records import Records
from ttl.data.sources import FileSource
from ttl.data.walk import Found, find
from ttl.errors import DataError
from ttl.words.counts import counted

Checked = dict[Path, "Facts | str"]


def read_folder(
    root: Path, *, window: Window | None = None, skip_bad: bool = False, on_progress: Progress | None = None
) -> Records:
    """All images under the class folders of `root`.

    Args:
        root: has class folders, or train/ val/ test/ with class folders in them.
        window: centre and width of the values of DICOM files, in place of their own.
        skip_bad: leave out the images that can't be read, instead of refusing the data.
        on_progress: called with how many images are checked, and of how many.

    Raises:
        DataError: no classes, a class without images, or images that can't be read.
    """
    layout = read_layout(root)
    barred = [root, *(folder.path for folder in layout.classes)]
    found = {folder: find(folder.path, barred) for folder in layout.classes}
    for folder, content in found.items():
        _check_filled(folder, content)
    pairs = [(folder, path) for folder, content in found.items() for path in content.images]
    pairs.sort(key=lambda pair: pair[1].relative_to(root).as_posix())
    paths = [path for _, path in pairs]
    checked = dict(zip(paths, check_images(paths, on_progress, window), strict=True))
    bad = {_id(root, path): reason for path, reason in checked.items() if isinstance(reason, str)}
    if bad and not skip_bad:
        raise DataError(
            f"{len(bad)} of {counted(len(pairs), 'image')} in {root} can't be read: {reasons(bad)}: "
            "repair or remove them, or go on without them with --skip-bad."
        )
    return _records(root, pairs, checked, bad, _notes(root, layout, found), window)


def _check_filled(folder: ClassFolder, content: Found) -> None:
    if content.images:
        return
    others = f" ({counted(len(content.others), 'other file')} in it)" if content.others else ""
    raise DataError(f"The class folder {folder.path} holds no image{others}: add images, or remove the folder.")


def _records(
    root: Path,
    pairs: list[tuple[ClassFolder, Path]],
    checked: Checked,
    bad: dict[str, str],
    notes: list[str],
    window: Window | None,
) -> Records:
    good = [(folder, path, fact) for folder, path in pairs if isinstance(fact := checked[path], Facts)]
    names = sorted({folder.name for folder, _ in pairs})
    label = {name: number for number, name in enumerate(names)}
    facts = tuple(fact for _, _, fact in good)
    splits = [folder.split for folder, _, _ in good if folder.split]
    return Records(
        name=root.resolve().name,
        class_names=tuple(names),
        ids=tuple(_id(root, path) for _, path, _ in good),
        labels=np.array([label[folder.name] for folder, _, _ in good], np.int64),
        source=FileSource(tuple(path for _, path, _ in good), facts, window),
        groups=patients(facts),
        given=tuple(splits) or None,
        skipped=tuple(bad),
        notes=(*skipped(bad), *notes, *of_patients(facts), *oddities(facts, window)),
    )


def _notes(root: Path, layout: Layout, found: dict[ClassFolder, Found]) -> list[str]:
    others = [path for content in found.values() for path in content.others]
    repeated = [path for content in found.values() for path in content.repeated]
    return left_aside(root, [*layout.beside, *others], repeated, "no image of a class")


def _id(root: Path, path: Path) -> str:
    return path.relative_to(root).as_posix()
