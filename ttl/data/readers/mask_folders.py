"""Where the images and the masks of a segmentation set lie, whatever their folders are called."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from ttl.data.readers.mask_names import masks_beside
from ttl.data.readers.split_folders import split_folders
from ttl.data.readers.split_words import FILLERS, SPLIT_WORDS, split_name, words_of
from ttl.data.readers.walk import content_of, entries, glance
from ttl.errors import DataError
from ttl.words.counts import listed

IMAGE_WORDS = (
    "image images img imgs imagery input inputs original originals photo photos picture pictures pic pics scan scans "
    "slice slices frame frames raw jpegimages inputimages originalimages"
)
MASK_WORDS = (
    "mask masks maskimages imagemasks label labels labelimages labelled annotation annotations annotated annot anno "
    "anns ann gt gts truth truths groundtruth groundtruths ground seg segs segm segmentation segmentations segmented "
    "segmentationclass target targets manual"
)
IMAGES = frozenset(IMAGE_WORDS.split())
MASKS = frozenset(MASK_WORDS.split())
NNUNET = {"tr": "train", "ts": "test", "va": "val", "vl": "val"}  # imagesTr, labelsTs
WITHOUT_MEANING = FILLERS | {"class", "nd", "st", "tif"}
SHOWN = 3  # folders that a message names

Split = str | None


@dataclass(frozen=True)
class MaskFolders:
    """Images and their masks, in one split where the folders say which; of one folder the masks are known by name."""

    images: Path
    masks: Path
    split: Split
    apart: bool = False  # in a folder that is no split: of a class, of a patient, or of one image

    @property
    def folder(self) -> Path:
        """Where both are."""
        return self.images if self.images == self.masks else self.images.parent


@dataclass(frozen=True)
class FolderRole:
    """What a folder's name says that it holds."""

    what: Literal["images", "masks"]
    split: Split


@dataclass(frozen=True)
class MaskLayout:
    """All images and masks of a set, what belongs to neither, and notes; no parts where it is no such set."""

    parts: tuple[MaskFolders, ...]
    beside: tuple[Path, ...] = ()
    notes: tuple[str, ...] = ()


def mask_layout(root: Path, *, wanted: bool = False) -> MaskLayout:
    """The images and masks under `root`: in two folders of it, or in two of each split, or of each of its folders.

    Or in one folder, the masks called like their images and as masks: where no folder is in it, or masks are `wanted`.

    Raises:
        DataError: folders that contradict each other.
    """
    folders, files = entries(root)
    if (paired := _paired(root, folders, None)).parts:
        return replace(paired, beside=(*files, *paired.beside))
    splits = split_folders(root, folders)
    containers: Mapping[Path, Split] = {path: split for split, path in splits.of.items()} or dict.fromkeys(folders)
    found = {path: _inside(path, split) for path, split in containers.items()}
    parts = [part for layout in found.values() for part in layout.parts]
    if parts:
        lacking = [path.name for path, layout in found.items() if not layout.parts]
        if lacking:
            having = listed((path.name for path in found if path.name not in lacking), SHOWN)
            raise DataError(
                f"The folder {root} has images/ and masks/ in {having} but not in {listed(lacking, SHOWN)}: add them."
            )
        beside = [path for layout in found.values() for path in layout.beside]
        beside += [path for path in folders if path not in containers]
        return MaskLayout(tuple(parts), (*files, *beside), tuple(n for layout in found.values() for n in layout.notes))
    places = containers if splits.of else {root: None}
    if wanted or not (folders if not splits.of else [inner for path in places for inner in glance(path).folders]):
        mixed = [MaskFolders(path, path, split) for path, split in places.items() if _is_mixed(path)]
        if len(mixed) == len(places):
            return MaskLayout(tuple(mixed))
    return MaskLayout(())


def _inside(folder: Path, split: Split) -> MaskLayout:
    """Images and masks in two folders of this one; of a split's folder also in two of each folder in it."""
    if (own := _inside_one(folder, split, apart=split is None)).parts or split is None:
        return own
    inner = glance(folder).folders
    each = [_inside_one(path, split, apart=True) for path in inner]
    if not all(layout.parts for layout in each):
        return MaskLayout(())
    beside = [path for layout in each for path in layout.beside]
    return MaskLayout(tuple(part for layout in each for part in layout.parts), (*entries(folder)[1], *beside))


def _inside_one(folder: Path, split: Split, *, apart: bool) -> MaskLayout:
    paired = _paired(folder, glance(folder).folders, split)
    if not paired.parts:
        return paired
    parts = tuple(replace(part, apart=apart) for part in paired.parts)
    return replace(paired, parts=parts, beside=(*entries(folder)[1], *paired.beside))


def _paired(folder: Path, folders: Sequence[Path], split: Split) -> MaskLayout:
    """The folders in one that are called like images and like masks, by split."""
    roles = {path: role for path in folders if (role := folder_role(path.name)) is not None}
    images, masks = (
        {path: role.split or split for path, role in roles.items() if role.what == what} for what in ("images", "masks")
    )
    if split is None:
        images |= _called_by_split(folders, {*masks.values()} - {*images.values()})
    both = {*images.values()} & {*masks.values()}
    if not both or (split is not None and both != {split}):
        return MaskLayout(())
    if alone := [path.name for path, own in masks.items() if own not in both]:
        raise DataError(f"The folder {folder} has {listed(alone, SHOWN)} and no images for them: add them.")
    if split is None and both != {None} and (None in both or "train" not in both):
        names = listed((path.name for path in roles), SHOWN)
        raise DataError(f"The folder {folder} has {names}: call them train_images, train_masks, test_images and so on.")
    pairs = [MaskFolders(_one(folder, images, own), _one(folder, masks, own), own) for own in sorted(both, key=str)]
    used = {path for pair in pairs for path in (pair.images, pair.masks)}
    parts, without = [], [path for path, own in images.items() if own not in both]
    for pair in pairs:
        divided, unmasked = _by_split(pair)
        parts += divided
        without += unmasked
    notes = [f"Folder {path.relative_to(folder)} has no masks: its images are left aside." for path in without]
    return MaskLayout(
        tuple(parts), tuple(path for path in folders if path not in used and path not in without), tuple(notes)
    )


def folders_of_masks(folders: Iterable[Path]) -> list[Path]:
    """Those of masks among folders of which one is of images."""
    roles = {path: role.what for path in folders if (role := folder_role(path.name)) is not None}
    return [path for path, what in roles.items() if what == "masks" and "images" in roles.values()]


def _called_by_split(folders: Sequence[Path], splits: set[Split]) -> dict[Path, Split]:
    """The folders of images that are called like a split of masks and no more, as in `train/` beside `train_masks/`."""
    found: dict[Path, Split] = {}
    for path in folders:
        own = split_name(path.name).exact
        if own is not None and own in splits:
            seen = glance(path)
            if seen.has_images and not seen.folders:
                found[path] = own
    return found


def _one(folder: Path, paths: Mapping[Path, Split], split: Split) -> Path:
    """The folder of a split; of several the only one with images in it."""
    own = [path for path, its in paths.items() if its == split]
    full = [path for path in own if content_of(path).images] if len(own) > 1 else own
    if len(full or own) > 1:
        names = " and ".join(path.name for path in full or own)
        raise DataError(f"The folder {folder} has {names}: keep one of them.")
    return (full or own)[0]


def _by_split(pair: MaskFolders) -> tuple[list[MaskFolders], list[Path]]:
    """`images/train` with `masks/train`, and so on, where both hold such folders alone; and images without masks."""
    if pair.split is not None:
        return [pair], []
    splits = []
    for folder in (pair.images, pair.masks):
        seen = glance(folder)
        by_split = {split: path for path in seen.folders if (split := split_name(path.name).exact)}
        if len(by_split) < len(seen.folders) or seen.has_images or not by_split:
            return [pair], []
        splits.append(by_split)
    images, masks = splits
    if "train" not in masks or masks.keys() - images.keys():
        raise DataError(
            f"{pair.images} has {listed(images)} and {pair.masks} has {listed(masks)}: both need the same splits, and "
            "train among them."
        )
    parts = [MaskFolders(images[split], masks[split], split) for split in images if split in masks]
    return parts, [path for split, path in images.items() if split not in masks]


def _is_mixed(folder: Path) -> bool:
    """Whether most images under a folder have a mask beside them that is called like them."""
    images = content_of(folder).images
    beside = masks_beside(images)
    return bool(beside) and 2 * len({*beside.values()}) >= len(images) - len(beside)


def folder_role(name: str) -> FolderRole | None:
    """What a folder's name says, if it says that it holds images, or masks, and at most of which split besides."""
    what: Literal["images", "masks"] | None = None
    splits = set()
    for word in words_of(name):
        if word in MASKS:
            what = "masks"
        elif word in IMAGES:
            what = what or "images"
        elif word in SPLIT_WORDS or word in NNUNET:
            splits.add(SPLIT_WORDS.get(word) or NNUNET[word])
        elif not (word in WITHOUT_MEANING or word.isdecimal()):
            return None
    if what is None or len(splits) > 1:
        return None
    return FolderRole(what, next(iter(splits), None))
