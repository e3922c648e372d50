"""Which folders hold the images of which class; layouts that look like something else are refused."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ttl.data.readers.mask_folders import folders_of_masks
from ttl.data.readers.split_folders import split_folders
from ttl.data.readers.split_words import split_name
from ttl.data.readers.walk import entries, glance, is_image
from ttl.errors import DataError
from ttl.words.counts import counted, listed

SHOWN = 3  # folders that a message names
MARKS = (".csv", ".tsv", ".parquet", ".json", ".xml", ".txt")  # of files that may hold the labels


@dataclass(frozen=True)
class ClassFolder:
    """The images of a class, of one split where the folders say which."""

    folder: Path
    name: str
    split: str | None = None


@dataclass(frozen=True)
class ClassLayout:
    """The folders of the classes, what belongs to none of them, and notes for people."""

    folders: tuple[ClassFolder, ...]
    beside: tuple[Path, ...]
    notes: tuple[str, ...]


def class_layout(root: Path, known: Sequence[str] = ()) -> ClassLayout:
    """The class folders of `root`: right in it, or in train/ val/ test/ in it, or with these in each of them.

    Args:
        root: the folder.
        known: classes of which one alone will do.

    Raises:
        DataError: there are fewer than two classes, or the folders may mean something else.
    """
    tops, files = entries(root)
    splits = split_folders(root, tops)
    notes = [*splits.notes]
    if not splits.of and (inside := _splits_inside(tops)):
        folders, beside = inside, list(files)
    else:
        folders = [] if splits.of else [ClassFolder(path, path.name) for path in tops]
        beside = [*files, *(path for path in tops if splits.of and path not in splits.of.values())]
        for split, place in splits.of.items():
            inner, loose = entries(_unwrapped(place, split))
            folders += [ClassFolder(path, path.name, split) for path in inner]
            if inner or split == "train":
                beside += loose
            else:
                images = counted(sum(map(is_image, loose)), "image")
                notes.append(f"Folder {place.name} has no class folders: what is in it ({images}) is left aside.")
    _check_several(root, folders, beside, known)
    if not splits.of and folders[0].split is None:
        _check_inner_names(root, tops)
    elif splits.of:
        _check_inner_names(root, [each.folder for each in folders])
    return ClassLayout(tuple(folders), tuple(beside), tuple(notes))


def _unwrapped(place: Path, split: str) -> Path:
    """The folder of a split, or the only one in it, where that is called like the split again (`train/train`)."""
    seen = glance(place)
    is_wrapper = len(seen.folders) == 1 and not seen.has_images and split_name(seen.folders[0].name).split == split
    return seen.folders[0] if is_wrapper else place


def _splits_inside(tops: Sequence[Path]) -> list[ClassFolder]:
    """`benign/train`, `benign/test`, `malignant/train`, ...: the splits of each class, where all folders are such."""
    found = []
    for top in tops:
        seen = glance(top)
        inner, splits = seen.folders, [split_name(path.name).exact for path in seen.folders]
        if not inner or seen.has_images or len({*splits}) < len(inner):
            return []
        found += [ClassFolder(path, top.name, split) for path, split in zip(inner, splits, strict=True)]
    kinds = {each.split for each in found}
    return found if len(tops) > 1 and len(kinds) > 1 and "train" in kinds and None not in kinds else []


def _check_several(root: Path, folders: Sequence[ClassFolder], beside: Sequence[Path], known: Sequence[str]) -> None:
    names = sorted({each.name for each in folders})
    if len(names) > 1 or (names and names[0] in known):
        return
    tables = [path.name for path in beside if path.suffix.lower() in MARKS]
    hint = f"; or, if {listed(tables, SHOWN)} has the labels, give them as a CSV of images and labels" if tables else ""
    if not names:
        images = counted(sum(map(is_image, beside)), "image")
        raise DataError(
            f"The folder {root} has no class folders ({images} in it): put the images of each class into a folder of "
            f"its own, named like the class{hint}."
        )
    inner = dict.fromkeys(path.name for each in folders for path in glance(each.folder).folders)
    deeper = f", or, if those in it ({listed(inner, SHOWN)}) are meant, give {names[0]} as DATA" if inner else ""
    raise DataError(
        f"The folder {root} has only one class, {names[0]}: at least two class folders are needed{deeper}{hint}."
    )


def _check_inner_names(root: Path, classes: Sequence[Path]) -> None:
    """Refuses class folders that hold folders of the same names: these may be the classes, and those the patients."""
    inner_of: dict[str, set[str]] = {}
    for folder in classes:
        seen = glance(folder)
        if seen.has_images:
            return
        if not folders_of_masks(seen.folders):
            inner_of.setdefault(folder.name, set()).update(path.name.casefold() for path in seen.folders)
    times = Counter(name for names in inner_of.values() for name in names)
    shared = sorted(name for name, number in times.items() if number > 1)
    if len(inner_of) > 1 and 2 * len(shared) > len(times):
        raise DataError(
            f"The class folders of {root} ({listed(inner_of, SHOWN)}) hold folders of the same names "
            f"({listed(shared, SHOWN)}), so either may be the classes: put the images right into one folder a class, "
            "or list them in a CSV with columns image, label and patient."
        )
