"""What to feed an ONNX file that isn't known beforehand: images of the shape that it declares."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from ttl.errors import UsageError
from ttl.words.sides import AXES, Sides

DTYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(double)": np.float64}
COLOURS = 3

FloatArray = npt.NDArray[np.floating[Any]]


def image_feed(
    session: ort.InferenceSession,
    name: str,
    *,
    batch: int,
    sides: Sides,
    rng: np.random.Generator,
) -> dict[str, FloatArray]:
    """The inputs of one call.

    Args:
        session: of a file with one float input, `(batch, channels, height, width)`; any of them may be open.
        name: what messages call the file.
        batch: images a call.
        sides: of an image, used where the file leaves them open; none says that it doesn't.
        rng: draws the images, random normal ones.

    Raises:
        UsageError: when the file takes something else, or a size that was asked for doesn't fit it.
    """
    nodes = session.get_inputs()
    if len(nodes) != 1 or nodes[0].type not in DTYPES or not nodes[0].shape:
        found = ", ".join(f"{node.name} {node.type} {node.shape}" for node in nodes) or "nothing"
        raise UsageError(f"{name} takes {found}: only models with one float tensor of images can be timed.")
    shape = _resolve(nodes[0].shape, name, batch, sides)
    return {nodes[0].name: rng.standard_normal(shape).astype(DTYPES[nodes[0].type])}


def _resolve(dims: Sequence[int | str | None], name: str, batch: int, sides: Sides) -> tuple[int, ...]:
    if isinstance(dims[0], int) and dims[0] != batch:
        raise UsageError(f"{name} takes batches of {dims[0]} only: it can't be timed at batch {batch}.")
    is_image = len(dims) == 2 + AXES
    given = [batch, *([COLOURS, *sides] if is_image else [])]
    defaults: list[int | None] = [*given, *[None] * (len(dims) - len(given))]
    shape = [dim if isinstance(dim, int) else default for dim, default in zip(dims, defaults, strict=True)]
    known = tuple(dim for dim in shape if dim is not None)
    if len(known) < len(shape):
        raise UsageError(f"{name} takes tensors of shape {list(dims)}, of any size: give --image-size.")
    return known
