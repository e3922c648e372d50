"""Images of a list through an exported file, one batch of them in memory, whatever their number and size."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from ttl.data import ImageList, image_or_reason, remark
from ttl.data.modality.image import NO_MEMORY, Pixels
from ttl.export.run import FileModel, trained_on

TOGETHER = 16
"""Images that are predicted together: more are no faster on a CPU, and the first row comes later."""
PIXELS_TOGETHER = TOGETHER * 256 * 256
"""Of larger images fewer: what a network keeps of them grows with their pixels."""
NOT_FINITE = "the model gives something other than finite numbers for it"


@dataclass(frozen=True, eq=False)
class Seen:
    """`probabilities` are `(classes,)` float64; see `ttl.export.file_decisions.ImageDecision` for the others."""

    image: Path
    patient: str
    probabilities: npt.NDArray[np.float64]
    remark: str


@dataclass(frozen=True)
class Unread:
    """An image of which nothing can be predicted, and the few words that say why."""

    image: Path
    patient: str
    reason: str


Outcome = Seen | Unread


def through(model: FileModel, images: ImageList) -> Iterator[Outcome]:
    """Of each image, in their order, its probabilities or why there are none.

    One image at a time is open at its own size; those that wait for their batch are at the network's.
    """
    contract = model.contract
    embeds = contract.embeds_preprocessing
    most = 1 if embeds else max(1, min(TOGETHER, PIXELS_TOGETHER // prod(contract.sides)))
    batch: list[_Waiting | Unread] = []
    for name, (path, number), patient in zip(images.names, images.numbered, images.patients, strict=True):
        image = image_or_reason(path, contract.decoding.rendering.at(number))
        if isinstance(image, str):
            batch.append(Unread(name, patient, image))
        else:
            batch.append(_Waiting(name, patient, image if embeds else trained_on(image, contract), remark(image)))
        del image
        if len(batch) == most:
            yield from _done(model, batch)
            batch = []
    yield from _done(model, batch)


@dataclass(frozen=True, eq=False)
class _Waiting:
    """`given` is what the file takes: the image as it was decoded, or its pixels at the network's size."""

    image: Path
    patient: str
    given: Image.Image | Pixels
    remark: str


def _done(model: FileModel, batch: Sequence[_Waiting | Unread]) -> Iterator[Outcome]:
    given = [each.given for each in batch if isinstance(each, _Waiting)]
    pixels = [each for each in given if not isinstance(each, Image.Image)]
    rows: Iterator[npt.NDArray[np.float64]] | None
    try:
        if pixels:
            rows = iter(model.predict(np.stack(pixels)))
        else:
            rows = iter(model.predict_images([each for each in given if isinstance(each, Image.Image)]))
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        rows = None
    for each in batch:
        if isinstance(each, Unread):
            yield each
        elif rows is None:
            yield Unread(each.image, each.patient, NO_MEMORY)
        elif np.isfinite(row := next(rows)).all():
            yield Seen(each.image, each.patient, row, each.remark)
        else:
            yield Unread(each.image, each.patient, NOT_FINITE)


def is_out_of_memory(error: Exception) -> bool:
    """Whether there was too little memory: onnxruntime has no class of its own for that."""
    return isinstance(error, MemoryError) or "allocate memory" in str(error)
