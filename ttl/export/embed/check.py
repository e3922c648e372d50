"""Does a file that takes decoded images see them as training did?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from PIL import Image, ImageOps

from ttl.cost.session import open_session
from ttl.errors import ExportError, GateError
from ttl.export.embed.preprocessing import pixels_of
from ttl.export.run import OnnxModel, decoded, trained_on

GREY_TOLERANCE = 2
PROBABILITY_TOLERANCE = 0.05


@dataclass(frozen=True)
class PreprocessingParity:
    """How far a file that takes decoded images is from the training pipeline.

    `max_abs` is the largest difference of a probability, `grey_levels` that of a pixel before it is normalised (of
    0..255), over `images` images, each by itself and one of them in a batch with its mirror images.
    """

    max_abs: float
    grey_levels: int
    images: int


def check_preprocessing(embedded: OnnxModel, plain: OnnxModel, images: Sequence[Image.Image]) -> PreprocessingParity:
    """Compare a file with embedded preprocessing with training's before a file of the same network without.

    Greys may differ by 2 of 255. The filter's weights are rounded otherwise than Pillow's: a value that lies between
    two greys now and then falls to the other, once in each direction. Another filter, or none, differs by ten and more.

    Probabilities may differ by 0.05, the answer to such noise: one grey in 4 % of the pixels, more than any size was
    found to give, moved those of a network of X-rays by at most 0.03 in fp32 and int8; a filter mistaken moved them by
    up to 0.3, other means by up to 0.4. Where no pixel differs, which is the rule, it is 1e-7.

    Segmentations are compared whole, not in windows. Images are at least one, of several sizes where there are.

    Raises:
        ExportError: there is no image.
        GateError: a difference is larger.
    """
    if not images:
        raise ExportError("There is no image to check the embedded preprocessing on: give some of the data's.")
    mirrored = [images[0], ImageOps.mirror(images[0]), ImageOps.flip(images[0])]
    got = [*_each(embedded, images), *embedded.run(np.stack([_fed(image) for image in mirrored]))]
    wanted = _each(plain, [*images, *mirrored])
    max_abs = max(float(np.abs(one - other).max()) for one, other in zip(got, wanted, strict=True))
    grey_levels = _grey_levels(embedded, images)
    if grey_levels > GREY_TOLERANCE or not max_abs <= PROBABILITY_TOLERANCE:  # NaN is no agreement
        raise GateError(
            f"The embedded preprocessing differs from training's by {grey_levels} of 255 grey levels and the "
            f"probabilities by {max_abs:.2g}, more than the {GREY_TOLERANCE} and {PROBABILITY_TOLERANCE} that "
            "rounding explains: export without it, and report the images' sizes."
        )
    return PreprocessingParity(max_abs, grey_levels, len(images))


def _fed(image: Image.Image) -> npt.NDArray[np.uint8]:
    return decoded(image).transpose(1, 2, 0)


def _each(model: OnnxModel, images: Sequence[Image.Image]) -> list[npt.NDArray[Any]]:
    """Probabilities of each image, one by one: of its classes, or of its pixels."""
    contract = model.contract
    if not contract.per_pixel:
        return list(model.predict_images(images))
    pixels = (decoded(each) if contract.embeds_preprocessing else trained_on(each, contract) for each in images)
    return list(model.maps(pixels, in_windows=False))


def _grey_levels(embedded: OnnxModel, images: Sequence[Image.Image]) -> int:
    """The largest difference between the pixels that the file makes and training's."""
    part = pixels_of(onnx.load(str(embedded.path)))
    session = open_session(part.SerializeToString(), threads=1, name="The embedded preprocessing")
    worst = 0
    for image in images:
        wanted = trained_on(image, embedded.contract).astype(np.int16)
        made = session.run(None, {"image": _fed(image)[None]})[0][0]
        height, width = wanted.shape[1:]  # a segmentation's are padded beyond
        worst = max(worst, int(np.abs(made[:, :height, :width] - wanted).max()))
    return worst
