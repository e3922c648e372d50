"""Masks that an exported segmentation network draws, as files."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NotRequired, TypedDict

import numpy as np
import numpy.typing as npt
from PIL import Image

from ttl.data import ImageList, open_image, remark
from ttl.data.modality.image import channels_first
from ttl.data.modality.overlay import class_colours, overlay, png
from ttl.errors import ExportError
from ttl.export.run import FileModel
from ttl.stats.mask_overlap import decided


class DrawnMask(TypedDict):
    """Paths of an image and of what was drawn of it, class -> share of its pixels, and what to know of the image."""

    image: str
    mask: str
    overlay: str
    shares: dict[str, float]
    remark: NotRequired[str]


def draw_masks(
    model: FileModel,
    paths: Sequence[Path],
    root: Path,
    out: Path,
    threshold: float | None = None,
    frames: Sequence[int] = (),
) -> Iterator[DrawnMask]:
    """Write a mask and an overlay for each image, under its place below `root`, to `out/masks/` and `out/overlays/`.

    A mask has the image's size. Of two classes it is grey, 255 the second one; of more its pixels are the classes'
    numbers, shown in colours. Both can be read again as masks to learn from. It has the image's name, without its
    extension where no other image has the same one without. Of two classes pixels are the second from the `threshold`
    on, by default the file's own. `frames` are as of `ImageList`, and images are called as there.

    Raises:
        DataError: an image can't be read.
        ExportError: the folder can't be written.
    """
    contract = model.contract
    threshold = contract.mask_threshold if threshold is None else threshold
    images = ImageList(tuple(paths), ("",) * len(paths), root, tuple(frames))
    places, rendering = _places(images.names, root), contract.decoding.rendering
    for name, (path, number) in zip(images.names, images.numbered, strict=True):
        image, place = open_image(path, rendering.at(number)), places[name]
        pixels = channels_first(image, contract.channels)
        classes = decided(next(model.maps([pixels])), threshold)
        mask, drawn = out / "masks" / place, out / "overlays" / place
        _write(mask, _png(classes, len(contract.class_names)))
        _write(drawn, overlay(pixels, classes, classes=len(contract.class_names) - 1))
        counts = np.bincount(classes.ravel(), minlength=len(contract.class_names)) / classes.size
        shares = dict(zip(contract.class_names, counts.tolist(), strict=True))
        row: DrawnMask = {"image": str(name), "mask": str(mask), "overlay": str(drawn), "shares": shares}
        yield {**row, "remark": words} if (words := remark(image)) else row


def _places(paths: Sequence[Path], root: Path) -> dict[Path, Path]:
    """Where each image's mask goes, below the folder of masks; no two to one place."""
    above = os.path.abspath(root)
    files = {
        path: Path(os.path.abspath(path)).relative_to(above) if path != root else Path(path.name) for path in paths
    }
    stems = Counter(file.with_suffix("") for file in files.values())
    places = {}
    for path, file in files.items():
        stem = file.with_suffix("")
        name = file if stems[stem] > 1 or stem in files.values() else stem
        places[path] = name.with_name(f"{name.name}.png")
    return places


def _png(mask: npt.NDArray[np.uint8], classes: int) -> bytes:
    image = Image.fromarray(mask * np.uint8(255) if classes == 2 else mask)
    if classes > 2:
        image.putpalette(b"\0\0\0" + b"".join(bytes.fromhex(colour[1:]) for colour in class_colours(classes - 1)))
    return png(image)


def _write(path: Path, content: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    except OSError as error:
        raise ExportError(f"{path} can't be written ({error.strerror}): name another folder with --out") from error
