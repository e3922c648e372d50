"""Does the file compute what the model computes, and is what is between them rounding?"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from ttl.cost.session import available_threads, open_session
from ttl.cost.subject import CPU
from ttl.errors import ExportError, GateError
from ttl.export.half import Half

BATCHES = (1, 2, 7)
RELATIVE_TOLERANCE = 1e-4
ABSOLUTE_TOLERANCE = 1e-6
HALF_FACTOR = 4
"""A half-precision file may be so many times as far from float64 as PyTorch's own half precision is."""
HALF_MOST = 0.1
"""A network whose own half precision is further from float64, of the largest |logit|, isn't fit for it."""

FloatArray = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Parity:
    """How far the file is from the model, in units of the logits.

    Attributes:
        max_abs: largest difference from PyTorch in float32, over all batches, graph optimisation off and on.
        tolerance: what was allowed of it; None where the metric alone decides (int8).
        scale: the largest |logit| of the model on the same images.
        batches: the batch sizes.
        float64_max_abs: largest difference of the file from PyTorch in float64.
        rounding: that of PyTorch in the file's own precision (float32 for int8) from PyTorch in float64.
        decided: images, in segmentation pixels, of the largest batch.
        changed: those of them that the file decides otherwise than PyTorch in float32.
    """

    max_abs: float
    tolerance: float | None
    scale: float
    batches: tuple[int, ...]
    float64_max_abs: float
    rounding: float
    decided: int
    changed: int


def check_parity(
    model: nn.Module,
    path: Path,
    images: torch.Tensor,
    *,
    batches: tuple[int, ...] = BATCHES,
    precision: str = "fp32",
    device: str = CPU,
) -> Parity:
    """Compare a file with the model it was exported from, on the same images, at several batch sizes.

    Each batch is run with onnxruntime's graph optimisation off and on. What is allowed between file and model:

    - `fp32`: 1e-4 of the largest |logit| (plus 1e-6 for logits that are all near zero). Float32 sums taken in
      another order differ by about 1e-6 of the scale over a network's depth, a hundred times less; a wrong padding,
      epsilon or dropped branch differs by more than a hundredth, a hundred times more. Relative, because rounding
      grows with the logits; of the largest, because a logit near zero is a difference of large numbers and has no
      small relative error.
    - `fp16`: four times what PyTorch's own half precision is away from float64, on top of the above.
    - `int8`: nothing: how far it is says little, and the metric decides. Values have to be finite.

    Args:
        model: on the CPU, in eval mode.
        path: the ONNX file; its one input and one output are compared.
        images: `(n, 3, h, w)` float32, normalised; repeated when there are fewer than the largest batch.
        batches: batch sizes to try.
        precision: of the file: `fp32`, `fp16` or `int8`.
        device: where onnxruntime runs it, `cpu` or `cuda`.

    Raises:
        GateError: a value isn't finite, the outputs differ by more than the tolerance, or a decision (the class
            with the largest logit) differs although its margin exceeds the tolerance.
        LatencyError: the device can't be had.
        ExportError: the model's own outputs aren't finite, or too far off in half precision.
    """
    most = images[torch.arange(max(batches)) % len(images)]
    exact, rounding = _references(model, most, precision)
    pairs = []
    for optimize in (False, True):
        session = open_session(path, threads=available_threads(), optimize=optimize, device=device)
        for batch in batches:
            with torch.no_grad():
                wanted = model(most[:batch]).numpy()
            pairs.append((wanted, _run(session, most[:batch].numpy(), batch)))
    parity = _measure(pairs, exact, rounding, batches, precision)
    for (wanted, got), batch in zip(pairs, batches * 2, strict=True):
        _check_batch(wanted, got, parity, batch)
    return parity


def _references(model: nn.Module, images: torch.Tensor, precision: str) -> tuple[FloatArray, float]:
    """What the model gives in float64, and how far it is from that in the file's precision."""
    with torch.no_grad():
        exact = copy.deepcopy(model).double()(images.double()).numpy()
        rounded = (Half(model).eval() if precision == "fp16" else model)(images).numpy()
    if not np.isfinite(rounded).all():
        words = "half precision, whose numbers end at 65504" if precision == "fp16" else "its own precision"
        raise ExportError(f"The model returns NaN or infinity on a real image in {words}: fine-tune it again.")
    rounding, scale = float(np.abs(rounded - exact).max()), float(np.abs(exact).max())
    if precision == "fp16" and rounding > HALF_MOST * scale:
        raise ExportError(
            f"In half precision the model itself is {rounding:.2g} off where its largest logit is {scale:.2g}: "
            "keep fp32."
        )
    return exact, rounding


def _run(session: Any, images: FloatArray, batch: int) -> FloatArray:
    try:
        result: FloatArray = session.run(None, {session.get_inputs()[0].name: images})[0]
    except Exception as error:  # onnxruntime has a dozen unrelated exception classes and exports no base
        reason = str(error).strip().splitlines()[0]
        raise GateError(f"The exported file can't be run at batch {batch}: {reason}") from error
    return result


def _measure(
    pairs: list[tuple[FloatArray, FloatArray]],
    exact: FloatArray,
    rounding: float,
    batches: tuple[int, ...],
    precision: str,
) -> Parity:
    for (wanted, got), batch in zip(pairs, batches * 2, strict=True):
        if wanted.shape != got.shape:
            raise GateError(
                f"The exported file returns {got.shape} at batch {batch} where the model returns "
                f"{wanted.shape}: it isn't the same model."
            )
        if not np.isfinite(got).all():
            raise GateError(f"The exported file returns NaN or infinity on a real image at batch {batch}.")
    scale = max(float(np.abs(wanted).max()) for wanted, _ in pairs)
    tolerance = RELATIVE_TOLERANCE * scale + ABSOLUTE_TOLERANCE
    allowed = {"fp32": tolerance, "fp16": tolerance + HALF_FACTOR * rounding, "int8": None}[precision]
    changed = [_decided_otherwise(wanted, got, 0.0) for wanted, got in pairs if len(got) == len(exact)]
    return Parity(
        max_abs=max(float(np.abs(wanted - got).max()) for wanted, got in pairs),
        tolerance=allowed,
        scale=scale,
        batches=batches,
        float64_max_abs=max(float(np.abs(exact[: len(got)] - got).max()) for _, got in pairs),
        rounding=rounding,
        decided=changed[0].size,
        changed=max(int(which.sum()) for which in changed),
    )


def _check_batch(wanted: FloatArray, got: FloatArray, parity: Parity, batch: int) -> None:
    if parity.tolerance is None:
        return
    worst = float(np.abs(wanted - got).max())
    if worst > parity.tolerance:
        raise GateError(
            f"The exported file differs from the model by {worst:.2g} at batch {batch}, more than the "
            f"{parity.tolerance:.2g} that rounding explains (PyTorch's own rounding is {parity.rounding:.2g}): "
            "an operation was exported wrongly."
        )
    changed = _decided_otherwise(wanted, got, parity.tolerance)
    if changed.any():
        what = "images" if changed.ndim == 1 else "pixels"
        raise GateError(f"The exported file decides {int(changed.sum())} of {changed.size} {what} differently.")


def _decided_otherwise(wanted: FloatArray, got: FloatArray, tolerance: float) -> npt.NDArray[np.bool_]:
    """`(batch,)` or `(batch, h, w)`: where another class wins that didn't win by the tolerance or less."""
    if wanted.shape[1] == 1:  # foreground or not
        return np.asarray(((wanted > 0) != (got > 0)) & (np.abs(wanted) > tolerance))[:, 0]
    runner_up, first = np.moveaxis(np.partition(wanted, -2, axis=1), 1, 0)[-2:]
    return np.asarray((wanted.argmax(axis=1) != got.argmax(axis=1)) & (first - runner_up > tolerance))
