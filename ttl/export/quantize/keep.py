"""Every layer as int8; where the metric suffers, the most sensitive ones in float again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import onnx

from ttl.errors import ExportError, GateError, UsageError
from ttl.export.quantize.calibrate import Calibrated, Images, calibrate
from ttl.export.quantize.qdq import Unit, finish, quantised
from ttl.export.quantize.sensitivity import most_sensitive_first

RANKED_ON = 32


@dataclass(frozen=True)
class Verdict:
    """Whether a file is as good as the float one, and why in words."""

    accepted: bool
    words: str


@dataclass(frozen=True)
class Attempt:
    """A file that was tried: how many nodes it kept in float, and what was said of it."""

    kept_in_float: int
    verdict: Verdict


@dataclass(frozen=True)
class Quantized:
    """An accepted graph of int8 layers, and how it came about.

    Attributes:
        graph: QDQ: float32 in and out, with the names, free dimensions and metadata of the float graph.
        kept_in_float: of the `of_nodes` weighted nodes those that stayed float, with what is done to their outputs, the
            most sensitive first.
        attempts: every graph tried, in order; the last one was accepted.
        calibration_images: how many images the ranges are of.
    """

    graph: onnx.ModelProto
    kept_in_float: tuple[str, ...]
    of_nodes: int
    attempts: tuple[Attempt, ...]
    calibration_images: int


def quantize(
    graph: onnx.ModelProto,
    images: Images,
    accept: Callable[[onnx.ModelProto], Verdict],
    *,
    weight_bits: int = 7,
) -> Quantized:
    """Quantise a graph: weights int8 by output channel, activations uint8 with ranges fixed by `images`.

    First every layer; then, until `accept` says yes, all but the 1, 2, 4, 8, ... most sensitive ones, up to half.

    Args:
        graph: float, one input and one output, as `export_onnx` writes it; left as it is.
        images: `(n, 3, h, w)` float32, normalised training images: ranges and sensitivity are measured on no other.
        accept: compares the task metric of a graph with the float one's, on validation images.
        weight_bits: 7 keeps weights within -64 to 64. CPUs without VNNI add pairs of products in 16 bits, which
            overflows with 8-bit weights: the file would give other numbers there. 8 is for machines known to have it.

    Raises:
        ExportError: nothing in the graph can be quantised, or it can't be run on the images.
        GateError: no graph was accepted.
        UsageError: no such number of bits.
    """
    _check(images, weight_bits)
    calibrated = calibrate(graph, images)
    attempts: list[Attempt] = []
    for kept in _growing(calibrated, images, weight_bits):
        chosen = [unit for unit in calibrated.units if unit not in kept]
        candidate = quantised(calibrated.graph, calibrated.ranges, chosen, weight_bits=weight_bits)
        finish(candidate, graph)
        attempts.append(Attempt(len(kept), accept(candidate)))
        if attempts[-1].verdict.accepted:
            names = tuple(unit.name for unit in kept)
            return Quantized(candidate, names, len(calibrated.units), tuple(attempts), len(images))
    raise GateError(_refusal(attempts, len(calibrated.units)))


def _growing(calibrated: Calibrated, images: Images, weight_bits: int) -> Iterator[tuple[Unit, ...]]:
    """What is kept in float, from nothing to half of the units; they are ranked when the second is asked for."""
    yield ()
    some = images[np.unique(np.linspace(0, len(images) - 1, RANKED_ON).round().astype(int))]
    ranked = most_sensitive_first(calibrated, some, weight_bits=weight_bits)
    half = len(ranked) // 2
    for count in (*(2**power for power in range(half.bit_length()) if 2**power < half), half):
        if count:
            yield ranked[:count]


def _check(images: Images, weight_bits: int) -> None:
    if weight_bits not in (7, 8):
        raise UsageError(f"Weights of {weight_bits} bits can't be had: give 7, or 8 for machines with VNNI.")
    if images.ndim != 4 or not len(images) or images.dtype != np.float32:
        raise ExportError(
            f"The calibration images are {images.dtype} of shape {images.shape}: give at least one normalised image, "
            "float32 of shape (n, 3, height, width)."
        )


def _refusal(attempts: list[Attempt], of_nodes: int) -> str:
    seen = attempts[-1]
    where = f"with {seen.kept_in_float} of {of_nodes} layers kept in float" if seen.kept_in_float else "as it is"
    return f"The int8 file isn't as good as the float one even {where} ({seen.verdict.words}): keep it in fp32."
