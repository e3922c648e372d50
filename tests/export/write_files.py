"""Write toy networks as ONNX files of every kind, with inputs and what the onnxruntime here gives for them.

    python tests/export/write_files.py FOLDER [OPSET]

`run_elsewhere.py` compares another onnxruntime with that.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import torch
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.transformers.float16 import convert_float_to_float16
from torch import nn

from ttl.data.kind import KINDS
from ttl.export.contract import Contract, Decoding, Provenance
from ttl.export.embed.preprocessing import embed_preprocessing
from ttl.export.quiet import quiet
from ttl.export.to_file import export_onnx

SIZE = 32
CONTRACT = Contract(
    kind=KINDS["multiclass"],
    class_names=("one", "two", "three"),
    sides=(SIZE, SIZE),
    channels=3,
    mean=(0.485, 0.456, 0.406),
    std=(0.229, 0.224, 0.225),
    decoding=Decoding("bicubic"),
    provenance=Provenance("toy", "none", "toy", 1, 1, 1, "ab" * 32, "0.1.0"),
)
PIXELS = "pixels"
"""The files of a network that draws."""


def body() -> nn.Sequential:
    """What timm's and torchvision's networks are made of: convolution, BN, SiLU, depthwise convolution, ReLU6."""
    return nn.Sequential(
        nn.Conv2d(3, 16, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(16),
        nn.SiLU(),
        nn.Conv2d(16, 16, 3, padding=1, groups=16, bias=False),
        nn.BatchNorm2d(16),
        nn.ReLU6(),
        nn.Conv2d(16, 24, 1),
        nn.Hardswish(),
    )


def classifier() -> nn.Module:
    """The body, global pooling and a linear layer."""
    return nn.Sequential(body(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.2), nn.Linear(24, 3))


def segmenter() -> nn.Module:
    """The body, enlarged again."""
    return nn.Sequential(body(), nn.Upsample(scale_factor=2, mode="nearest"), nn.Conv2d(24, 1, 3, padding=1))


def seen(network: nn.Module) -> nn.Module:
    """The network with statistics of noise in its BN layers."""
    with torch.no_grad():
        network.train()(torch.randn(32, 3, SIZE, SIZE))
    return network.eval()


class Images(CalibrationDataReader):
    """Noise, for the ranges of activations."""

    def __init__(self, images: np.ndarray) -> None:
        self.feeds = iter([{"image": image[None]} for image in images])

    def get_next(self) -> dict[str, np.ndarray] | None:
        """The next feed."""
        return next(self.feeds, None)


def write(folder: Path, opset: int | None) -> Iterator[str]:
    """Write the files, with the exporter's own opset where none is given; their names without the extension."""
    torch.manual_seed(0)
    images = torch.randn(16, 3, SIZE, SIZE)
    export_onnx(seen(classifier()), folder / "fp32.onnx", check_on=images, contract=CONTRACT, opset=opset)
    onnx.save(convert_float_to_float16(onnx.load(folder / "fp32.onnx"), keep_io_types=True), folder / "fp16.onnx")
    with quiet():
        quantize_static(
            folder / "fp32.onnx",
            folder / "int8.onnx",
            Images(images.numpy()),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            reduce_range=True,  # without it 16 bits may overflow on x86 without VNNI, and versions differ in that
            weight_type=QuantType.QInt8,
            activation_type=QuantType.QUInt8,
        )
    drawing = replace(
        CONTRACT, kind=KINDS["segmentation"], class_names=("a", "b"), free_sides=True, divisor=2, channels=1
    )
    export_onnx(seen(segmenter()), folder / f"{PIXELS}.onnx", check_on=images, contract=drawing, divisor=2, opset=opset)
    for name in ("fp32", "fp16", "int8", PIXELS):
        yield name
        own = drawing if name == PIXELS else CONTRACT
        onnx.save(embed_preprocessing(onnx.load(folder / f"{name}.onnx"), own), folder / f"{name}-embedded.onnx")
        yield f"{name}-embedded"


def main() -> None:
    """Write the files, and beside each NAME.npz: inputs `in0`, `in1`, ... and outputs `out0`, ..."""
    folder, opset = Path(sys.argv[1]), next(map(int, sys.argv[2:]), None)
    folder.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(0)
    normalised = [noise.standard_normal((n, 3, SIZE, SIZE), np.float32) for n in (1, 5)]
    shapes = [(2, 32, 32, 3), (1, 100, 41, 3), (1, 20, 30, 1), (1, 1, 1, 1)]
    decoded = [noise.integers(0, 256, shape, dtype=np.uint8) for shape in shapes]
    for name in write(folder, opset):
        session = ort.InferenceSession(str(folder / f"{name}.onnx"), providers=["CPUExecutionProvider"])
        inputs = decoded if name.endswith("-embedded") else normalised
        values = {f"in{i}": image for i, image in enumerate(inputs)}
        values |= {f"out{i}": session.run(None, {"image": image})[0] for i, image in enumerate(inputs)}
        np.savez(folder / f"{name}.npz", **values)


if __name__ == "__main__":
    main()
