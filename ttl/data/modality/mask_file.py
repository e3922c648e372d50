"""Mask files: each pixel's value is its class, whatever colour it is shown in, unless colours are what is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image, ImageOps

from ttl.data.modality.facts import Palette
from ttl.data.modality.image import UPRIGHT, Pixels, orientation_of
from ttl.data.modality.mask_meaning import class_numbers
from ttl.errors import DataError
from ttl.words.mask_values import MaskValues

Codes = npt.NDArray[np.int64]

VALUES = 256  # that a pixel of a mask can have
WHITE = 255
WHOLE_NUMBERS = frozenset({"1", "L", "P", "I", "I;16", "I;16B", "I;16L", "I;16N"})
CHANNELS = {"LA": 1, "RGB": 3, "RGBA": 3, "RGBX": 3}  # of a mode, alpha left out
LOSSY = frozenset({"JPEG", "MPO", "JPEG2000", "WEBP"})
SPREAD = {"L;2": 85, "L;4": 17}  # Pillow spreads grey of 2 and 4 bits over 0..255
FEW = 4  # colours that a message names


@dataclass(frozen=True, eq=False)
class DecodedMask:
    """What one mask file says, upright by its own EXIF orientation."""

    values: Pixels  # `(height, width)`: as they are stored, or the number of each pixel's class
    one_bit: bool
    palette: Palette  # empty where it has none
    orientation: int | None  # its own EXIF orientation, which was applied; None where it has none


def decode_mask(path: Path, meaning: MaskValues | None = None) -> DecodedMask:
    """Reads a mask file.

    Args:
        meaning: which value or colour is which class; None leaves values as they are stored, of a palette its indices.

    Raises:
        DataError: it is no mask, or has a value without a meaning; reading a damaged file raises nearly anything else.
    """
    data = path.read_bytes()
    if not data:
        raise DataError("an empty file")
    with Image.open(BytesIO(data)) as image:
        raw = _raw_mode(image)
        _check_mode(image, raw)
        orientation = orientation_of(image)
        image.load()
        orientation = orientation or orientation_of(image)  # see `check_image`
        ImageOps.exif_transpose(image, in_place=True)
        one_bit = image.mode == "1"
        if meaning is not None and meaning.by_colour:
            values = class_numbers(_colours(image), meaning)
        else:
            codes = _codes(image, raw)
            if meaning is None:
                values = _small(codes)
            else:
                whites = one_bit and WHITE in meaning.classes and 1 not in meaning.classes
                values = class_numbers(codes * WHITE if whites else codes, meaning)
        palette = _palette(image, values) if meaning is None and image.mode == "P" else ()
        return DecodedMask(values, one_bit, palette, orientation)


def _check_mode(image: Image.Image, raw: str) -> None:
    if image.format in LOSSY or "jpeg" in str(image.info.get("compression")):
        raise DataError(f"{image.format} compresses with loss, so its values are no classes: save masks as PNG")
    if getattr(image, "n_frames", 1) > 1:
        raise DataError("it has several frames")
    if image.mode not in WHOLE_NUMBERS | CHANNELS.keys():
        raise DataError(f"its mode {image.mode} doesn't hold whole numbers")
    if image.mode in CHANNELS and "16" in raw:
        raise DataError("it has 16 bits a channel in colour: save it as grey")


def _codes(image: Image.Image, raw: str) -> Codes:
    """The values as they are stored."""
    values = np.asarray(image)
    if image.mode in CHANNELS:
        values = _grey(values, CHANNELS[image.mode])
    return values.astype(np.int64) // SPREAD.get(raw[:3], 1)


def _colours(image: Image.Image) -> Codes:
    """The colours that are seen, as 0xRRGGBB."""
    if image.mode not in ("1", "L", "P", *CHANNELS):
        raise DataError("it has 16 bits or more a pixel, and --mask-values names colours: name values")
    opaque = image.convert("RGBA")
    if "A" in image.mode and (np.asarray(opaque)[..., 3] != WHITE).any():
        raise DataError("parts of it are transparent: save it in opaque colours")
    return _packed(np.asarray(opaque)[..., :3])


def _packed(colours: npt.NDArray[np.uint8]) -> Codes:
    """`(...)` as 0xRRGGBB of `(..., 3)`."""
    wide = colours.astype(np.int64)
    packed: Codes = wide[..., 0] << 16 | wide[..., 1] << 8 | wide[..., 2]
    return packed


def _small(codes: Codes) -> Pixels:
    if codes.min() < 0:
        raise DataError(f"it has values below 0, and a class is a number from 0 to {VALUES - 1}")
    if codes.max() >= VALUES:
        raise DataError(
            f"it has values above {VALUES - 1}, and a class is a number from 0 to {VALUES - 1}: name them with "
            "--mask-values, of instance numbers 0,other"
        )
    return codes.astype(np.uint8)


def _palette(image: Image.Image, values: Pixels) -> Palette:
    colours = np.zeros((VALUES, 3), np.uint8)
    entries = np.array(image.getpalette("RGB") or [], np.uint8).reshape(-1, 3)[:VALUES]
    colours[: len(entries)] = entries
    packed = _packed(colours)
    return tuple((value, int(packed[value])) for value in np.unique(values).tolist())


def turned(values: Pixels, orientation: int) -> Pixels:
    """The values, turned upright by an EXIF orientation."""
    if orientation == UPRIGHT:
        return values
    image = Image.fromarray(values)
    image.getexif()[ExifTags.Base.Orientation] = orientation
    return np.asarray(ImageOps.exif_transpose(image))


def _raw_mode(image: Image.Image) -> str:
    """How the file itself stores a pixel, which Pillow's mode hides; empty where unknown."""
    tiles = getattr(image, "tile", None)
    mode = tiles[0][3] if tiles else ""
    mode = mode[0] if isinstance(mode, tuple) and mode else mode
    return mode if isinstance(mode, str) else ""


def _grey(pixels: Pixels, channels: int) -> Pixels:
    """`(h, w)` of `(h, w, channels and maybe alpha)`."""
    if (pixels[..., channels:] != VALUES - 1).any():
        raise DataError("parts of it are transparent: save it as grey or with a palette")
    colours = pixels[..., :channels]
    if (colours != colours[..., :1]).any():
        number = np.unique(_packed(colours))
        those = ",".join(f"#{code:06x}" for code in number[:FEW].tolist()) + ("..." if len(number) > FEW else "")
        raise DataError(f"it is in colour: say which is which class, as --mask-values '{those}'")
    return pixels[..., 0]
