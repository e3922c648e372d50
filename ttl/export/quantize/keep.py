"""Every layer as int8; where the metric suffers, the layers that suffer most from rounding in float again."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import onnx

from ttl.cost.session import available_threads, open_session
from ttl.errors import ExportError, GateError, UsageError
from ttl.export.quantize.qdq import BATCH, Calibrated, Images, Unit, calibrate, finish, quantised

RANKED_ON = 32


@dataclass(frozen=True)
class Verdict:
    """Whether a file is as good as the float one, and why in words."""

    accepted: bool
    words: str


@dataclass(frozen=True)
class Attempt:
    """A graph that was tried: how many weighted nodes it kept in float, and the verdict."""

    kept_in_float: int
    verdict: Verdict


@dataclass(frozen=True)
class Quantized:
    """An accepted graph of int8 layers, and how it came about.

    Attributes:
        graph: QDQ: float32 in and out, with the names, free dimensions and metadata of the float graph.
        kept_in_float: names of the weighted nodes that stayed float, the most sensitive first.
        of_nodes: how many weighted nodes there are.
        attempts: every graph tried, in order; the last one was accepted.
        calibration_images: how many images the ranges are of.
    """

    graph: onnx.ModelProto
    kept_in_float: tuple[str, ...]
    of_nodes: int
    attempts: tuple[Attempt, ...]
    calibration_images: int


def quantize(
    graph: onnx.ModelProto, images: Images, accept: Callable[[onnx.ModelProto], Verdict], *, weight_bits: int = 7
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
    of_nodes = len(calibrated.units)
    attempts: list[Attempt] = []
    for kept in _growing(calibrated, images, weight_bits):
        chosen = [unit for unit in calibrated.units if unit not in kept]
        candidate = quantised(calibrated.graph, calibrated.ranges, chosen, weight_bits=weight_bits)
        finish(candidate, graph)
        attempts.append(Attempt(len(kept), accept(candidate)))
        if attempts[-1].verdict.accepted:
            weighted = tuple(unit[0] for unit in kept)
            return Quantized(candidate, weighted, of_nodes, tuple(attempts), len(images))
    where = f"with {len(kept)} of {of_nodes} layers kept in float" if kept else "as it is"
    why = attempts[-1].verdict.words
    raise GateError(f"The int8 file isn't as good as the float one even {where} ({why}): keep it in fp32.")


def _check(images: Images, weight_bits: int) -> None:
    if weight_bits not in (7, 8):
        raise UsageError(f"Weights of {weight_bits} bits can't be had: give 7, or 8 for machines with VNNI.")
    if images.ndim != 4 or not len(images) or images.dtype != np.float32:
        raise ExportError(
            f"The calibration images are {images.dtype} of shape {images.shape}: give at least one normalised image, "
            "float32 of shape (n, 3, height, width)."
        )


def _growing(calibrated: Calibrated, images: Images, weight_bits: int) -> Iterator[tuple[Unit, ...]]:
    """What is kept in float, from nothing to half of the units; they are ranked when the second is asked for."""
    yield ()
    some = images[np.unique(np.linspace(0, len(images) - 1, RANKED_ON).round().astype(int))]
    ranked = most_sensitive_first(calibrated, some, weight_bits=weight_bits)
    half = len(ranked) // 2
    for count in (*(2**power for power in range(half.bit_length()) if 2**power < half), half):
        if count:
            yield ranked[:count]


def most_sensitive_first(calibrated: Calibrated, images: Images, *, weight_bits: int) -> tuple[Unit, ...]:
    """The units of a graph by the signal-to-noise ratio of its output when each alone is quantised, lowest first."""
    wanted = outputs(calibrated.graph, images)

    def ratio_db(unit: Unit) -> float:
        alone = quantised(calibrated.graph, calibrated.ranges, [unit], weight_bits=weight_bits)
        return signal_to_noise_db(wanted, outputs(alone, images))

    return tuple(sorted(calibrated.units, key=ratio_db))


def outputs(graph: onnx.ModelProto, images: Images, *, batch: int = BATCH, optimize: bool = True) -> Images:
    """What the graph gives for the images, one array.

    Raises:
        ExportError: onnxruntime can't run the graph.
    """
    content, threads = graph.SerializeToString(), available_threads()
    session = open_session(content, threads=threads, optimize=optimize, name="The quantised graph")
    name = session.get_inputs()[0].name
    starts = range(0, len(images), batch)
    return np.concatenate([session.run(None, {name: images[start : start + batch]})[0] for start in starts])


def signal_to_noise_db(signal: Images, with_noise: Images) -> float:
    """10 log10 of the sum of squares of the signal over that of the difference; infinite where there is none."""
    noise = np.square(signal.astype(np.float64) - with_noise).sum()
    power = np.square(signal.astype(np.float64)).sum()
    if not noise:
        return math.inf
    return float(10 * np.log10(power / noise)) if power else -math.inf
