"""What the folders of a data set mean: classes, or images and masks, with or without train/ val/ test/ above them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from ttl.data.readers.mask_classes import FILE
from ttl.data.readers.walk import entries, is_image
from ttl.errors import DataError
from ttl.words.counts import counted, listed

SPLIT_FOLDERS = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}
Part = TypeVar("Part")


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
class MaskFolders:
    """Images and their masks, in one split where the folders say which."""

    images: Path
    masks: Path
    split: str | None


@dataclass(frozen=True)
class Layout(Generic[Part]):
    """What the folders of a data set mean.

    Attributes:
        root: the whole set.
        parts: of which it consists.
        beside: files and folders that belong to none of them.
    """

    root: Path
    parts: tuple[Part, ...]
    beside: tuple[Path, ...]


def read_class_layout(root: Path) -> Layout[ClassFolder]:
    """The class folders under `root`, of at least two classes.

    Raises:
        DataError: there are no two classes, or the folders contradict each other.
    """
    folders, files = entries(root)
    splits = _split_folders(root, folders)
    classes = [] if splits else [ClassFolder(path, None) for path in folders]
    beside = [*files, *(path for path in folders if splits and path not in splits.values())]
    for split, folder in splits.items():
        inner, loose = entries(folder)
        classes += [ClassFolder(path, split) for path in inner]
        beside += loose
    names = sorted({folder.name for folder in classes})
    if not names:
        images = counted(sum(is_image(path) for path in beside), "image")
        raise DataError(
            f"The folder {root} has no class folders ({images} in it): "
            "put the images of each class into a folder of its own, named like the class."
        )
    if len(names) == 1:
        raise DataError(
            f"The folder {root} has only one class, {listed(names)}: at least two class folders are needed."
        )
    return Layout(root, tuple(classes), tuple(beside))


def read_mask_layout(root: Path) -> Layout[MaskFolders] | None:
    """The folders of images and masks under `root`; None where it is no segmentation set.

    Raises:
        DataError: a split lacks images/ and masks/ that another has, or one of them is there twice.
    """
    folders, files = entries(root)
    if whole := _pair(root, folders, None):
        return _mask_layout(root, [whole], [*files, *folders])
    pairs, beside = {}, files
    splits = _split_folders(root, folders)
    for split, folder in splits.items():
        inner, loose = entries(folder)
        if pair := _pair(folder, inner, split):
            pairs[split] = pair
            beside = [*beside, *loose, *inner]
    if not pairs:
        return None
    if lacking := [folder.name for split, folder in splits.items() if split not in pairs]:
        names = listed(pair.images.parent.name for pair in pairs.values())
        raise DataError(f"The folder {root} has images/ and masks/ in {names} but not in {listed(lacking)}: add them.")
    return _mask_layout(root, [*pairs.values()], [*beside, *(path for path in folders if path not in splits.values())])


def _mask_layout(root: Path, pairs: list[MaskFolders], paths: list[Path]) -> Layout[MaskFolders]:
    used = {path for pair in pairs for path in (pair.images, pair.masks)}
    return Layout(root, tuple(pairs), tuple(path for path in paths if path not in used and path.name != FILE))


def _pair(folder: Path, folders: list[Path], split: str | None) -> MaskFolders | None:
    images, masks = ([path for path in folders if path.name.lower() == what] for what in ("images", "masks"))
    if not (images and masks):
        return None
    for paths in (images, masks):
        if len(paths) > 1:
            names = " and ".join(path.name for path in paths)
            raise DataError(f"The folder {folder} has {names}: keep one of them.")
    return MaskFolders(images[0], masks[0], split)


def _split_folders(root: Path, folders: list[Path]) -> dict[str, Path]:
    """The folder of each split, in the order train, val, test; empty where the folders are classes.

    `train` beside folders of other names is a class like them, unless `val` or `test` is there too.
    """
    named: dict[str, list[Path]] = {"train": [], "val": [], "test": []}
    for path in folders:
        if path.name.lower() in SPLIT_FOLDERS:
            named[SPLIT_FOLDERS[path.name.lower()]].append(path)
    splits = {split: paths[0] for split, paths in named.items() if paths}
    if not splits or (len(splits) == 1 and len(folders) > 1):
        return {}
    for split, paths in named.items():
        if len(paths) > 1:
            names = " and ".join(path.name for path in paths)
            raise DataError(f"The folder {root} has several folders for {split}, {names}: keep one of them.")
    if "train" not in splits:
        names = " and ".join(path.name for path in splits.values())
        raise DataError(f"The folder {root} has {names} but no train: add it, or remove that level of folders.")
    return splits
