"""Class folders that are images and their masks under names that don't say so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from ttl.data.modality.image import decoded, quiet_readers
from ttl.data.readers.mask_names import ImageNames, stem_of
from ttl.errors import DataError

SAMPLE = 3  # files of a folder that are looked at
FEW = 8  # colours that a mask has at most
EDGE = 16  # grey levels from black, or from white, that loss and smoothing make of them
DRAFT = (128, 128)  # pixels that a JPEG is decoded to at least: it needn't be seen in full
CLEAN = 0.98  # of the pixels of a mask that was saved with loss are as near


def check_no_masks(root: Path, images: Mapping[Path, Sequence[Path]]) -> None:
    """Refuses class folders of which one has the masks of the images in another.

    That is where its files look like masks, the other's don't, and most are called like an image there.

    Raises:
        DataError: there is such a pair.
    """
    drawn = [folder for folder, paths in images.items() if _are_masks(paths[:SAMPLE])]
    if not drawn or len(drawn) == len(images):
        return
    for folder in drawn:
        stems = [stem_of(path, folder) for path in images[folder]]
        for other in images.keys() - {*drawn}:
            names = ImageNames.of(stem_of(path, other) for path in images[other])
            if 2 * sum(bool(names.fits(stem)) for stem in stems) > len(stems):
                raise DataError(
                    f"The folders {other.name} and {folder.name} of {root} aren't two classes, it seems: the files of "
                    f"{folder.name} look like masks of those in {other.name}; call them images and masks, or take the "
                    "masks away."
                )


def _are_masks(paths: Sequence[Path]) -> bool:
    """Whether all look like masks, and not all are of one colour."""
    numbers = []
    for path in paths:
        if (number := colours_of_mask(path)) is None:
            return False
        numbers.append(number)
    return any(number != 1 for number in numbers)


def colours_of_mask(path: Path) -> int | None:
    """How many colours an image has that has a few only, or is black and white but for its edges (2); else None."""
    try:
        # As training sees it: of more than 8 bits a channel Pillow gives the upper ones, where a dark picture has few.
        with quiet_readers():
            image = decoded(path.read_bytes(), draft=("RGB", DRAFT)).image
    except Exception:  # nearly anything, of a damaged file, which is named where all are checked
        return None
    if (colours := image.convert("RGB").getcolors(FEW)) is not None:
        return len(colours)
    values = np.asarray(image.convert("L"))
    white = values > 255 - EDGE
    return 2 if white.any() and ((values < EDGE) | white).mean() >= CLEAN else None
