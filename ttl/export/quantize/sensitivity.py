"""Which layers suffer most from rounding."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import onnx

from ttl.cost.session import available_threads, open_session
from ttl.export.quantize.calibrate import Calibrated, Images
from ttl.export.quantize.qdq import Unit, quantised

BATCH = 8


def most_sensitive_first(calibrated: Calibrated, images: Images, *, weight_bits: int) -> tuple[Unit, ...]:
    """The units of a graph by the signal-to-noise ratio of its output when each alone is quantised, lowest first.

    Args:
        calibrated: the graph and its ranges, which hold for every trial.
        images: `(n, 3, h, w)` normalised, training images.
        weight_bits: 7 or 8.
    """
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


def signal_to_noise_db(signal: npt.NDArray[np.float32], with_noise: npt.NDArray[np.float32]) -> float:
    """10 log10 of the sum of squares of the signal over that of the difference; infinite where there is none."""
    noise = np.square(signal.astype(np.float64) - with_noise).sum()
    power = np.square(signal.astype(np.float64)).sum()
    if not noise:
        return math.inf
    return float(10 * np.log10(power / noise)) if power else -math.inf
