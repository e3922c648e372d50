"""The same files in every runtime: how far probabilities differ from ttl's own, and how many decisions.

    npm pack onnxruntime-web && tar xzf onnxruntime-web-*.tgz
    python benchmarks/runtimes.py xray-run/model.onnx=xray nuclei-run/model.onnx=nuclei/images --package package \\
        --older .venv/oldest-onnxruntime/bin/python

Each FILE=IMAGES is an exported file without embedded preprocessing and images to feed it. It is run as it is, fed the
normalised pixels that ttl makes, and with preprocessing embedded, fed the decoded image; what it is compared with is
what ttl gives for the plain file: Pillow's pixels in the onnxruntime that is installed. Runtimes: that one, OpenVINO
(CPU), onnxruntime-web (wasm, one thread, in node) with --package, another onnxruntime with --older PYTHON.

A second table is of the resizing alone, at sides of 64 to 512: pixels that differ from Pillow's, and the time that it
takes in onnxruntime on one thread, beside ONNX's own antialiasing Resize, in turns. `docs/deployment.md` has both.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper
from PIL import Image
from scipy.special import expit, softmax
from shared import measured_on

from ttl.data import Columns, open_image, read_image_lists
from ttl.data.modality.resizing import Resizing
from ttl.export.contract import Contract
from ttl.export.embed.operators import FILTERS, Nodes, fitted
from ttl.export.embed.preprocessing import embed_preprocessing
from ttl.export.run import OnnxModel, decoded, trained_on

RESULTS = Path(__file__).parent / "results" / "runtimes.json"
SIDES = (64, 112, 224, 384, 512)
SIZES = ((300, 280), (512, 512), (97, 340), (1200, 900))
TURNS = 15
PYTHON = """
import json, sys
import numpy as np, onnxruntime as ort
for each in json.load(open(sys.argv[1])):
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(each["file"], options, providers=["CPUExecutionProvider"])
    for given in each["inputs"]:
        array = np.fromfile(given["path"], given["type"]).reshape(given["dims"])
        session.run(None, {session.get_inputs()[0].name: array})[0].tofile(given["out"])
"""
NODE = """
import { readFileSync, writeFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
const [plan, folder] = process.argv.slice(2);
const ort = await import(pathToFileURL(`${folder}/dist/ort.wasm.bundle.min.mjs`));
ort.env.wasm.numThreads = 1;
ort.env.wasm.wasmBinary = readFileSync(`${folder}/dist/ort-wasm-simd-threaded.wasm`);
for (const { file, inputs } of JSON.parse(readFileSync(plan))) {
  const session = await ort.InferenceSession.create(readFileSync(file), { executionProviders: ["wasm"] });
  for (const { path, type, dims, out } of inputs) {
    const bytes = readFileSync(path);
    const data = type === "uint8" ? new Uint8Array(bytes) : new Float32Array(new Uint8Array(bytes).buffer);
    const { [session.outputNames[0]]: result } = await session.run({
      [session.inputNames[0]]: new ort.Tensor(type, data, dims) });
    writeFileSync(out, new Uint8Array(result.data.buffer, result.data.byteOffset, result.data.byteLength));
  }
}
"""
Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Job:
    """A file, what it is fed image by image, and the shape of what it gives."""

    path: Path
    inputs: Sequence[Array]
    shapes: Sequence[tuple[int, ...]]


Runtime = Callable[[Sequence[Job], Path], list[list[Array]]]


def here(jobs: Sequence[Job], _: Path) -> list[list[Array]]:
    """The onnxruntime that is installed."""
    made = []
    for job in jobs:
        session = one_thread(job.path.read_bytes())
        name = session.get_inputs()[0].name
        made.append([np.asarray(session.run(None, {name: each})[0]) for each in job.inputs])
    return made


def one_thread(content: bytes) -> ort.InferenceSession:
    """A session on one thread of the CPU."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    return ort.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def openvino(jobs: Sequence[Job], _: Path) -> list[list[Array]]:
    """OpenVINO's CPU plugin, in float32: by itself it may compute in less."""
    import openvino as ov

    core, made = ov.Core(), []
    for job in jobs:
        model = core.compile_model(core.read_model(str(job.path)), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
        made.append([np.asarray(model(each)[0]).copy() for each in job.inputs])
    return made


def elsewhere(command: Sequence[str]) -> Runtime:
    """A program that reads a plan and writes what each file gives."""

    def run(jobs: Sequence[Job], folder: Path) -> list[list[Array]]:
        plan = []
        for i, job in enumerate(jobs):
            given = []
            for j, array in enumerate(job.inputs):
                path = folder / f"{i}-{j}.in"
                array.tofile(path)
                out = str(path.with_suffix(".out"))
                given.append({"path": str(path), "type": str(array.dtype), "dims": array.shape, "out": out})
            plan.append({"file": str(job.path), "inputs": given})
        (folder / "plan.json").write_text(json.dumps(plan))
        program, script, *more = command
        subprocess.run([program, script, str(folder / "plan.json"), *more], check=True, stdout=subprocess.DEVNULL)
        return [
            [
                np.fromfile(folder / f"{i}-{j}.out", np.uint8 if job.path.stem == "resize" else np.float32).reshape(
                    shape
                )
                for j, shape in enumerate(job.shapes)
            ]
            for i, job in enumerate(jobs)
        ]

    return run


def whole_blocks(image: Image.Image, contract: Contract) -> Image.Image:
    """Of a segmentation, as much of an image as has sides that need no padding."""
    if not contract.per_pixel:
        return image
    sides = (contract.divisor,) * 2 if contract.free_sides else contract.sides[::-1]
    width, height = (side - side % block for side, block in zip(image.size, sides, strict=True))
    return image.crop((0, 0, width, height))


def probabilities(contract: Contract, given: Array) -> Array:
    """What a plain file gives, `(1, outputs, ...)`, as probabilities of its classes, `(classes, ...)`."""
    logits = given[0].astype(np.float64)
    made: Array = softmax(logits, axis=0) if contract.activation == "softmax" else expit(logits)
    return np.concatenate([1 - made, made]) if contract.per_pixel and len(made) == 1 else made


def decided(contract: Contract, rows: Sequence[Array]) -> list[Array]:
    """The decision on each image, or on each of its pixels."""
    if not contract.per_pixel:
        return list(contract.rule.decisions(np.stack(rows), contract.class_names))
    if contract.mask_threshold is not None:
        return [row[1] >= contract.mask_threshold for row in rows]
    return [row.argmax(axis=0) for row in rows]


def of_file(
    path: Path, images: Sequence[Image.Image], folder: Path, runtimes: dict[str, Runtime]
) -> list[dict[str, Any]]:
    """A row for each runtime, with and without embedded preprocessing."""
    model = OnnxModel(path, threads=1)
    own = model.contract
    seen = [whole_blocks(image, own) for image in images]
    pixels = [trained_on(image, own) for image in seen]
    mean, std = (np.array(values, np.float32).reshape(3, 1, 1) for values in (own.mean, own.std))
    plain = [((each / np.float32(255) - mean) / std)[None] for each in pixels]
    whole = [np.ascontiguousarray(decoded(image).transpose(1, 2, 0)[None]) for image in seen]
    if own.per_pixel:
        wanted: list[Array] = list(model.maps(pixels, in_windows=False))
    else:
        wanted = list(model.predict_images(seen))
    right = decided(own, wanted)
    embedded = folder / "embedded.onnx"
    onnx.save(embed_preprocessing(onnx.load(str(path)), own), str(embedded))
    shape = (1, own.outputs, *((1, 1) if own.per_pixel else ()))
    jobs = [
        Job(path, plain, [(*shape[:2], *x.shape[2:]) if own.per_pixel else shape for x in plain]),
        Job(embedded, whole, [(1, *row.shape) for row in wanted]),
    ]
    rows: list[dict[str, Any]] = []
    for name, run in runtimes.items():
        try:
            made = run(jobs, folder)
        except Exception as error:  # each runtime has its own
            rows.append({"file": path.name, "runtime": name, "failed": str(error).splitlines()[0][:200]})
            continue
        for what, outputs in zip(("plain", "embedded"), made, strict=True):
            got = [probabilities(own, each) if what == "plain" else each[0] for each in outputs]
            answers = decided(own, got)
            changed = sum(int(np.sum(a != b)) for a, b in zip(answers, right, strict=True))
            total = sum(np.size(each) for each in right)
            difference = max(float(np.abs(a - b).max()) for a, b in zip(got, wanted, strict=True))
            rows.append(
                {
                    "file": path.name,
                    "kind": str(own.kind),
                    "precision": own.precision,
                    "input": what,
                    "runtime": name,
                    "max_abs": difference,
                    "changed": changed,
                    "decisions": total,
                }
            )
    return rows


def resize_graph(resizing: Resizing, *, by_resize: bool = False) -> bytes:
    """A file that resizes `(n, c, h, w)` uint8: as embedded preprocessing does it, or by ONNX's operator."""
    nodes = Nodes("resize/")
    if by_resize:
        shape = np.array(resizing.sides, np.int64)
        mode = "linear" if resizing.interpolation == "bilinear" else "cubic"
        extra = {"antialias": 1, "axes": [2, 3], "cubic_coeff_a": -0.5, "exclude_outside": 1, "mode": mode}
        nodes.add("Resize", "image", "", "", shape, output="pixels", **extra)
    else:
        fitted(nodes, "image", resizing, output="pixels")
    ends = [
        helper.make_tensor_value_info(name, TensorProto.UINT8, ["n", "c", *sides])
        for name, sides in (("image", ["h", "w"]), ("pixels", [*resizing.sides]))
    ]
    graph = helper.make_graph(nodes.nodes, "resize", ends[:1], ends[1:], nodes.constants)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    content: bytes = made.SerializeToString()
    return content


def of_resizing(folder: Path, runtimes: dict[str, Runtime]) -> list[dict[str, Any]]:
    """A row for each side and filter: pixels that differ, and times."""
    noise = np.random.default_rng(0)
    images = [noise.integers(0, 256, (*size, 3), dtype=np.uint8) for size in SIZES]
    rows = []
    for interpolation in FILTERS:
        for side in SIDES:
            resizing = Resizing((side, side), interpolation)
            path = folder / "resize.onnx"
            path.write_bytes(resize_graph(resizing))
            wanted = [resizing.pixels(Image.fromarray(image), 3) for image in images]
            fed = [np.ascontiguousarray(image.transpose(2, 0, 1)[None]) for image in images]
            job = Job(path, fed, [(1, 3, side, side)] * len(fed))
            differing = {}
            for name, run in runtimes.items():
                made = run([job], folder)[0]
                steps = [np.abs(a[0].astype(int) - b) for a, b in zip(made, wanted, strict=True)]
                share = sum(int((step > 0).sum()) for step in steps) / sum(step.size for step in steps)
                differing[name] = {"share": share, "levels": max(int(step.max()) for step in steps)}
            own, operator = (one_thread(resize_graph(resizing, by_resize=by)) for by in (False, True))
            times: tuple[list[float], list[float]] = ([], [])
            for _ in range(TURNS):
                for session, spent in zip((own, operator), times, strict=True):
                    start = time.perf_counter()
                    session.run(None, {"image": fed[1]})
                    spent.append(1000 * (time.perf_counter() - start))
            timed = {"ms": median(times[0]), "operator_ms": median(times[1])}
            rows.append({"interpolation": interpolation, "side": side, "differing": differing, **timed})
            print(rows[-1], flush=True)
    return rows


def main() -> None:
    """Print each row, write all of them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", metavar="FILE=IMAGES")
    parser.add_argument("--package", type=Path, help="an unpacked onnxruntime-web")
    parser.add_argument("--older", help="a Python that has another onnxruntime")
    parser.add_argument("--images", type=int, default=40, help="of each folder, evenly spread")
    parser.add_argument("--results", type=Path, default=RESULTS)
    asked = parser.parse_args()
    versions = measured_on()
    runtimes: dict[str, Runtime] = {f"onnxruntime {ort.__version__}": here}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        try:
            import openvino as ov
        except ImportError:
            print("OpenVINO isn't installed: left out")
        else:
            runtimes[f"OpenVINO {ov.__version__.partition('-')[0]}"] = openvino
        if asked.package:
            version = json.loads((asked.package / "package.json").read_text())["version"]
            (folder / "run.mjs").write_text(NODE)
            command = ["node", str(folder / "run.mjs"), str(asked.package.resolve())]
            runtimes[f"onnxruntime-web {version}"] = elsewhere(command)
        if asked.older:
            (folder / "run.py").write_text(PYTHON)
            tell = [asked.older, "-c", "import onnxruntime; print(onnxruntime.__version__)"]
            version = subprocess.run(tell, capture_output=True, text=True, check=True).stdout.strip()
            runtimes[f"onnxruntime {version}"] = elsewhere([asked.older, str(folder / "run.py")])
        rows = []
        for given in asked.files:
            file, _, images = given.partition("=")
            paths = read_image_lists([Path(images)], Columns()).paths
            chosen = [open_image(path) for path in paths[:: max(1, len(paths) // asked.images)][: asked.images]]
            for row in of_file(Path(file), chosen, folder, runtimes):
                rows.append(row | {"images": len(chosen)})
                print(rows[-1], flush=True)
        content = {"files": rows, "resizing": of_resizing(folder, runtimes), **versions}
    asked.results.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
