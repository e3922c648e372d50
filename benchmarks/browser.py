"""Exported files in a browser: onnxruntime-web's answers and time beside onnxruntime's.

    npm pack onnxruntime-web && tar xzf onnxruntime-web-*.tgz
    python benchmarks/browser.py model.onnx --package package --images scans/

Opens headless Chromium on a page served on this machine, which runs each file with the wasm backend on one thread. The
inputs are images of the folder, else noise; files with embedded preprocessing get them decoded, the others normalised.
Prints a table: the largest difference of an output, how many decisions differ, and the median time of 20 runs of the
first input, in both. WebGPU and WebGL aren't run.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from ttl.cost.session import hardware
from ttl.data import open_image, read_image_lists
from ttl.export.contract import Contract
from ttl.export.run import OnnxModel, decoded

RESULTS = Path(__file__).parent / "results" / "browser.json"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update",
)  # fmt: skip
RUNS, WARM_UP = 20, 3
SHAPES = ((224, 224), (512, 384), (90, 117))
"""Height and width of the noise that stands for decoded images."""
PAGE = """<!doctype html><script type="module">
const send = value => fetch("/result", {method: "POST", body: JSON.stringify(value)});
try {
  const ort = await import("/package/dist/ort.wasm.min.mjs");
  ort.env.wasm.numThreads = 1;
  ort.env.wasm.wasmPaths = "/package/dist/";
  const results = [];
  for (const {file, inputs} of await (await fetch("/plan.json")).json()) {
    const session = await ort.InferenceSession.create(file, {executionProviders: ["wasm"]});
    const run = async tensor => (await session.run({[session.inputNames[0]]: tensor}))[session.outputNames[0]];
    const tensors = [], outputs = [], times = [];
    for (const {path, type, dims} of inputs) {
      const bytes = await (await fetch(path)).arrayBuffer();
      tensors.push(new ort.Tensor(type, type === "uint8" ? new Uint8Array(bytes) : new Float32Array(bytes), dims));
    }
    for (const tensor of tensors) outputs.push(Array.from((await run(tensor)).data));
    for (let i = 0; i < WARM_UP + RUNS; i++) {
      const start = performance.now();
      await run(tensors[0]);
      if (i >= WARM_UP) times.push(performance.now() - start);
    }
    results.push({outputs, times});
  }
  await send({results, browser: navigator.userAgent});
} catch (error) { await send({error: String(error)}); }
</script>"""

Array = npt.NDArray[Any]


class Server(ThreadingHTTPServer):
    """Serves a folder on this machine and waits for the page's answer."""

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
        self.answer: dict[str, Any] = {}
        self.answered = threading.Event()


class Handler(SimpleHTTPRequestHandler):
    """Files, and one POST."""

    def do_POST(self) -> None:
        """Take the answer."""
        assert isinstance(self.server, Server)
        self.server.answer = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(204)
        self.end_headers()
        self.server.answered.set()

    def log_message(self, *_: Any) -> None:
        """Keep quiet."""


def main() -> None:
    """Parse, run here and in the browser, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--package", type=Path, required=True, help="an unpacked onnxruntime-web")
    parser.add_argument("--images", type=Path, help="a folder of images; noise without it")
    parser.add_argument("--count", type=int, default=20, help="images taken, evenly spread over the folder")
    parser.add_argument("--seconds", type=float, default=600, help="how long to wait for the browser")
    parser.add_argument("--out", type=Path, default=RESULTS)
    args = parser.parse_args()
    models = [OnnxModel(path, threads=1) for path in args.files]
    fed = [inputs(model.contract, taken(args.images, args.count)) for model in models]
    with tempfile.TemporaryDirectory() as folder:
        lay_out(Path(folder), args.files, fed, args.package)
        answer = browse(Path(folder), args.seconds)
    rows = [row(*each) for each in zip(models, fed, answer["results"], strict=True)]
    version = json.loads((args.package / "package.json").read_text())["version"]
    content = {
        "browser": answer["browser"],
        "onnxruntime_web": version,
        "backend": "wasm, 1 thread",
        "inputs": "images" if args.images else "noise",
        "hardware": asdict(hardware()),
        "rows": rows,
    }
    args.out.write_text(json.dumps(content, indent=1) + "\n")
    print(f"{'file':<28} {'max diff':>9} {'of':>7} {'decisions changed':>18} {'browser ms':>11} {'onnxruntime ms':>15}")
    for line in rows:
        changed = f"{line['decisions_changed']} of {line['decisions']}"
        times = f"{line['browser_ms']:>11.1f} {line['onnxruntime_ms']:>15.1f}"
        print(f"{line['file']:<28} {line['max_abs']:>9.1e} {line['scale']:>7.2g} {changed:>18} {times}")


def taken(folder: Path | None, count: int) -> list[Image.Image]:
    """Images of a folder, evenly spread, or of noise."""
    if folder is None:
        noise = np.random.default_rng(0)
        return [Image.fromarray(noise.integers(0, 256, (*shape, 3), dtype=np.uint8)) for shape in SHAPES]
    paths = read_image_lists([folder]).paths
    return [open_image(path) for path in paths[:: max(1, len(paths) // count)][:count]]


def inputs(said: Contract, images: Sequence[Image.Image]) -> list[Array]:
    """What a file is fed for each image."""
    if said.embeds_preprocessing:
        return [np.ascontiguousarray(decoded(image).transpose(1, 2, 0)[None]) for image in images]
    mean, std = (np.array(values, np.float32).reshape(3, 1, 1) for values in (said.mean, said.std))
    squashed = (said.resizing.pixels(image, said.channels) for image in images)
    return [((pixels / np.float32(255) - mean) / std)[None] for pixels in squashed]


def lay_out(folder: Path, files: Sequence[Path], fed: Sequence[Sequence[Array]], package: Path) -> None:
    """What the page asks for."""
    page = PAGE.replace("WARM_UP", str(WARM_UP)).replace("RUNS", str(RUNS))
    (folder / "index.html").write_text(page)
    (folder / "package").symlink_to(package.resolve())
    plan = []
    for i, (file, arrays) in enumerate(zip(files, fed, strict=True)):
        shutil.copyfile(file, folder / f"{i}.onnx")
        told = []
        for j, array in enumerate(arrays):
            (folder / f"{i}-{j}.bin").write_bytes(array.tobytes())
            told.append({"path": f"{i}-{j}.bin", "type": str(array.dtype), "dims": array.shape})
        plan.append({"file": f"{i}.onnx", "inputs": told})
    (folder / "plan.json").write_text(json.dumps(plan))


def browse(folder: Path, seconds: float) -> dict[str, Any]:
    """The page's answer."""
    browser = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if browser is None:
        raise SystemExit(f"None of {', '.join(BROWSERS)} is installed: install one.")
    with Server(folder) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/"
        command = [browser, *FLAGS, f"--user-data-dir={folder / 'profile'}", url]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        answered = server.answered.wait(seconds)
        process.terminate()
        process.wait()
        server.shutdown()
    if not answered or "error" in server.answer:
        raise SystemExit(f"The browser didn't finish: {server.answer.get('error', f'no answer in {seconds:.0f} s')}")
    return server.answer


def row(model: OnnxModel, fed: Sequence[Array], answer: dict[str, Any]) -> dict[str, Any]:
    """One file's figures."""
    wanted = [model.run(array) for array in fed]
    got = [np.array(values, np.float32).reshape(w.shape) for values, w in zip(answer["outputs"], wanted, strict=True)]
    changed = [decisions(one) != decisions(other) for one, other in zip(got, wanted, strict=True)]
    times = []
    for i in range(WARM_UP + RUNS):
        start = time.perf_counter()
        model.run(fed[0])
        times += [(time.perf_counter() - start) * 1e3] if i >= WARM_UP else []
    said = model.contract
    return {
        "file": model.path.name,
        "precision": said.precision,
        "embeds_preprocessing": said.embeds_preprocessing,
        "size_bytes": model.path.stat().st_size,
        "first_input": list(fed[0].shape),
        "inputs": len(fed),
        "max_abs": max(float(np.abs(one - other).max()) for one, other in zip(got, wanted, strict=True)),
        "scale": max(float(np.abs(one).max()) for one in wanted),
        "decisions_changed": int(sum(one.sum() for one in changed)),
        "decisions": int(sum(one.size for one in changed)),
        "browser_ms": round(statistics.median(answer["times"]), 2),
        "onnxruntime_ms": round(statistics.median(times), 2),
    }


def decisions(outputs: Array) -> Array:
    """The class of each image or pixel."""
    return np.asarray(outputs[:, 0] > 0 if outputs.shape[1] == 1 else outputs.argmax(axis=1))


if __name__ == "__main__":
    main()
