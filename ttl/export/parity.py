"""Does the file compute what the model computes?"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from ttl.cost.session import available_threads, open_session
from ttl.errors import ExportError

BATCHES = (1, 2, 7)
RELATIVE_TOLERANCE = 1e-4
ABSOLUTE_TOLERANCE = 1e-6

FloatArray = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Parity:
    """How far the file is from the model, in units of the logits.

    `max_abs` is the largest difference over all batches, `tolerance` what was allowed, `scale` the largest
    |logit| of the model on the same images.
    """

    max_abs: float
    tolerance: float
    scale: float
    batches: tuple[int, ...]


def check_parity(model: nn.Module, path: Path, images: torch.Tensor, *, batches: tuple[int, ...] = BATCHES) -> Parity:
    """Compare a file with the model it was exported from, on the same images, at several batch sizes.

    The tolerance is 1e-4 of the largest |logit| (plus 1e-6 for logits that are all near zero). Float32 sums
    taken in another order differ by about 1e-6 of the scale over a network's depth, a hundred times less;
    a wrong padding, epsilon or dropped branch differs by more than a hundredth, a hundred times more.
    Relative, because rounding grows with the logits; of the largest, because a logit near zero is a
    difference of large numbers and has no small relative error.

    Args:
        model: on the CPU, in eval mode.
        path: the ONNX file; its one input and one output are compared.
        images: `(n, 3, h, w)` float32, normalised; repeated when there are fewer than the largest batch.
        batches: batch sizes to try.

    Raises:
        ExportError: when a value isn't finite, the outputs differ by more than the tolerance, or a decision
            (the class with the largest logit) differs although its margin exceeds the tolerance.
    """
    session = open_session(path, threads=available_threads())
    pairs = []
    for batch in batches:
        some = images[torch.arange(batch) % len(images)]
        with torch.no_grad():
            wanted = model(some).numpy()
        pairs.append((wanted, _run(session, some.numpy(), batch)))
    parity = _measure(pairs, batches)
    for (wanted, got), batch in zip(pairs, batches, strict=True):
        _check_batch(wanted, got, parity.tolerance, batch)
    return parity


def _run(session: Any, images: FloatArray, batch: int) -> FloatArray:
    try:
        result: FloatArray = session.run(None, {session.get_inputs()[0].name: images})[0]
    except Exception as error:  # onnxruntime has a dozen unrelated exception classes and exports no base
        reason = str(error).strip().splitlines()[0]
        raise ExportError(f"The exported file can't be run at batch {batch}: {reason}") from error
    return result


def _measure(pairs: list[tuple[FloatArray, FloatArray]], batches: tuple[int, ...]) -> Parity:
    for (wanted, got), batch in zip(pairs, batches, strict=True):
        if wanted.shape != got.shape:
            raise ExportError(
                f"The exported file returns {got.shape} at batch {batch} where the model returns "
                f"{wanted.shape}: it isn't the same model."
            )
        for values, whose in ((wanted, "model"), (got, "exported file")):
            if not np.isfinite(values).all():
                raise ExportError(
                    f"The {whose} returns NaN or infinity on a real image at batch {batch}: "
                    "its weights are broken; fine-tune it again."
                )
    scale = max(float(np.abs(wanted).max()) for wanted, _ in pairs)
    worst = max(float(np.abs(wanted - got).max()) for wanted, got in pairs)
    return Parity(worst, RELATIVE_TOLERANCE * scale + ABSOLUTE_TOLERANCE, scale, batches)


def _check_batch(wanted: FloatArray, got: FloatArray, tolerance: float, batch: int) -> None:
    worst = float(np.abs(wanted - got).max())
    if worst > tolerance:
        raise ExportError(
            f"The exported file differs from the model by {worst:.2g} at batch {batch}, more than the "
            f"{tolerance:.2g} that rounding explains: an operation was exported wrongly."
        )
    changed = _decided_otherwise(wanted, got, tolerance)
    if changed.any():
        what = "images" if changed.ndim == 1 else "pixels"
        raise ExportError(f"The exported file decides {int(changed.sum())} of {changed.size} {what} differently.")


def _decided_otherwise(wanted: FloatArray, got: FloatArray, tolerance: float) -> npt.NDArray[np.bool_]:
    """`(batch,)` or `(batch, h, w)`: where another class wins that didn't win by rounding."""
    if wanted.shape[1] == 1:  # foreground or not
        return np.asarray(((wanted > 0) != (got > 0)) & (np.abs(wanted) > tolerance))[:, 0]
    runner_up, first = np.moveaxis(np.partition(wanted, -2, axis=1), 1, 0)[-2:]
    return np.asarray((wanted.argmax(axis=1) != got.argmax(axis=1)) & (first - runner_up > tolerance))
