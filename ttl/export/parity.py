"""Does the file compute what the model computes, and is what is between them rounding?"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from ttl.cost.subject import CPU
from ttl.errors import ExportError, GateError
from ttl.export.checks import Check
from ttl.export.quiet import first_line
from ttl.export.targets import target_of
from ttl.export.targets.target import FloatArray, Run, Target

BATCHES = (1, 2, 7)
RELATIVE_TOLERANCE, ABSOLUTE_TOLERANCE = 1e-4, 1e-6
EXACT_SLACK = 10
"""Of PyTorch's own rounding on the same images, which float32 in another order may differ by. It adds a tenth to the
rest, but for a network whose logits were near zero before they were recalibrated: its rounding was scaled with them."""
MOST_ROUNDING = 0.1
"""A network that is further from float64 in the file's precision, of the largest |logit|, isn't fit for that."""


@dataclass(frozen=True)
class Parity:
    """How far the file is from the model, in units of the logits, over all batches and ways to run it."""

    max_abs: float  # largest difference from PyTorch in float32
    tolerance: float | None  # what was allowed of it; None where the metric alone decides (int8)
    scale: float  # the largest |logit| of the model on the same images
    batches: tuple[int, ...]
    float64_max_abs: float  # largest difference of the file from PyTorch in float64
    rounding: float  # that of PyTorch in the file's own precision (float32 for int8) from PyTorch in float64
    decided: int  # images, in segmentation pixels, of the largest batch; of them `changed` by the file
    changed: int

    def checks(self, how_run: str) -> tuple[Check, ...]:
        """What was found, and how the file was run for it."""
        of_float64 = f"PyTorch's own rounding {self.rounding:.2g}, largest logit {self.scale:.2g}"
        decisions = "the metric decides" if self.tolerance is None else "where two classes are as good as level"
        return (
            Check(how_run, f"batches of {', '.join(map(str, self.batches))}", "finite, the model's shapes"),
            Check("Largest difference from PyTorch float32", f"{self.max_abs:.2g}", self.allowed),
            Check("Largest difference from PyTorch float64", f"{self.float64_max_abs:.2g} ({of_float64})"),
            Check("Decisions that differ from PyTorch's", f"{self.changed} of {self.decided}", decisions),
        )

    @property
    def allowed(self) -> str:
        """The tolerance in words."""
        return "the metric decides" if self.tolerance is None else f"{self.tolerance:.2g}"


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

    Each batch is run in each way that the target knows: onnxruntime's graph optimisation off and on. What is allowed
    between file and model is the target's to say, from what float32 is allowed: 1e-4 of the largest |logit| (plus 1e-6
    for logits that are all near zero). Float32 sums taken in another order differ by about 1e-6 of the scale over a
    network's depth, a hundred times less; a wrong padding, epsilon or dropped branch differs by more than a hundredth,
    a hundred times more. Relative, because rounding grows with the logits; of the largest, because a logit near zero
    is a difference of large numbers and has no small relative error.

    Args:
        model: on the CPU, in eval mode.
        path: of a file with one input and one output, of the target `precision`.
        images: `(n, 3, h, w)` float32, normalised; repeated when there are fewer than the largest batch.

    Raises:
        GateError: a value isn't finite, an output differs by more than the tolerance, or a decision that was clearer.
        LatencyError: the device can't be had.
        ExportError: the model's own outputs aren't finite, or too far off in the file's precision.
    """
    row, most = target_of(precision), images[torch.arange(max(batches)) % len(images)]
    exact, rounding = _references(model, most, row)
    with torch.no_grad():
        wanted = [model(most[:batch]).numpy() for batch in batches]
    pairs = [(each, _got(run, most, each)) for run in row.open(path, device) for each in wanted]
    scale = max(float(np.abs(each).max()) for each in wanted)
    plain = RELATIVE_TOLERANCE * scale + ABSOLUTE_TOLERANCE
    slack = EXACT_SLACK if row.is_exact else row.slack
    tolerance = None if slack is None else plain + slack * rounding
    changed = [_decided_otherwise(each, got, 0.0) for each, got in pairs if len(got) == len(exact)]
    parity = Parity(
        max_abs=max(float(np.abs(each - got).max()) for each, got in pairs),
        tolerance=tolerance,
        scale=scale,
        batches=batches,
        float64_max_abs=max(float(np.abs(exact[: len(got)] - got).max()) for _, got in pairs),
        rounding=rounding,
        decided=changed[0].size,
        changed=max(int(which.sum()) for which in changed),
    )
    if tolerance is not None:
        for each, got in pairs:
            _refuse_beyond(tolerance, each, got, rounding)
    return parity


def _references(model: nn.Module, images: torch.Tensor, row: Target) -> tuple[FloatArray, float]:
    """What the model gives in float64, and how far it is from that in the file's precision."""
    with torch.no_grad():
        exact = copy.deepcopy(model).double()(images.double()).numpy()
        rounded = row.rounded(model)(images).numpy()
    if not np.isfinite(rounded).all():
        raise ExportError(f"The model returns NaN or infinity on a real image in {row.words}: fine-tune it again.")
    rounding, scale = float(np.abs(rounded - exact).max()), float(np.abs(exact).max())
    if rounding > MOST_ROUNDING * scale:
        raise ExportError(
            f"The model itself is {rounding:.2g} off in {row.words}, where its largest logit is {scale:.2g}: keep fp32."
        )
    return exact, rounding


def _got(run: Run, images: torch.Tensor, wanted: FloatArray) -> FloatArray:
    """What the file gives for as many of the images, if it can be compared."""
    batch = len(wanted)
    try:
        got = run(images[:batch].numpy())
    except Exception as error:  # onnxruntime has a dozen unrelated exception classes and exports no base
        raise GateError(f"The exported file can't be run at batch {batch}: {first_line(error)}") from error
    if wanted.shape != got.shape:
        raise GateError(
            f"The exported file returns {got.shape} at batch {batch} where the model returns {wanted.shape}: it isn't "
            "the same model."
        )
    if not np.isfinite(got).all():
        raise GateError(f"The exported file returns NaN or infinity on a real image at batch {batch}.")
    return got


def _refuse_beyond(tolerance: float, wanted: FloatArray, got: FloatArray, rounding: float) -> None:
    worst = float(np.abs(wanted - got).max())
    if worst > tolerance:
        raise GateError(
            f"The exported file differs from the model by {worst:.2g} at batch {len(wanted)}, more than the "
            f"{tolerance:.2g} that rounding explains (PyTorch's own rounding is {rounding:.2g}): an operation was "
            "exported wrongly."
        )
    changed = _decided_otherwise(wanted, got, tolerance)
    if changed.any():
        what = "images" if changed.ndim == 1 else "pixels"
        raise GateError(f"The exported file decides {int(changed.sum())} of {changed.size} {what} differently.")


def _decided_otherwise(wanted: FloatArray, got: FloatArray, tolerance: float) -> npt.NDArray[np.bool_]:
    """`(batch,)` or `(batch, h, w)`: where another class wins that didn't win by the tolerance or less."""
    if wanted.shape[1] == 1:  # foreground or not
        return np.asarray(((wanted > 0) != (got > 0)) & (np.abs(wanted) > tolerance))[:, 0]
    runner_up, first = np.moveaxis(np.partition(wanted, -2, axis=1), 1, 0)[-2:]
    return np.asarray((wanted.argmax(axis=1) != got.argmax(axis=1)) & (first - runner_up > tolerance))
