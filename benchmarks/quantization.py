"""What int8 costs in accuracy and saves in bytes and time, on a network fine-tuned by `ttl`.

    python benchmarks/quantization.py NAME FILE.onnx DATA --splits RUN/splits.csv

Ranges are of 128 training images, evenly spaced. The signal-to-noise ratio (dB) is of the logits, and the metric the
task's, both on the validation images: `snr_db` as onnxruntime runs the file (integer kernels), `snr_as_written_db` with
its optimisations off, where integers are only stored and layers compute in float. Where the two differ, the CPU's
integer arithmetic overflows. `ranges` compares ways to find the range of a tensor, every layer quantised; `kept` goes
on with min-max and 7 bits, the most sensitive layers in float. Both files are timed in turns, one image, one thread.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from contextlib import suppress
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnxruntime.quantization.calibrate import CalibrationMethod

from ttl.cost.bench import bench
from ttl.cost.latency import latency_rows
from ttl.cost.subject import Subject
from ttl.data.decoded import Split
from ttl.data.masked_images import MaskedImages
from ttl.data.modality.normalise import normalised
from ttl.data.read_task import load_task
from ttl.data.task import Samples
from ttl.errors import ExportError
from ttl.export.contract import Contract, read_contract
from ttl.export.quantize import Verdict, quantize
from ttl.export.quantize.keep import outputs, signal_to_noise_db
from ttl.export.quantize.qdq import WEIGHTED, calibrate, finish, quantised, units
from ttl.export.run import OnnxModel
from ttl.stats import metrics, ratio_interval

RESULTS = Path(__file__).parent / "results" / "quantization.json"
CALIBRATED_ON = 128
METHODS: dict[str, tuple[CalibrationMethod, dict[str, Any]]] = {
    "min-max": (CalibrationMethod.MinMax, {}),
    "99.999 %": (CalibrationMethod.Percentile, {"symmetric": False, "percentile": 99.999}),
    "99.99 %": (CalibrationMethod.Percentile, {"symmetric": False, "percentile": 99.99}),
    "entropy": (CalibrationMethod.Entropy, {}),
}


def main() -> None:
    """Measure one file; its row replaces the one of that name."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name")
    parser.add_argument("file", type=Path)
    parser.add_argument("data")
    parser.add_argument("--splits", type=Path, required=True)
    parser.add_argument("--results", type=Path, default=RESULTS)
    told = parser.parse_args()
    task, said = load_task(told.data, splits=told.splits), read_contract(told.file)
    train, val = (split_of(samples, said) for samples in (task.train, task.val))
    row = measure(told.file, said, network_input(train, said), val)
    rows = json.loads(told.results.read_text(encoding="utf-8")) if told.results.exists() else {}
    told.results.parent.mkdir(parents=True, exist_ok=True)
    told.results.write_text(json.dumps({**rows, told.name: row}, indent=1) + "\n", encoding="utf-8")


def measure(path: Path, said: Contract, train: npt.NDArray[np.float32], val: Split) -> dict[str, Any]:
    """The row of a file."""
    graph, seen = onnx.load(str(path)), network_input(val, said)
    images = train[np.unique(np.linspace(0, len(train) - 1, CALIBRATED_ON).round().astype(int))]
    wanted = outputs(graph, seen)
    metric = said.kind.primary
    with tempfile.TemporaryDirectory() as name:
        file = Path(name) / "int8.onnx"

        def figures(candidate: onnx.ModelProto) -> dict[str, Any]:
            onnx.save(candidate, str(file))
            return {
                "bytes": file.stat().st_size,
                "snr_db": round(signal_to_noise_db(wanted, outputs(candidate, seen)), 2),
                metric: round(score(file, val, metric), 4),
            }

        row = {
            "bytes": path.stat().st_size,
            metric: round(score(path, val, metric), 4),
            "calibrated_on": len(images),
            "validated_on": len(seen),
            "ranges": by_method(graph, images, seen, wanted, figures),
        }
        row["kept"], done = by_kept(graph, images, figures)
        onnx.save(done, str(file))
        files = (Subject("int8", file), Subject("fp32", path))
        timed = bench(files, threads=(1,), image_size=said.sides[0], seconds=20)
    rows = latency_rows(timed, reference="fp32", ratio=ratio_interval)
    return {**row, "latency": [asdict(each) for each in rows], "hardware": asdict(timed.conditions.hardware)}


def by_method(
    graph: onnx.ModelProto, images: npt.NDArray[np.float32], seen: npt.NDArray[np.float32], wanted: Any, figures: Any
) -> dict[str, Any]:
    """Method -> bits -> figures, every layer quantised."""
    found: dict[str, Any] = {}
    for label, (method, options) in METHODS.items():
        ready = calibrate(graph, images, calibrate_method=method, extra_options=options)
        found[label] = {}
        for bits in (7, 8):
            candidate = quantised(ready.graph, ready.ranges, ready.units, weight_bits=bits)
            finish(candidate, graph)
            as_written = signal_to_noise_db(wanted, outputs(candidate, seen, optimize=False))
            found[label][bits] = {**figures(candidate), "snr_as_written_db": round(as_written, 2)}
            print(f"{label:<9} {bits} bits", found[label][bits], flush=True)
    return found


def by_kept(graph: onnx.ModelProto, images: npt.NDArray[np.float32], figures: Any) -> tuple[list[Any], onnx.ModelProto]:
    """The figures of every step, and the graph of the first: all layers quantised."""
    tried: list[onnx.ModelProto] = []
    rows: list[dict[str, Any]] = []

    def refuse(candidate: onnx.ModelProto) -> Verdict:
        tried.append(candidate)
        rows.append({"kept": in_float(candidate), "of": len(units(graph)), **figures(candidate)})
        print(rows[-1], flush=True)
        return Verdict(False, "to see them all")

    with suppress(ExportError):
        quantize(graph, images, refuse)
    return rows, tried[0]


def in_float(graph: onnx.ModelProto) -> int:
    """How many layers have weights that aren't integers."""
    made = {tensor for node in graph.graph.node for tensor in node.output}
    return sum(node.op_type in WEIGHTED and node.input[1] not in made for node in graph.graph.node)


def split_of(samples: Samples, said: Contract) -> Split:
    """The images of a split, decoded as the file takes them."""
    return said.kind.decode(samples, resizing=said.resizing, cache_dir=None, key="")


def network_input(split: Split, said: Contract) -> npt.NDArray[np.float32]:
    """`(n, 3, h, w)` normalised; of a segmentation the middles of the images."""
    return np.ascontiguousarray(normalised(split.crops(), said.mean, said.std).numpy())


def score(path: Path, split: Split, metric: str) -> float:
    """The metric of a file."""
    model = OnnxModel(path)
    of = partial(metrics, model.contract.kind, split.labels, names=(metric,))
    if isinstance(split, MaskedImages):
        return of(split.overlaps(model.maps(split.pixels)))[metric]
    return of(model.predict(split.crops()))[metric]


if __name__ == "__main__":
    main()
