"""Which mask is of which image: by their names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ttl.data.readers.layout import Layout, MaskFolders
from ttl.data.readers.walk import Content, content_of
from ttl.errors import DataError

SUFFIX = re.compile(r"[_-](mask|seg|segmentation)$", re.IGNORECASE)


@dataclass(frozen=True)
class MaskedImage:
    """Two files, of which one is the mask of the other; split and group where the data itself says them."""

    name: str
    """The sample's id."""
    image: Path
    mask_name: str
    """What messages call the mask."""
    mask: Path
    split: str | None = None
    group: str | None = None


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


def match_masks(layout: Layout[MaskFolders]) -> Matched:
    """All images and masks in the folders of a segmentation set.

    Raises:
        DataError: there is no image in one of them, or it can't be read.
    """
    root = layout.root
    barred = [root, *(folder for part in layout.parts for folder in (part.images, part.masks))]
    pairs: list[MaskedImage] = []
    ids: list[str] = []
    bad: dict[str, str] = {}
    contents: list[Content] = []
    for part in layout.parts:
        images, masks = _content(part.images, barred), _content(part.masks, barred)
        contents += [images, masks]
        ids += [_id(root, path) for path in images.images]
        pairs += _match(root, part, images.images, masks.images, bad)
    return Matched(
        tuple(sorted(pairs, key=lambda pair: pair.name)),
        tuple(ids),
        bad,
        ignored=(*layout.beside, *(path for content in contents for path in content.others)),
        repeated=tuple(path for content in contents for path in content.repeated),
    )


def _content(folder: Path, barred: Iterable[Path]) -> Content:
    content = content_of(folder, barred)
    if not content.images:
        raise DataError(f"The folder {folder} holds no image: for each image in images/ put its mask into masks/.")
    return content


def _match(
    root: Path, part: MaskFolders, images: Iterable[Path], masks: Iterable[Path], bad: dict[str, str]
) -> Iterable[MaskedImage]:
    """Each image with the mask of its name, extensions left out; what is wrong with the others goes into `bad`.

    A mask may also be called `NAME_mask`, `NAME_seg` or `NAME-mask`, where no other has the plain name.
    """
    named = _by_stem(part.images, images)
    masks_of: dict[str, list[Path]] = {stem: [] for stem in named}
    for stem, paths in _by_stem(part.masks, masks).items():
        plain = SUFFIX.sub("", stem)
        if stem in named or plain in named:
            masks_of[stem if stem in named else plain] += paths
        else:
            bad |= {_id(root, path): "a mask without an image" for path in paths}
    for stem, (image, *others) in named.items():
        bad |= {_id(root, path): f"{_names(root, named[stem])} have one name" for path in others}
        name, own = _id(root, image), masks_of[stem]
        if len(own) != 1:
            bad[name] = f"several masks: {_names(root, own)}" if own else "no mask"
        elif not others:
            yield MaskedImage(name, image, _id(root, own[0]), own[0], part.split)


def _by_stem(folder: Path, paths: Iterable[Path]) -> dict[str, list[Path]]:
    stems: dict[str, list[Path]] = {}
    for path in paths:
        stems.setdefault(path.relative_to(folder).with_suffix("").as_posix(), []).append(path)
    return stems


def _names(root: Path, paths: Iterable[Path]) -> str:
    return " and ".join(_id(root, path) for path in paths)


def _id(root: Path, path: Path) -> str:
    return path.relative_to(root).as_posix()
