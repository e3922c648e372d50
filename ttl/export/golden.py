"""The golden example is made at the gate: by the file itself, and compared with what it was exported from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn

from ttl.errors import GateError
from ttl.export.checks import Check
from ttl.export.example import Example, example_image, example_of
from ttl.export.parity import check_parity
from ttl.export.run import FileModel, trained_on
from ttl.export.targets.target import Target

NAME = "Golden example against "
QUANTISED = 0.1
"""Of the largest output: in integers, a few layers round some values to the next step on another machine."""
ROUNDED, BY_PIXELS = 1e-4, 0.01
"""Of a probability: what rounding does to it, and what it does where a pixel's grey or a half-precision number may be
the next one."""


def golden_example(
    model: nn.Module, file: FileModel, path: Path, images: torch.Tensor, row: Target
) -> tuple[Example, Check]:
    """Of a file that takes normalised images; `images` are real ones, for the scale of the outputs.

    Raises:
        GateError: the file gives something else for it than the model.
    """
    image = example_image(file.contract)
    height, width = image.shape[2:]
    beside = images[:1, :, :height, :width]
    parity = check_parity(model, path, torch.cat([torch.from_numpy(image), beside]), batches=(1, 2), precision=row.name)
    tolerance = QUANTISED * parity.scale if parity.tolerance is None else parity.tolerance
    made = example_of(image, file.run(image), tolerance)
    return made, Check(f"{NAME}PyTorch", f"differs by {parity.max_abs:.2g}", parity.allowed)


def golden_example_embedded(file: FileModel, plain: FileModel, row: Target) -> tuple[Example, Check]:
    """Of a file that takes decoded images, against training's pipeline before the `plain` file of the same network.

    Raises:
        GateError: they give something else.
    """
    image = example_image(file.contract)
    picture = Image.fromarray(image[0])
    if file.contract.per_pixel:
        (wanted,) = plain.maps([trained_on(picture, plain.contract)], in_windows=False)
    else:
        (wanted,) = plain.predict_images([picture])
    output = file.run(image)
    exact = row.is_exact and file.contract.decoding.interpolation == "bilinear"
    tolerance = QUANTISED if row.slack is None else ROUNDED if exact else BY_PIXELS
    found = float(np.abs(output[0] - wanted).max())
    if found > tolerance:
        raise GateError(
            f"The file gives probabilities for the golden example that differ from training's by {found:.2g}, more "
            f"than {tolerance:g}: export it without embedded preprocessing, and report the images' sizes."
        )
    made = example_of(image, output, tolerance)
    return made, Check(f"{NAME}the training pipeline", f"differs by {found:.2g}", f"{tolerance:g}")
