"""A PyTorch model as one ONNX file that is there only if it passed every check."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import onnx
import torch
from PIL import Image
from torch import nn

from ttl.errors import ExportError, LatencyError, UsageError
from ttl.export.embed import (
    GREY_TOLERANCE,
    PROBABILITIES,
    PROBABILITY_TOLERANCE,
    check_preprocessing,
    embed_preprocessing,
)
from ttl.export.files import provisional
from ttl.export.gate import Check, Judge, Judgement, check_graph, elsewhere, no_judge, parity_checks
from ttl.export.half import Half
from ttl.export.metadata import Metadata, to_properties
from ttl.export.parity import Parity, check_parity
from ttl.export.quantize import Quantized, Verdict, quantize
from ttl.export.run import OnnxModel
from ttl.export.translate import opset_of, translate

ONE_FILE_LIMIT_BYTES = 2**31 - 1  # protobuf's limit for a message

Precision = Literal["fp32", "fp16", "int8"]


@dataclass(frozen=True)
class Calibration:
    """What int8 is made with.

    Attributes:
        images: `(n, 3, h, w)` float32, normalised training images: no other data may shape the file.
        accept: recomputes the metric on validation data from a candidate; where it refuses, layers stay in float.
        weight_bits: 8, or 7 for processors whose 16-bit sums would overflow (x86 without VNNI).
    """

    images: torch.Tensor
    accept: Callable[[onnx.ModelProto], Verdict]
    weight_bits: Literal[7, 8] = 7


@dataclass(frozen=True)
class ExportResult:
    """A written file that passed its checks."""

    path: Path
    size_bytes: int
    sha256: str
    opset: int
    precision: Precision
    parity: Parity
    free_sides: bool
    """Whether it takes images of any size."""
    checks: tuple[Check, ...]
    judgement: Judgement
    quantized: Quantized | None = None


def export_onnx(
    model: nn.Module,
    path: str | Path,
    *,
    check_on: torch.Tensor,
    metadata: Metadata | None = None,
    opset: int | None = None,
    divisor: int | None = None,
    precision: Precision = "fp32",
    calibration: Calibration | None = None,
    decoded: Sequence[Image.Image] = (),
    judge: Judge = no_judge,
    devices: Sequence[str] = (),
) -> ExportResult:
    """Write a model as ONNX: input `image`, output `logits`, any batch size, weights inside the file.

    The file is written under a temporary name beside `path` and renamed when it has passed: the ONNX checker;
    names, shapes and a batch size that is free; the comparison with PyTorch in float32 and float64 on real images,
    at several batch sizes, with graph optimisation off and on (`check_parity`); and `judge`. So what stands under
    `path` is checked; after a failure, what stood there before still does. The model is copied: its mode, device and
    weights stay as they are.

    Args:
        model: takes `(n, 3, h, w)` float32 normalised images, returns logits `(n, classes)`, or `(n, outputs, h, w)`.
        path: the file to write; its folder is made when missing.
        check_on: `(n, 3, h, w)` float32, real normalised images, at least 1; 7 are used.
        metadata: written into the file, so that it can be fed images without anything else.
        opset: version of the ONNX operators; the exporter's own choice by default.
        divisor: of a network that takes images of any size with sides that are multiples of it: the file does, too.
            None fixes the sides to those of `check_on`.
        precision: of the weights and of what is computed; inputs and outputs are float32 in each.
        calibration: what int8 needs, and only int8.
        decoded: images as a decoder returns them. Where given, the file takes such images, uint8
            `(n, height, width, channels)` of any size, and gives `probabilities`; it needs `metadata`, and is checked
            on them against the training pipeline.
        judge: a last check of the written file, with data of the task.
        devices: beside the CPU, that the file is meant for (`cuda`): it is run there too where onnxruntime can, and
            the result says where it can't.

    Raises:
        ExportError: the model can't be exported with a free batch size, or the file can't be written.
        GateError: the file doesn't compute what the model computes, or was refused.
        UsageError: options that don't go together.

    Example:
        >>> import tempfile, torch
        >>> model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(12, 2))
        >>> folder = tempfile.mkdtemp()
        >>> export_onnx(model, f"{folder}/model.onnx", check_on=torch.rand(3, 3, 2, 2)).parity.batches
        (1, 2, 7)
    """
    if (precision == "int8") != (calibration is not None):
        raise UsageError("int8 needs a calibration, and the other precisions have none.")
    if decoded and metadata is None:
        raise UsageError("A file that takes decoded images needs metadata, which says how to make pixels of them.")
    path, images = Path(path), _checked(check_on)
    if metadata is not None:
        metadata = replace(metadata, precision=precision)
    still = copy.deepcopy(model).cpu().eval()
    graph = translate(Half(still).eval() if precision == "fp16" else still, images, opset=opset, divisor=divisor)
    _describe(graph, metadata)
    quantized = None
    if calibration is not None:
        quantized = quantize(graph, calibration.images.numpy(), calibration.accept, weight_bits=calibration.weight_bits)
        graph = quantized.graph
    with provisional(path) as unchecked:
        _write(graph, unchecked)
        checks = check_graph(unchecked)
        parity = _compare(still, unchecked, images, divisor=divisor, precision=precision)
        compared = parity_checks(parity) + _kept(quantized)
        compared += tuple(_on_device(device, still, unchecked, images, precision) for device in devices)
        if decoded and metadata is not None:
            metadata = replace(metadata, embeds_preprocessing=True)
            graph, embedded = _embedded(graph, metadata, unchecked, decoded)
            checks, compared = check_graph(unchecked, output=PROBABILITIES), (*compared, embedded)
        judgement = judge(unchecked)
        content = _finished(graph, metadata, parity)
        unchecked.write_bytes(content)
    return ExportResult(
        path=path,
        size_bytes=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        opset=opset_of(graph),
        precision=precision,
        parity=parity,
        free_sides=divisor is not None,
        checks=(*checks, *compared, *judgement.checks),
        judgement=judgement,
        quantized=quantized,
    )


def _checked(images: torch.Tensor) -> torch.Tensor:
    if images.ndim != 4 or images.shape[0] < 1 or not images.is_floating_point():
        raise ExportError(
            f"check_on is {images.dtype} of shape {tuple(images.shape)}: give at least one normalised image, "
            "float of shape (n, 3, height, width)."
        )
    return images.detach().to("cpu", torch.float32)


def _describe(graph: onnx.ModelProto, metadata: Metadata | None) -> None:
    if metadata is not None:
        onnx.helper.set_model_props(graph, to_properties(metadata))


def _compare(
    model: nn.Module, path: Path, images: torch.Tensor, *, divisor: int | None, precision: Precision
) -> Parity:
    parity = check_parity(model, path, images, precision=precision)
    if divisor is not None:
        check_parity(model, path, _oblong(images, divisor), batches=(1,), precision=precision)
    return parity


def _write(graph: onnx.ModelProto, path: Path) -> None:
    if graph.ByteSize() > ONE_FILE_LIMIT_BYTES:
        raise ExportError(f"The file would be {graph.ByteSize()} bytes: one ONNX file holds 2 GB; cut the model lower.")
    path.write_bytes(graph.SerializeToString())


def _kept(quantized: Quantized | None) -> tuple[Check, ...]:
    if quantized is None:
        return ()
    kept = f"{len(quantized.kept_in_float)} of {quantized.of_nodes}"
    return (Check("Layers kept in float", f"{kept}, by the metric on the validation images"),)


def _oblong(images: torch.Tensor, divisor: int) -> torch.Tensor:
    """Parts of the images with other sides, each a multiple of the divisor."""
    shares = zip((0.5, 0.75), images.shape[2:], strict=True)
    height, width = (max(1, round(share * side / divisor)) * divisor for share, side in shares)
    return images[:, :, :height, :width]


def _on_device(device: str, model: nn.Module, path: Path, images: torch.Tensor, precision: Precision) -> Check:
    try:
        return elsewhere(device, check_parity(model, path, images, precision=precision, device=device))
    except LatencyError as error:
        return elsewhere(device, str(error))


def _embedded(
    graph: onnx.ModelProto, metadata: Metadata, unchecked: Path, decoded: Sequence[Image.Image]
) -> tuple[onnx.ModelProto, Check]:
    """The graph that takes decoded images, in place of the plain one that was checked."""
    plain = OnnxModel(unchecked)  # loaded whole: the file may be written again
    embedded = embed_preprocessing(graph, metadata)
    _write(embedded, unchecked)
    found = check_preprocessing(OnnxModel(unchecked), plain, decoded)
    said = (
        f"pixels differ by {found.grey_levels} of 255, probabilities by {found.max_abs:.2g}, on {found.images} images"
    )
    wanted = f"{GREY_TOLERANCE} and {PROBABILITY_TOLERANCE}"
    return embedded, Check("Decoded images against the training pipeline", said, wanted)


def _finished(graph: onnx.ModelProto, metadata: Metadata | None, parity: Parity) -> bytes:
    """The file's bytes, with what the checks found among its metadata."""
    if metadata is not None:
        measured = {"max_abs": parity.max_abs, "tolerance": parity.tolerance, "float64_max_abs": parity.float64_max_abs}
        _describe(graph, replace(metadata, parity=measured))
    content: bytes = graph.SerializeToString()
    return content
