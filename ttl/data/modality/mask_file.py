"""Mask files: each pixel's value is its class, whatever colour it is shown in."""

from __future__ import annotations

import hashlib
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from ttl.data.modality.facts import MaskFacts
from ttl.data.modality.image import Pixels, why
from ttl.errors import DataError

VALUES = 256  # that a pixel of a mask can have
WHOLE_NUMBERS = frozenset({"1", "L", "P", "I", "I;16", "I;16B", "I;16L", "I;16N"})
CHANNELS = {"LA": 1, "RGB": 3, "RGBA": 3, "RGBX": 3}  # of a mode, alpha left out
LOSSY = frozenset({"JPEG", "MPO", "JPEG2000", "WEBP"})
SPREAD = {"L;2": 85, "L;4": 17}  # Pillow spreads grey of 2 and 4 bits over 0..255


def check_mask(path: Path) -> MaskFacts | str:
    """Reads and decodes a mask; what it holds, or the few words that say why it can't be used."""
    try:
        values, one_bit = _read(path)
    except Exception as error:
        return why(error)
    height, width = values.shape
    digest = hashlib.sha256(f"{width}x{height}".encode() + values.tobytes()).digest()
    return MaskFacts(digest, width, height, np.bincount(values.ravel(), minlength=VALUES), one_bit)


def read_mask(path: Path) -> Pixels:
    """The values of a mask file, `(height, width)` uint8, upright by its EXIF orientation; of a palette the indices.

    Raises:
        DataError: it can't be read, or isn't a mask.
    """
    try:
        return _read(path)[0]
    except Exception as error:
        raise DataError(f"The mask {path} can't be read ({why(error)}): repair or remove it.") from None


def _read(path: Path) -> tuple[Pixels, bool]:
    """The values, and whether they are of one bit."""
    data = path.read_bytes()
    if not data:
        raise DataError("an empty file")
    with Image.open(BytesIO(data)) as image:
        raw = _raw_mode(image)
        if image.format in LOSSY or "jpeg" in str(image.info.get("compression")):
            raise DataError(f"{image.format} compresses with loss, so its values are no classes: save masks as PNG")
        if getattr(image, "n_frames", 1) > 1:
            raise DataError("it has several frames")
        if image.mode not in WHOLE_NUMBERS | CHANNELS.keys():
            raise DataError(f"its mode {image.mode} doesn't hold whole numbers")
        if image.mode in CHANNELS and "16" in raw:
            raise DataError("it has 16 bits a channel in colour: save it as grey")
        image.load()
        ImageOps.exif_transpose(image, in_place=True)
        values = np.asarray(image)
        if image.mode in CHANNELS:
            values = _grey(values, CHANNELS[image.mode])
        values = values // SPREAD.get(raw[:3], 1)
        if wrong := [value for value in (values.min(), values.max()) if not 0 <= value < VALUES]:
            raise DataError(f"it has the value {wrong[0]}, and a class is a number from 0 to {VALUES - 1}")
        return values.astype(np.uint8), image.mode == "1"


def _raw_mode(image: Image.Image) -> str:
    """How the file itself stores a pixel, which Pillow's mode doesn't tell; empty where unknown."""
    tiles = getattr(image, "tile", None)
    mode = tiles[0][3] if tiles else ""
    mode = mode[0] if isinstance(mode, tuple) and mode else mode
    return mode if isinstance(mode, str) else ""


def _grey(pixels: Pixels, channels: int) -> Pixels:
    """`(h, w)` of `(h, w, channels and maybe alpha)`."""
    if (pixels[..., channels:] != VALUES - 1).any():
        raise DataError("parts of it are transparent: save it as grey or with a palette")
    if (pixels[..., :channels] != pixels[..., :1]).any():
        raise DataError("it is in colour: save the number of each pixel's class, as grey or with a palette")
    return pixels[..., 0]
