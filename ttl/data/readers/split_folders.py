"""Which of the folders under a data set's are its splits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ttl.data.readers.split_words import SplitName, split_name
from ttl.data.readers.walk import glance
from ttl.data.task import SPLITS
from ttl.errors import DataError
from ttl.words.counts import listed

SHOWN = 3  # folders that a message names


@dataclass(frozen=True)
class SplitFolders:
    """The folder of each split, in the order train, val, test; of none where the folders are something else."""

    of: Mapping[str, Path] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def split_folders(root: Path, folders: Sequence[Path]) -> SplitFolders:
    """The splits among the folders right in `root`.

    A name means a split where its words say nothing else (`Training`, `01_val`, `test_images`), or where several
    folders differ by their split's word alone (`seg_train`, `seg_test`). Folders that mean two or three splits are
    these, and others beside them are left aside. One folder that means a split beside others that mean none is a class
    like them, with a note, if images are right in it.

    Raises:
        DataError: two folders mean one split, none means train, or the names leave it open.
    """
    names = {path: split_name(path.name) for path in folders}
    speaking = {path: name for path, name in names.items() if name.splits}
    if not speaking:
        return SplitFolders()
    chosen = _chosen(names)
    meant = {name.split for name in chosen.values()}
    unclear = [path for path, name in speaking.items() if path not in chosen and not name.splits <= meant]
    if chosen and not unclear:
        return SplitFolders(_one_each(root, chosen))
    if len({split for name in speaking.values() for split in name.splits}) > 1:
        raise DataError(
            f"The folders {_names([*speaking])} of {root} name splits, and which is which isn't plain: call them "
            "train, val and test, each with the folders of the classes (or images/ and masks/) in it."
        )
    return SplitFolders(notes=_as_class(root, folders, names))


def _chosen(names: Mapping[Path, SplitName]) -> Mapping[Path, SplitName]:
    """The folders that mean splits; none where they may mean classes."""
    exact = {path: name for path, name in names.items() if name.exact}
    if len({name.exact for name in exact.values()}) > 1 or len(exact) == len(names):
        return exact
    alike: dict[tuple[str, ...], dict[Path, SplitName]] = {}
    for path, name in names.items():
        if name.split:
            alike.setdefault(name.rest, {})[path] = name
    groups = [group for group in alike.values() if len({name.split for name in group.values()}) > 1]
    return groups[0] if len(groups) == 1 else {}


def _one_each(root: Path, chosen: Mapping[Path, SplitName]) -> dict[str, Path]:
    splits = {}
    for split in SPLITS:
        paths = [path for path, name in chosen.items() if name.split == split]
        if len(paths) > 1:
            raise DataError(
                f"The folder {root} has several folders for {split}, {' and '.join(path.name for path in paths)}: "
                "keep one of them."
            )
        if paths:
            splits[split] = paths[0]
    if "train" not in splits:
        there = " and ".join(path.name for path in splits.values())
        raise DataError(f"The folder {root} has {there} but no train: add it, or remove that level of folders.")
    return splits


def _as_class(root: Path, folders: Sequence[Path], names: Mapping[Path, SplitName]) -> tuple[str, ...]:
    """A note on a folder that is called like a split and taken for a class."""
    exact = [path for path in folders if names[path].exact]
    if not exact:
        return ()
    others = _names([path for path in folders if path not in exact])
    for path in exact:
        seen = glance(path)
        if len(seen.folders) > 1 and not seen.has_images:
            raise DataError(
                f"The folder {root} has {path.name}, which is called like a split and holds folders as one does, "
                f"beside {others}, which mean no split: keep only train, val and test there, or rename it."
            )
    split = " and ".join(path.name for path in exact)
    return (f"Folder {split} is taken for a class like {others}: if it is a split, keep only splits beside it.",)


def _names(paths: Sequence[Path]) -> str:
    return listed((path.name for path in paths), SHOWN)
