"""Images and masks that belong together, by the names of their files, before any is read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ttl.data.modality.mask_union import MaskFile
from ttl.data.readers.mask_folders import MaskFolders
from ttl.data.readers.mask_names import CHANNEL, Fit, ImageNames, masks_beside, stem_of, united
from ttl.data.readers.walk import Content, content_of, name_in
from ttl.errors import DataError
from ttl.words.counts import counted, listed

SHOWN = 3  # files that a message names
TEXTS = frozenset({".json", ".txt", ".xml"})  # outlines and boxes, of COCO, YOLO and VOC


@dataclass(frozen=True)
class MaskedImage:
    """An image and the files of its mask, and their ids; split and group where the data says them."""

    name: str
    image: Path
    masks: tuple[MaskFile, ...]
    split: str | None = None
    group: str | None = None


@dataclass(frozen=True)
class Matched:
    """Images and masks of a set that belong together, in the order of their ids, before any is read."""

    pairs: tuple[MaskedImage, ...]
    ids: tuple[str, ...]  # of all images
    bad: Mapping[str, str]  # id of what has no fellow, or several -> the reason
    classes: tuple[str, ...] = ()  # of which each has a folder of masks, in the order of their numbers from 1 on


@dataclass(frozen=True)
class PartFiles:
    """The files of one part of a set."""

    part: MaskFolders
    images: tuple[Path, ...]
    masks: tuple[Path, ...]
    contents: tuple[Content, ...]


def files_of(part: MaskFolders, barred: Sequence[Path]) -> PartFiles:
    """The images and masks of a part; links in it don't lead into the `barred` folders.

    Raises:
        DataError: there are none, or a folder can't be read.
    """
    images = content_of(part.images, barred)
    if part.images == part.masks:
        beside = masks_beside(images.images)
        return PartFiles(part, tuple(path for path in images.images if path not in beside), (*beside,), (images,))
    masks = content_of(part.masks, barred)
    for folder, content in ((part.images, images), (part.masks, masks)):
        if not content.images:
            raise DataError(_empty(folder, part, content))
    return PartFiles(part, images.images, masks.images, (images, masks))


def _empty(folder: Path, part: MaskFolders, content: Content) -> str:
    texts = [path for path in content.others if path.suffix.lower() in TEXTS]
    if folder == part.masks and texts:
        return (
            f"The folder {folder} holds {counted(len(texts), texts[0].suffix + ' file')} and no image: outlines and "
            "boxes as text (COCO, YOLO, VOC) aren't read: draw them into masks, one PNG an image, or sort the "
            "images into class folders."
        )
    what = f" ({counted(len(content.others), 'other file')}, {content.others[0].name} first)" if content.others else ""
    into = f"for each image in {part.images.name}/ put its mask into {part.masks.name}/"
    return f"The folder {folder} holds no image{what}: {into}."


def match(root: Path, parts: Sequence[PartFiles]) -> Matched:
    """Each image with the masks that are called like it; what has no fellow, or several, is bad.

    Several masks of one image are parts of one where their names differ by a number alone, or where they lie in a
    folder called like the image, or in a folder for each class.

    Raises:
        DataError: images have several channels, each in a file of its own.
    """
    bad: dict[str, str] = {}
    classes = _class_folders(parts)
    pairs = [pair for part in parts for pair in _pairs(root, part, classes, bad)]
    ids = tuple(_id(root, path) for part in parts for path in part.images)
    return Matched(tuple(sorted(pairs, key=lambda pair: pair.name)), ids, bad, classes)


def _pairs(root: Path, files: PartFiles, classes: tuple[str, ...], bad: dict[str, str]) -> list[MaskedImage]:
    part = files.part
    named = _by_stem(part.images, files.images)
    names = ImageNames.of(named)
    _check_channels(part, named, files.masks)
    found: dict[str, list[tuple[Fit, MaskFile]]] = {stem: [] for stem in named}
    for path in files.masks:
        folder, value = part.masks, None
        if classes:
            top = path.relative_to(part.masks).parts[0]
            folder, value = part.masks / top, classes.index(top) + 1
        mask, its = MaskFile(_id(root, path), path, value), stem_of(path, folder)
        fellows = names.fits(its)
        if not fellows and part.apart and len(named) == 1:
            fellows = [Fit(next(iter(named)), "folder", its)]
        if len(fellows) == 1:
            found[fellows[0].image].append((fellows[0], mask))
        else:
            fit = listed((fellow.image for fellow in fellows), SHOWN)
            bad[mask.name] = f"its name fits several images: {fit}" if fellows else "a mask without an image"
    pairs = []
    for stem, (image, *twins) in named.items():
        bad |= {_id(root, path): f"{_names([_id(root, p) for p in [image, *twins]])} have one name" for path in twins}
        name = _id(root, image)
        if reason := _unfit(found[stem], classes):
            bad[name] = reason
        elif not twins:
            pairs.append(MaskedImage(name, image, tuple(mask for _, mask in found[stem]), part.split))
    return pairs


def _unfit(own: Sequence[tuple[Fit, MaskFile]], classes: tuple[str, ...]) -> str:
    """Why these files aren't the mask of one image; nothing where they are."""
    if not own:
        return "no mask"
    if missing := [name for number, name in enumerate(classes, 1) if all(mask.value != number for _, mask in own)]:
        return f"no mask in {listed(missing, SHOWN)}, where an empty one would say that there is none"
    by_class: dict[int | None, list[Fit]] = {}
    for fit, mask in own:
        by_class.setdefault(mask.value, []).append(fit)
    if all(map(united, by_class.values())):
        return ""
    return f"several masks: {_names([mask.name for _, mask in own])}"


def _class_folders(parts: Sequence[PartFiles]) -> tuple[str, ...]:
    """The classes, where all masks lie in a folder for each class; nothing where they don't."""
    classes: set[str] = set()
    for files in parts:
        part = files.part
        if part.images == part.masks:
            return ()
        stems = {stem_of(path, part.images) for path in files.images}
        names = ImageNames.of(stems)
        tops: dict[str, list[Path]] = {}
        for path in files.masks:
            first, *others = path.relative_to(part.masks).parts
            if not others:
                return ()
            tops.setdefault(first, []).append(path)
        for top, paths in tops.items():
            within = sum(bool(names.fits(stem_of(path, part.masks / top))) for path in paths)
            if top in stems or 2 * within <= len(paths):
                return ()
        if any(stem_of(path, part.masks) in stems for path in files.masks):
            return ()
        classes |= tops.keys()
    return tuple(sorted(classes))


def _check_channels(part: MaskFolders, named: Mapping[str, Sequence[Path]], masks: Sequence[Path]) -> None:
    """Refuses images in several files, as nnU-Net has them: `case_0000.png`, `case_0001.png`."""
    bases: dict[str, list[str]] = {}
    for stem in named:
        if read := CHANNEL.fullmatch(stem):
            bases.setdefault(read["base"], []).append(stem)
    stems = {stem_of(path, part.masks) for path in masks}
    several = {base: own for base, own in bases.items() if len(own) > 1 and base in stems and not stems & {*own}}
    if several:
        first = next(iter(several.values()))
        raise DataError(
            f"The folder {part.images} has images of several channels in files of their own ({listed(first, SHOWN)}): "
            "keep one of them, or join up to three into one RGB image."
        )


def _by_stem(folder: Path, paths: Iterable[Path]) -> dict[str, list[Path]]:
    stems: dict[str, list[Path]] = {}
    for path in paths:
        stems.setdefault(stem_of(path, folder), []).append(path)
    return stems


def _names(names: Sequence[str]) -> str:
    return listed(names, SHOWN) if len(names) > 2 else " and ".join(names)


def _id(root: Path, path: Path) -> str:
    return name_in(root, path)
