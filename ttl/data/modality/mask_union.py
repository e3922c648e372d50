"""The mask of one image, in one file or in several that are parts of it; image and mask the same way up."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import and_
from pathlib import Path

import numpy as np

from ttl.data.modality.facts import Facts, MaskFacts
from ttl.data.modality.image import SIDEWAYS, UPRIGHT, Pixels, why
from ttl.data.modality.mask_file import VALUES, WHITE, DecodedMask, decode_mask, turned
from ttl.errors import DataError
from ttl.words.mask_values import MaskValues

BACKGROUND = 0


@dataclass(frozen=True)
class MaskFile:
    """A file that is a mask, or a part of one."""

    name: str  # its id
    path: Path
    value: int | None = None  # what every pixel of it that isn't 0 means; None where the file says it itself


def check_mask(
    files: Sequence[MaskFile], image: Facts | None = None, meaning: MaskValues | None = None
) -> MaskFacts | Mapping[str, str]:
    """Reads and decodes a mask; what it holds, or by file the few words that say why it can't be used.

    Args:
        files: of one mask.
        image: whose it is; None where that can't be read.
        meaning: see `decode_mask`.
    """
    parts, bad = [], {}
    for file in files:
        try:
            parts.append(decode_mask(file.path, meaning))
        except Exception as error:
            bad[file.name] = why(error)
    if bad:
        return bad
    turns = {UPRIGHT if image is None else turn_of(part, image) for part in parts}
    if len(turns) > 1:
        return {files[0].name: "its parts differ in EXIF orientation"}
    turn = turns.pop()
    for file, part in zip(files, parts, strict=True):
        height, width = turned(part.values, turn).shape
        if image is not None and (width, height) != (image.width, image.height):
            bad[file.name] = f"{width}x{height} pixels, and its image {image.width}x{image.height}"
    if bad:
        return bad
    try:
        values = turned(_union(files, parts, meaning), turn)
    except DataError as error:
        return {files[0].name: str(error)}
    height, width = values.shape
    return MaskFacts(
        hashlib.sha256(f"{width}x{height}".encode() + values.tobytes()).digest(),
        width,
        height,
        np.bincount(values.ravel(), minlength=VALUES),
        all(part.one_bit and file.value is None for file, part in zip(files, parts, strict=True)),
        tuple(part.palette for part in parts),
        turn,
        any(part.orientation not in (None, UPRIGHT) for part in parts),
        len(parts),
    )


def read_mask(files: Sequence[MaskFile], turn: int = UPRIGHT, meaning: MaskValues | None = None) -> Pixels:
    """The values of a mask, `(height, width)` uint8, upright by its EXIF orientation, else by `turn`.

    Of a palette they are the indices, and with a `meaning` the numbers of the classes.

    Raises:
        DataError: it can't be read, or isn't a mask.
    """
    try:
        return turned(_union(files, [decode_mask(file.path, meaning) for file in files], meaning), turn)
    except Exception as error:
        raise DataError(f"The mask {files[0].path} can't be read ({why(error)}): repair or remove it.") from None


def turn_of(mask: DecodedMask, image: Facts) -> int:
    """The image's EXIF orientation, where the mask lies as the image's stored pixels do and doesn't say so; else 1.

    The mask's own orientation wins. Without one, a mask of the upright image's size is upright, where the stored
    pixels have another size; where the sizes don't tell, it lies as the stored pixels do, over which it was painted.
    """
    if mask.orientation is not None or image.orientation == UPRIGHT:
        return UPRIGHT
    upright = mask.values.shape == (image.height, image.width)
    return UPRIGHT if upright and image.orientation in SIDEWAYS and image.height != image.width else image.orientation


def _union(files: Sequence[MaskFile], parts: Sequence[DecodedMask], meaning: MaskValues | None) -> Pixels:
    """What any of the parts says that isn't background.

    Raises:
        DataError: two say different things of one pixel, or mean foreground in two ways.
    """
    if len(parts) == 1 and files[0].value is None:
        return parts[0].values
    layers = [_layer(file, part) for file, part in zip(files, parts, strict=True)]
    if len({layer.shape for layer in layers}) > 1:
        raise DataError("its parts have different sizes")
    if meaning is None:
        layers = _alike(layers, parts)
    total = np.zeros_like(layers[0])
    for layer in layers:
        own = layer != BACKGROUND
        clash = own & (total != BACKGROUND) & (total != layer)
        if clash.any():
            raise DataError(
                "it overlaps another part of its mask that means another class: let them not overlap, or number the "
                "classes in one mask"
            )
        total = np.where(own, layer, total)
    return total


def _alike(layers: Sequence[Pixels], parts: Sequence[DecodedMask]) -> list[Pixels]:
    """The layers, with 255 for the 1 of one bit where others say foreground so."""
    whites = [bool((layer == WHITE).any()) for layer in layers]
    ones = [bool((layer == 1).any()) for layer in layers]
    if not any(whites):
        return list(layers)
    pairs = zip(whites, ones, parts, strict=True)
    if any(one and not white and not part.one_bit for white, one, part in pairs) and not any(map(and_, whites, ones)):
        raise DataError("the parts of its mask say foreground in two ways, 1 and 255: save them alike")
    return [layer * WHITE if part.one_bit else layer for layer, part in zip(layers, parts, strict=True)]


def _layer(file: MaskFile, part: DecodedMask) -> Pixels:
    if file.value is None:
        return part.values
    if len(np.unique(part.values[part.values != BACKGROUND])) > 1:
        raise DataError(f"{file.name} has several values, and its folder is one class")
    return np.where(part.values != BACKGROUND, np.uint8(file.value), np.uint8(BACKGROUND))
