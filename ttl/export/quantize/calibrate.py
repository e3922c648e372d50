"""A float graph made ready, and the range of each of its tensors on training images."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnxruntime.quantization.calibrate import CalibrationMethod, create_calibrator
from onnxruntime.quantization.quant_utils import add_infer_metadata
from onnxruntime.quantization.shape_inference import quant_pre_process

from ttl.errors import ExportError
from ttl.export.quantize.qdq import QUANTISABLE, WEIGHTED, Unit, units
from ttl.export.quiet import quiet

Images = npt.NDArray[np.float32]

BATCH = 8
"""Images a run: all tensors of a run are in memory at once."""


@dataclass(frozen=True)
class Calibrated:
    """A preprocessed graph, the units that it consists of, and onnxruntime's `TensorsData`: the ranges of tensors."""

    graph: onnx.ModelProto
    units: tuple[Unit, ...]
    ranges: Any


def calibrate(
    graph: onnx.ModelProto,
    images: Images,
    *,
    method: CalibrationMethod = CalibrationMethod.MinMax,
    options: Mapping[str, Any] = MappingProxyType({}),
) -> Calibrated:
    """Preprocess a graph and run it on images.

    By default ranges go from the smallest value to the largest, found within the graph, in little memory. Entropy and
    percentiles gave no consistent gain on the networks that were tried: docs/quantization.md.

    Args:
        graph: float; left as it is.
        images: `(n, 3, h, w)` normalised.
        method: how ranges are found; any other than the default is there for the benchmark.
        options: of that method, as onnxruntime's `create_calibrator` names them.

    Raises:
        ExportError: the graph has nothing to quantise, can't be run on the images, or gives NaN or infinity.
    """
    with tempfile.TemporaryDirectory(prefix="ttl-int8-") as name:
        folder = Path(name)
        ready = _preprocessed(graph, folder)
        found = units(ready)
        if not found:
            raise ExportError(f"The graph has no {', '.join(WEIGHTED[:-1])} or {WEIGHTED[-1]}: keep it in fp32.")
        ranges = _ranges(ready, images, folder, method, options)
    broken = [name for name, seen in ranges.items() if not np.isfinite(seen.range_value).all()]
    if broken:
        raise ExportError(
            f"The tensor {broken[0]!r} is NaN or infinite on a training image: the weights are broken; fine-tune again."
        )
    return Calibrated(ready, found, ranges)


def _preprocessed(graph: onnx.ModelProto, folder: Path) -> onnx.ModelProto:
    """Batch norms folded, constants computed, shapes inferred, every node named."""
    given, ready = folder / "given.onnx", folder / "ready.onnx"
    onnx.save(graph, str(given))
    with quiet():
        # Symbolic shape inference adds only shapes, which aren't needed, and where it gives up it writes a file to the
        # working directory.
        quant_pre_process(str(given), str(ready), skip_symbolic_shape=True)
    result = onnx.load(str(ready))
    for index, node in enumerate(result.graph.node):
        node.name = node.name or f"{node.op_type}_{index}"
    add_infer_metadata(result)  # else the quantiser infers shapes again for every trial
    return result


def _ranges(
    graph: onnx.ModelProto, images: Images, folder: Path, method: CalibrationMethod, options: Mapping[str, Any]
) -> Any:
    named, augmented = folder / "named.onnx", folder / "augmented.onnx"
    onnx.save(graph, str(named))
    try:
        with quiet():
            calibrator = create_calibrator(
                named,
                QUANTISABLE,
                augmented_model_path=str(augmented),
                calibrate_method=method,
                extra_options=dict(options),
            )
            for start in range(0, len(images), BATCH):
                calibrator.collect_data(_OneBatch({graph.graph.input[0].name: images[start : start + BATCH]}))
            return calibrator.compute_data()
    except Exception as error:  # onnxruntime has a dozen unrelated exception classes and exports no base
        reason = str(error).strip().splitlines()[0]
        raise ExportError(f"The file can't be run on the calibration images: {reason}") from error


class _OneBatch:
    """A `CalibrationDataReader`; one a batch, since the calibrator holds what a whole reader gave until its end."""

    def __init__(self, feed: dict[str, Images]) -> None:
        self._feeds = iter([feed])

    def get_next(self) -> dict[str, Images] | None:
        return next(self._feeds, None)
