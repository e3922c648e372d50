"""Which mask file is of which image file, by their names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

SEPARATOR = r"[ ._-]+"
MASK = (
    r"masks?|seg|segmentation|segmented|segm|labels?|gt|ground[ _-]?truth|annotations?|annot|anno|target|manual[0-9]?"
)
IMAGE = r"image|img|im|photo|picture|pic|scan|input|orig|original|sat|raw|rgb|slice|frame|train|training|test"
NUMBER = rf"(?:{SEPARATOR}|(?<=[a-z])|(?= ?\())\(?(?P<number>[0-9]{{1,4}})\)?"
MASK_WORD = re.compile(MASK, re.IGNORECASE)
MASK_LAST = re.compile(rf"(?P<base>.+?){SEPARATOR}(?P<word>{MASK})(?:{NUMBER})?", re.IGNORECASE)
MASK_FIRST = re.compile(rf"(?P<word>{MASK}){SEPARATOR}(?P<base>.+)", re.IGNORECASE)
NUMBERED = re.compile(r"(?P<base>.+)[_-](?P<number>[0-9]{1,4})")
IMAGE_LAST = re.compile(rf"(?P<base>.+?){SEPARATOR}(?:{IMAGE})", re.IGNORECASE)
IMAGE_FIRST = re.compile(rf"(?:{IMAGE}){SEPARATOR}(?P<base>.+)", re.IGNORECASE)
CHANNEL = re.compile(r"(?P<base>.+)_[0-9]{4}")
"""As nnU-Net calls the channels of an image, `case_0000.png`, whose mask is `case.png`."""


@dataclass(frozen=True)
class Fit:
    """How a mask's name fits an image's: masks of one image are united where they differ by number alone."""

    image: str  # its stem
    form: str  # what the name has beside the image's, the number left out
    number: str | None = None


@dataclass(frozen=True)
class NameReading:
    """A way to read a mask's name: the image may have any of these stems."""

    images: tuple[str, ...]
    form: str
    number: str | None = None


def stem_of(path: Path, folder: Path) -> str:
    """The path of a file in a folder without its extension, with slashes."""
    return path.relative_to(folder).with_suffix("").as_posix()


@dataclass(frozen=True)
class ImageNames:
    """What images may be called by their masks: name -> stems, in three ways of which the first that fits wins."""

    whole: Mapping[str, Sequence[str]]
    alias: Mapping[str, Sequence[str]]  # without a word for images, or an nnU-Net channel
    folded: Mapping[str, Sequence[str]]  # both in small letters

    @classmethod
    def of(cls, stems: Iterable[str]) -> ImageNames:
        """The names of images with these stems."""
        whole = {stem: [stem] for stem in stems}
        alias: dict[str, list[str]] = {}
        folded: dict[str, list[str]] = {}
        for stem in whole:
            place, name = _split(stem)
            for pattern in (CHANNEL, IMAGE_LAST, IMAGE_FIRST):
                if read := pattern.fullmatch(name):
                    alias.setdefault(place + read["base"], []).append(stem)
        for names in (whole, alias):
            for name, own in names.items():
                folded.setdefault(name.casefold(), []).extend(own)
        return cls(whole, alias, folded)

    def fits(self, mask: str) -> list[Fit]:
        """The images that a mask's stem fits: one where it is plain, several where it isn't, none of a stranger.

        The whole name wins; then the name less a word for masks; then that less a number; then a folder called like
        the image.
        """
        for names in (self.whole, self.alias, self.folded):
            for reading in _readings(mask.casefold() if names is self.folded else mask):
                if found := {stem for name in reading.images for stem in names.get(name, ())}:
                    return [Fit(stem, reading.form, reading.number) for stem in sorted(found)]
        return []


def united(own: Sequence[Fit]) -> bool:
    """Whether masks of one image are parts of one mask: their names differ by their number alone."""
    numbers = {fit.number for fit in own}
    return len({fit.form for fit in own}) == 1 and len(numbers) == len(own)


def masks_beside(paths: Iterable[Path]) -> dict[Path, Path]:
    """Mask -> image of files that are called like the mask of another in their folder: `1_mask.png`, `1.png`."""
    every = list(paths)
    if not any(MASK_WORD.search(path.name) for path in every):
        return {}  # the quick look: most sets have no masks
    in_folder: dict[Path, list[Path]] = {}
    for path in every:
        in_folder.setdefault(path.parent, []).append(path)
    found = {}
    for files in in_folder.values():
        stem = {path.stem: path for path in reversed(files)}
        alias = ImageNames.of(stem).alias
        for path in files:
            for reading in _readings(path.stem):
                if not reading.form:
                    continue
                names = [name for name in reading.images if name in stem and stem[name] != path]
                names = names or [own for name in reading.images for own in alias.get(name, ()) if own != path.stem]
                if names:
                    found[path] = stem[names[0]]
                    break
    return {mask: image for mask, image in found.items() if image not in found}


def _readings(stem: str) -> Iterator[NameReading]:
    place, name = _split(stem)
    yield NameReading((stem,), "")
    if read := MASK_LAST.fullmatch(name):
        base, number = read["base"], read["number"]
        form = f"_{read['word'].lower()}"
        kept = (
            () if number is None else tuple(f"{place}{base}{between}{number}" for between in ("_", "-", " ", "", "."))
        )
        yield NameReading((*kept, place + base), form, number)
    if read := MASK_FIRST.fullmatch(name):
        yield NameReading((place + read["base"],), f"{read['word'].lower()}_")
    if read := NUMBERED.fullmatch(name):
        yield NameReading((place + read["base"],), "", read["number"])
    if place:
        yield NameReading((place.rstrip("/"),), "folder", name)


def _split(stem: str) -> tuple[str, str]:
    """The folder, with a slash behind it, or nothing; and the last part."""
    pure = PurePosixPath(stem)
    place = "" if str(pure.parent) == "." else f"{pure.parent}/"
    return place, pure.name
