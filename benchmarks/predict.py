"""CPU seconds of `ttl predict` on a folder of images against plain onnxruntime and Pillow, in turns in one process.

    python benchmarks/predict.py xray-run/model.onnx data/xray

What starting takes is left aside: both have the file open and their libraries imported. ttl does all that the command
does from the list of images to the lines of JSON: it finds out what kind each file is, turns it upright, looks whether
it is nearly of one colour, decides. The plain way opens each file with Pillow, converts, resizes and normalises it, and
runs batches of the same size. The first turn of each fills the file system's cache and
isn't counted. CPU seconds are those of all threads of the process.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from time import perf_counter, process_time

import numpy as np
import numpy.typing as npt
import onnxruntime as ort
import torch
from PIL import Image
from scipy.special import softmax
from shared import measured_on

from ttl.cli.prediction_rows import image_rows
from ttl.cost.session import resolve_threads
from ttl.data import ImageList, read_image_lists
from ttl.data.modality.dicom import EXTENSIONS
from ttl.export.images_through import TOGETHER
from ttl.export.run import OnnxModel

HERE = Path(__file__).resolve().parents[1]
LIMIT = 1.3
Rows = npt.NDArray[np.float64]


def with_ttl(model: OnnxModel, images: ImageList) -> Rows:
    """The probabilities `(n, classes)`, once the rows are lines of JSON."""
    lines = [json.dumps(row.json) for row in image_rows(model, images, model.contract.rule)]
    return np.array([list(json.loads(line)["probabilities"].values()) for line in lines])


def plain(session: ort.InferenceSession, model: OnnxModel, paths: Sequence[Path]) -> Rows:
    """The same without ttl, of images with 8 bits a channel that are stored upright."""
    own = model.contract
    height, width = own.sides
    mean, std = (np.array(values, np.float32)[:, None, None] for values in (own.mean, own.std))
    mode, resampling = "L" if own.channels == 1 else "RGB", Image.Resampling[own.decoding.interpolation.upper()]
    rows = []
    for start in range(0, len(paths), TOGETHER):
        inputs = []
        for path in paths[start : start + TOGETHER]:
            with Image.open(path) as image:
                resized = image.convert(mode).resize((width, height), resampling)
            pixels = np.asarray(resized, np.float32) / 255
            inputs.append(((pixels[None] if own.channels == 1 else pixels.transpose(2, 0, 1)) - mean) / std)
        rows.append(softmax(np.asarray(session.run(None, {"image": np.stack(inputs)})[0], np.float64), axis=1))
    return np.concatenate(rows)


def main() -> None:
    """Print medians, and the median of the ratios of the turns that lie beside each other."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("images", type=Path)
    parser.add_argument("--most", type=int, default=300, help="images")
    parser.add_argument("--turns", type=int, default=9)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--results", type=Path, default=HERE / "benchmarks" / "results" / "predict.json")
    asked = parser.parse_args()
    threads = resolve_threads(asked.threads)
    torch.set_num_threads(1)  # as the command does
    model, found = OnnxModel(asked.model, threads), read_image_lists([asked.images])
    some = [path for path in found.paths if path.suffix.lower() not in EXTENSIONS]
    step = max(1, len(some) // asked.most)
    paths = tuple(some[::step][: asked.most])
    images = ImageList(paths, ("",) * len(paths), found.root)
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    session = ort.InferenceSession(str(asked.model), options, providers=["CPUExecutionProvider"])
    ways: dict[str, Callable[[], Rows]] = {
        "ttl": lambda: with_ttl(model, images),
        "plain": lambda: plain(session, model, paths),
    }
    cpu: dict[str, list[float]] = {name: [] for name in ways}
    wall: dict[str, list[float]] = {name: [] for name in ways}
    given: dict[str, Rows] = {}
    for turn in range(asked.turns + 1):
        for name in list(ways)[:: 1 if turn % 2 else -1]:
            before, start = process_time(), perf_counter()
            given[name] = ways[name]()
            if turn:
                cpu[name].append(process_time() - before)
                wall[name].append(perf_counter() - start)
    ratio = median(own / other for own, other in zip(cpu["ttl"], cpu["plain"], strict=True))
    differ = float(np.abs(given["ttl"] - given["plain"]).max())
    seconds = {
        what: {name: median(values) for name, values in of.items()} for what, of in (("cpu_s", cpu), ("wall_s", wall))
    }
    figures = {
        "model": asked.model.name,
        "images": len(paths),
        "turns": asked.turns,
        "threads": threads,
        **seconds,
        "cpu_ratio": ratio,
        "limit": LIMIT,
        "largest_difference_of_a_probability": differ,
    }
    for what, medians in seconds.items():
        print(f"{what:7} " + "  ".join(f"{name} {value:.3f}" for name, value in medians.items()))
    print(f"ratio of CPU seconds {ratio:.3f}, of at most {LIMIT}; probabilities differ by {differ:.2g} at most")
    asked.results.write_text(json.dumps({**figures, **measured_on()}, indent=1) + "\n")


if __name__ == "__main__":
    main()
