"""Which mask is of which image: by their names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ttl.data.mask_layout import MaskFolders, MaskLayout
from ttl.data.walk import Found, find
from ttl.errors import DataError

SUFFIX = re.compile(r"[_-](mask|seg|segmentation)$", re.IGNORECASE)


@dataclass(frozen=True)
class MaskedImage:
    """Two files, of which one is the mask of the other.

    Attributes:
        name: the sample's id.
        image: the file.
        mask_name: what messages call the mask.
        mask: the file.
        split: that the data itself puts it in; None where it says nothing.
    """

    name: str
    image: Path
    mask_name: str
    mask: Path
    split: str | None = None


@dataclass(frozen=True)
class Matched:
    """Images and masks of a set, before any is read.

    Attributes:
        pairs: those that belong together, in the order of their ids.
        ids: of all images.
        bad: id of what has no fellow, or several -> the reason.
        ignored: files that are neither.
        repeated: links to a folder that is read anyway; not followed.
    """

    pairs: tuple[MaskedImage, ...]
    ids: tuple[str, ...]
    bad: Mapping[str, str] = field(default_factory=dict)
    ignored: tuple[Path, ...] = ()
    repeated: tuple[Path, ...] = ()


def find_masks(layout: MaskLayout) -> Matched:
    """All images and masks in the folders of a segmentation set.

    Raises:
        DataError: there is no image in one of them, or it can't be read.
    """
    barred = [layout.root, *(folder for pair in layout.pairs for folder in (pair.images, pair.masks))]
    pairs: list[MaskedImage] = []
    ids: list[str] = []
    bad: dict[str, str] = {}
    contents: list[Found] = []
    for folders in layout.pairs:
        images, masks = (_content(folder, barred) for folder in (folders.images, folders.masks))
        matched, wrong = _match(layout.root, folders, images.images, masks.images)
        pairs += matched
        bad |= wrong
        ids += [_id(layout.root, path) for path in images.images]
        contents += [images, masks]
    return Matched(
        pairs=tuple(sorted(pairs, key=lambda pair: pair.name)),
        ids=tuple(ids),
        bad=bad,
        ignored=(*layout.beside, *(path for content in contents for path in content.others)),
        repeated=tuple(path for content in contents for path in content.repeated),
    )


def _content(folder: Path, barred: Iterable[Path]) -> Found:
    content = find(folder, barred)
    if not content.images:
        raise DataError(f"The folder {folder} holds no image: for each image in images/ put its mask into masks/.")
    return content


def _match(
    root: Path, pair: MaskFolders, images: Iterable[Path], masks: Iterable[Path]
) -> tuple[list[MaskedImage], dict[str, str]]:
    """Each image with the mask of its name, extensions left out; and what is wrong with the others, by id.

    A mask may also be called `NAME_mask`, `NAME_seg` or `NAME-mask`, where no other has the plain name.
    """
    named = _by_stem(pair.images, images)
    bad = {_id(root, path): f"{_names(root, paths)} have one name" for paths in named.values() for path in paths[1:]}
    of: dict[str, list[Path]] = {stem: [] for stem in named}
    for stem, paths in _by_stem(pair.masks, masks).items():
        plain = SUFFIX.sub("", stem)
        if stem in of or plain in of:
            of[stem if stem in of else plain] += paths
        else:
            bad |= {_id(root, path): "a mask without an image" for path in paths}
    matched = []
    for stem, (image, *_) in named.items():
        name = _id(root, image)
        if len(of[stem]) != 1:
            bad[name] = f"several masks: {_names(root, of[stem])}" if of[stem] else "no mask"
        elif len(named[stem]) == 1:
            matched.append(MaskedImage(name, image, _id(root, of[stem][0]), of[stem][0], pair.split))
    return matched, bad


def _by_stem(folder: Path, paths: Iterable[Path]) -> dict[str, list[Path]]:
    stems: dict[str, list[Path]] = {}
    for path in paths:
        stems.setdefault(path.relative_to(folder).with_suffix("").as_posix(), []).append(path)
    return stems


def _names(root: Path, paths: Iterable[Path]) -> str:
    return " and ".join(_id(root, path) for path in paths)


def _id(root: Path, path: Path) -> str:
    return path.relative_to(root).as_posix()
