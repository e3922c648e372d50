"""Masks that an exported segmentation network draws, as files."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from ttl.data import ImageList, image_or_reason, remark
from ttl.data.drawn_record import DrawnRecord
from ttl.data.modality.image import NO_MEMORY, channels_first
from ttl.data.modality.overlay import class_colours, overlay, png
from ttl.errors import ExportError
from ttl.export.images_through import NOT_FINITE, Unread, is_out_of_memory
from ttl.export.run import FileModel
from ttl.files import provisional_name
from ttl.stats.mask_overlap import decided
from ttl.words.counts import listed

KINDS = ("masks", "overlays")
"""The folders that both pictures of an image are in."""
NAMED = 3
"""Files that a message names."""


@dataclass(frozen=True)
class DrawnMask:
    """What was drawn of an image, see `ImageDecision`; `shares` are the classes' shares of its pixels."""

    image: Path
    patient: str
    mask: Path
    overlay: Path
    shares: Mapping[str, float]
    remark: str


def draw_masks(
    model: FileModel, images: ImageList, out: Path, threshold: float | None = None
) -> Iterator[DrawnMask | Unread]:
    """Write a mask and an overlay for each image, under its place below the root, to `out/masks/` and `out/overlays/`.

    A mask has the image's size. Of two classes it is grey, 255 the second one; of more its pixels are the classes'
    numbers, shown in colours. Both can be read again as masks to learn from. It has the image's name, without its
    extension where no other image has the same one without. Of two classes pixels are the second from the `threshold`
    on, by default the file's own. What is there already is replaced where it is as it was drawn.

    Raises:
        ExportError: the folder can't be written; or a file is there that wasn't drawn, or was changed since, which is
            known before anything is predicted.
    """
    threshold = model.contract.mask_threshold if threshold is None else threshold
    places, record = _places(images.names, images.root), DrawnRecord(out)
    _refuse_others([out / kind / place for place in places.values() for kind in KINDS], record)
    return (
        _drawn(model, (name, path, number, patient), places[name], record, threshold)
        for name, (path, number), patient in zip(images.names, images.numbered, images.patients, strict=True)
    )


def _drawn(
    model: FileModel, whose: tuple[Path, Path, int, str], place: Path, record: DrawnRecord, threshold: float | None
) -> DrawnMask | Unread:
    """Of an image by its name, file, frame and patient."""
    name, path, number, patient = whose
    contract = model.contract
    image = image_or_reason(path, contract.decoding.rendering.at(number))
    if isinstance(image, str):
        return Unread(name, patient, image)
    try:
        pixels = channels_first(image, contract.channels)
        probabilities = next(model.maps([pixels]))
        if not np.isfinite(probabilities).all():
            return Unread(name, patient, NOT_FINITE)
        classes = decided(probabilities, threshold)
        mask, drawn = (record.folder / kind / place for kind in KINDS)
        _write(mask, _png(classes, len(contract.class_names)), record)
        _write(drawn, overlay(pixels, classes, classes=len(contract.class_names) - 1), record)
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        return Unread(name, patient, NO_MEMORY)
    counts = np.bincount(classes.ravel(), minlength=len(contract.class_names)) / classes.size
    shares = dict(zip(contract.class_names, counts.tolist(), strict=True))
    return DrawnMask(name, patient, mask, drawn, shares, remark(image))


def _refuse_others(files: Sequence[Path], record: DrawnRecord) -> None:
    """Refuse to replace what wasn't drawn."""
    others = [path for path in files if os.path.lexists(path) and not (path.is_file() and record.owns(path))]
    if others:
        raise ExportError(
            f"{listed(map(str, others), NAMED)} would be replaced, and {'is' if len(others) == 1 else 'are'} not as "
            "ttl predict drew it: name another folder with --out."
        )


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


def _write(path: Path, content: bytes, record: DrawnRecord) -> None:
    """Write a file whole or not at all, and enter it before it is there: a stop in between leaves none unknown."""
    part = provisional_name(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(content)
        record.enter(path, hashlib.sha256(content).hexdigest())
        os.replace(part, path)
    except OSError as error:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        raise ExportError(f"{path} can't be written ({error.strerror}): name another folder with --out") from error
