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
class Quantized:
    """An accepted graph of int8 layers, and how it came about."""

    graph: onnx.ModelProto  # QDQ: float32 in and out, with the names, free dimensions and metadata of the float graph
    # names of the weighted nodes that stayed float, the most sensitive first; there are `of_nodes`
    kept_in_float: tuple[str, ...]
    of_nodes: int
    calibration_images: int  # how many images the ranges are of


def quantize(
    graph: onnx.ModelProto, images: Images, accept: Callable[[onnx.ModelProto], Verdict], *, weight_bits: int = 7
) -> Quantized:
    """Quantise a graph: weights int8 by output channel, activations uint8 with ranges fixed by `images`.

    First every layer; then, until `accept` says yes, all but the 1, 2, 4, 8, ... most sensitive ones, up to half.

    Args:
        graph: as `export_onnx` writes it; left as it is.
        images: `(n, 3, h, w)` float32, normalised training images: ranges and sensitivity are measured on no other.
        accept: compares the task metric of a graph with the float one's, on validation images.
        weight_bits: 7 keeps weights within -64 to 64. CPUs without VNNI add pairs of products in 16 bits, which
            overflows with 8-bit weights: the file would give other numbers there. 8 is for machines known to have it.

    Raises:
        ExportError: nothing in the graph can be quantised, or it can't be run on the images.
        GateError: no graph was accepted.
        UsageError: no such number of bits.
    """
    if weight_bits not in (7, 8):
        raise UsageError(f"Weights of {weight_bits} bits can't be had: give 7, or 8 for machines with VNNI.")
    if images.ndim != 4 or not len(images) or images.dtype != np.float32:
        raise ExportError(
            f"The calibration images are {images.dtype} of shape {images.shape}: give at least one normalised image, "
            "float32 of shape (n, 3, height, width)."
        )
    calibrated = calibrate(graph, images)
    of_nodes = len(calibrated.units)
    for kept in _growing(calibrated, images, weight_bits):
        chosen = [unit for unit in calibrated.units if unit not in kept]
        candidate = quantised(calibrated.graph, calibrated.ranges, chosen, weight_bits=weight_bits)
        finish(candidate, graph)
        verdict = accept(candidate)
        if verdict.accepted:
            return Quantized(candidate, tuple(unit[0] for unit in kept), of_nodes, len(images))
    where = f"with {len(kept)} of {of_nodes} layers kept in float" if kept else "as it is"
    raise GateError(f"The int8 file isn't as good as the float one even {where} ({verdict.words}): keep it in fp32.")


def _growing(calibrated: Calibrated, images: Images, weight_bits: int) -> Iterator[tuple[Unit, ...]]:
    """What is kept in float, from nothing to half of the units: first those that quantised alone give the output the
    lowest signal-to-noise ratio. They are ranked when the second step is asked for."""
    yield ()
    some = images[np.unique(np.linspace(0, len(images) - 1, RANKED_ON).round().astype(int))]
    wanted = outputs(calibrated.graph, some)

    def ratio_db(unit: Unit) -> float:
        alone = quantised(calibrated.graph, calibrated.ranges, [unit], weight_bits=weight_bits)
        return signal_to_noise_db(wanted, outputs(alone, some))

    ranked = tuple(sorted(calibrated.units, key=ratio_db))
    half = len(ranked) // 2
    powers = (2**power for power in range(half.bit_length()))
    yield from (ranked[:count] for count in (*(power for power in powers if power < half), half) if count)


def outputs(graph: onnx.ModelProto, images: Images, *, batch: int = BATCH, optimize: bool = True) -> Images:
    """What the graph gives for the images, one array; an ExportError where onnxruntime can't run it."""
    content, threads = graph.SerializeToString(), available_threads()
    session = open_session(content, threads=threads, optimize=optimize, name="The quantised graph")
    name = session.get_inputs()[0].name
    parts = (images[start : start + batch] for start in range(0, len(images), batch))
    return np.concatenate([session.run(None, {name: part})[0] for part in parts])


def signal_to_noise_db(signal: Images, with_noise: Images) -> float:
    """10 log10 of the sum of squares of the signal over that of the difference; infinite where there is none."""
    noise = np.square(signal.astype(np.float64) - with_noise).sum()
    power = np.square(signal.astype(np.float64)).sum()
    if not noise:
        return math.inf
    return float(10 * np.log10(power / noise)) if power else -math.inf
