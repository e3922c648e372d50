"""A folder of class folders, with or without train/ val/ test/ above them: which folder is what."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ttl.data.walk import entries, is_image
from ttl.errors import DataError
from ttl.words.counts import counted, listed

SPLIT_FOLDERS = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}


@dataclass(frozen=True)
class ClassFolder:
    """The images of one class, in one split where the folders say which."""

    path: Path
    split: str | None

    @property
    def name(self) -> str:
        """Of the class."""
        return self.path.name


@dataclass(frozen=True)
class Layout:
    """What the folders of a data set mean.

    Attributes:
        classes: at least two class names among them.
        beside: files and folders that belong to no class.
    """

    classes: tuple[ClassFolder, ...]
    beside: tuple[Path, ...]


def read_layout(root: Path) -> Layout:
    """What the folders under `root` mean.

    Raises:
        DataError: there are no two classes, or the folders contradict each other.
    """
    folders, files = entries(root)
    splits = split_folders(root, folders)
    if not splits:
        classes = [ClassFolder(path, None) for path in folders]
        _check_classes(root, classes, files)
        return Layout(tuple(classes), tuple(files))
    beside = [*files, *(path for path in folders if path not in splits.values())]
    classes = []
    for split, folder in splits.items():
        inner, loose = entries(folder)
        classes += [ClassFolder(path, split) for path in inner]
        beside += loose
    _check_classes(root, classes, beside)
    return Layout(tuple(classes), tuple(beside))


def split_folders(root: Path, folders: list[Path]) -> dict[str, Path]:
    """The folder of each split, in the order train, val, test; empty where the folders are classes.

    `train` beside folders of other names is a class like them, unless `val` or `test` is there too.
    """
    named: dict[str, list[Path]] = {"train": [], "val": [], "test": []}
    for path in folders:
        if path.name.lower() in SPLIT_FOLDERS:
            named[SPLIT_FOLDERS[path.name.lower()]].append(path)
    found = {split: paths[0] for split, paths in named.items() if paths}
    if not found or (len(found) == 1 and len(folders) > 1):
        return {}
    for split, paths in named.items():
        if len(paths) > 1:
            names = " and ".join(path.name for path in paths)
            raise DataError(f"The folder {root} has several folders for {split}, {names}: keep one of them.")
    if "train" not in found:
        names = " and ".join(path.name for path in found.values())
        raise DataError(f"The folder {root} has {names} but no train: add it, or remove that level of folders.")
    return found


def _check_classes(root: Path, classes: list[ClassFolder], files: list[Path]) -> None:
    names = sorted({folder.name for folder in classes})
    if not names:
        images = counted(sum(is_image(path) for path in files), "image")
        raise DataError(
            f"The folder {root} has no class folders ({images} in it): "
            "put the images of each class into a folder of its own, named like the class."
        )
    if len(names) == 1:
        raise DataError(
            f"The folder {root} has only one class, {listed(names)}: at least two class folders are needed."
        )
