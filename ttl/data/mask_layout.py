"""A folder of images/ and masks/, with or without train/ val/ test/ above them: which folder is what."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ttl.data.layout import split_folders
from ttl.data.mask_classes import FILE
from ttl.data.walk import entries
from ttl.errors import DataError
from ttl.words.counts import listed


@dataclass(frozen=True)
class MaskFolders:
    """Images and their masks, in one split where the folders say which."""

    images: Path
    masks: Path
    split: str | None


@dataclass(frozen=True)
class MaskLayout:
    """What the folders of a segmentation set mean.

    Attributes:
        root: the whole set.
        pairs: of images and masks.
        beside: files and folders that belong to neither.
    """

    root: Path
    pairs: tuple[MaskFolders, ...]
    beside: tuple[Path, ...]


def read_mask_layout(root: Path) -> MaskLayout | None:
    """What the folders under `root` mean; None where it is no segmentation set.

    Raises:
        DataError: a split lacks images/ and masks/ that another has, or one of them is there twice.
    """
    folders, files = entries(root)
    if whole := _pair(root, folders, None):
        return MaskLayout(root, (whole,), _beside(folders, files, (whole,)))
    pairs, beside = {}, list(files)
    splits = split_folders(root, folders)
    for split, folder in splits.items():
        inner, loose = entries(folder)
        if pair := _pair(folder, inner, split):
            pairs[split] = pair
            beside += _beside(inner, loose, (pair,))
    if not pairs:
        return None
    if lacking := [folder.name for split, folder in splits.items() if split not in pairs]:
        names = listed(pair.images.parent.name for pair in pairs.values())
        raise DataError(f"The folder {root} has images/ and masks/ in {names} but not in {listed(lacking)}: add them.")
    others = [path for path in folders if path not in splits.values()]
    return MaskLayout(root, tuple(pairs.values()), _beside(others, beside, ()))


def _pair(folder: Path, folders: list[Path], split: str | None) -> MaskFolders | None:
    images, masks = ([path for path in folders if path.name.lower() == what] for what in ("images", "masks"))
    if not (images and masks):
        return None
    for paths in (images, masks):
        if len(paths) > 1:
            names = " and ".join(path.name for path in paths)
            raise DataError(f"The folder {folder} has {names}: keep one of them.")
    return MaskFolders(images[0], masks[0], split)


def _beside(folders: list[Path], files: list[Path], pairs: tuple[MaskFolders, ...]) -> tuple[Path, ...]:
    taken = {path for pair in pairs for path in (pair.images, pair.masks)}
    return tuple(path for path in (*files, *folders) if path not in taken and path.name != FILE)
