"""A PyTorch model as one file that is there only if it passed every check."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import onnx
import torch
from PIL import Image
from torch import nn

from ttl.errors import ExportError, GateError, LatencyError, UsageError
from ttl.export.checks import Check, Judge, Judgement
from ttl.export.contract import Contract, to_properties
from ttl.export.embed.preprocessing import embed_into
from ttl.export.example import to_property
from ttl.export.golden import golden_example, golden_example_embedded
from ttl.export.graph_ends import PROBABILITIES
from ttl.export.onnx_graph import check_graph, opset_of
from ttl.export.parity import Parity, check_parity
from ttl.export.quantize import Quantized
from ttl.export.targets import target_of
from ttl.export.targets.target import Calibration, Order
from ttl.files import provisional, sha256


@dataclass(frozen=True)
class ExportResult:
    """A written file that passed its checks: the size is that of all its files; `free_sides` is whether it takes images
    of any size."""

    path: Path
    size_bytes: int
    sha256: str
    parity: Parity
    free_sides: bool
    checks: tuple[Check, ...]
    judgement: Judgement
    opset: int | None = None
    quantized: Quantized | None = None


def export_model(
    model: nn.Module,
    path: str | Path,
    *,
    check_on: torch.Tensor,
    contract: Contract | None = None,
    opset: int | None = None,
    divisor: int | None = None,
    precision: str = "fp32",
    calibration: Calibration | None = None,
    decoded: Sequence[Image.Image] = (),
    judge: Judge = lambda path: Judgement(),
    devices: Sequence[str] = (),
) -> ExportResult:
    """Write a model as ONNX: input `image`, output `logits`, any batch size, weights inside the file.

    The file is written under a temporary name beside `path` and renamed when it has passed: the ONNX checker; names,
    shapes and a free batch size; the comparison with PyTorch (`check_parity`); and `judge`. After a failure, what stood
    there before still does. The model is copied, and left as it is. The file holds digests of itself and, with a
    `contract`, a golden example (`ttl.export.example`).

    Args:
        model: takes `(n, 3, h, w)` float32 normalised images, returns logits `(n, classes)`, or `(n, outputs, h, w)`.
        check_on: `(n, 3, h, w)` float32, real normalised images, at least 1; 7 are used.
        contract: written into the file, so that it can be fed images without anything else.
        opset: the exporter's own choice by default.
        divisor: of a network that takes images of any size with sides that are multiples of it: the file does, too.
            None fixes the sides to those of `check_on`.
        precision: one of `ttl.export.targets.TARGETS`; inputs and outputs are float32 in each.
        calibration: what int8 needs, and only int8.
        decoded: images as a decoder returns them. Where given, the file takes such images, uint8 `(n, h, w, channels)`
            of any size, and gives `probabilities`; it needs a `contract`, and is checked on them.
        judge: a last check of the written file, with data of the task.
        devices: beside the CPU, that the file is meant for (`cuda`): it is run there too, or the result says why not.

    Raises:
        ExportError: the model can't be exported with a free batch size, or the file can't be written.
        GateError: the file doesn't compute what the model computes, or was refused.
        UsageError: options that don't go together.
    """
    row, path = target_of(precision), Path(path)
    if check_on.ndim != 4 or not len(check_on) or not check_on.is_floating_point():
        raise ExportError(
            f"check_on is {check_on.dtype} of shape {tuple(check_on.shape)}: give at least one normalised image, "
            "float of shape (n, 3, height, width)."
        )
    images = check_on.detach().to("cpu", torch.float32)
    if row.is_calibrated != (calibration is not None):
        raise UsageError(f"{precision} {'needs a' if row.is_calibrated else 'takes no'} calibration.")
    if decoded and contract is None:
        raise UsageError("A file that takes decoded images needs a contract, which says how to make pixels of them.")
    if contract is not None:
        contract = replace(contract, precision=precision, free_sides=divisor is not None)
    order = Order(images, contract, opset, divisor, calibration)
    still, judgement, opset = copy.deepcopy(model).cpu().eval(), Judgement(), None
    try:
        with provisional(path) as unchecked, row.beside(unchecked, path):
            quantized = row.write(still, unchecked, order)
            sound = check_graph(unchecked) if row.is_onnx else ()
            parity = check_parity(still, unchecked, images, precision=precision)
            if divisor is not None:
                check_parity(still, unchecked, _oblong(images, divisor), batches=(1,), precision=precision)
            compared = parity.checks(row.how_run)
            if quantized is not None:
                kept = f"{len(quantized.kept_in_float)} of {quantized.of_nodes}, by the metric on the validation images"
                compared += (Check("Layers kept in float", kept),)
            if row.is_onnx:
                compared += tuple(_on_device(device, still, unchecked, images, precision) for device in devices)
            if row.is_described:
                examples: dict[str, str] = {}
                if contract is not None:
                    plain = row.opened(unchecked)  # loaded whole: the file may be written again
                    example, same = golden_example(still, plain, unchecked, images, row)
                    if decoded and row.is_onnx:
                        contract = replace(contract, embeds_preprocessing=True)
                        compared += (embed_into(unchecked, contract, decoded),)
                        sound = check_graph(unchecked, output=PROBABILITIES)
                        example, same = golden_example_embedded(row.opened(unchecked), plain, row)
                    compared, examples = (*compared, same), to_property(example)
                judgement = _judged(judge, unchecked)
                measured = {name: getattr(parity, name) for name in ("max_abs", "tolerance", "float64_max_abs")}
                measured_as = replace(contract, parity=measured, own=judgement.own) if contract else None
                row.seal(unchecked, (to_properties(measured_as) if measured_as else {}) | examples)
            if row.is_onnx:
                opset = opset_of(onnx.load(str(unchecked)))
            size, digest = sum(file.stat().st_size for file in row.files(unchecked)), sha256(unchecked)
    except OSError as error:
        raise ExportError(f"{path} can't be written: {error.strerror or error}; free it or name another.") from error
    return ExportResult(
        path=path,
        size_bytes=size,
        sha256=digest,
        parity=parity,
        free_sides=divisor is not None,
        checks=sound + compared + judgement.checks,
        judgement=judgement,
        opset=opset,
        quantized=quantized,
    )


export_onnx = export_model
"""The public name: without a precision, or with one of them, the file is ONNX."""


def _judged(judge: Judge, path: Path) -> Judgement:
    try:
        return judge(path)
    except ExportError as error:  # NaN for an image of the task's, for one
        raise GateError(str(error)) from error


def _oblong(images: torch.Tensor, divisor: int) -> torch.Tensor:
    """Parts of the images with other sides, each a multiple of the divisor."""
    shares = zip((0.5, 0.75), images.shape[2:], strict=True)
    height, width = (max(1, round(share * side / divisor)) * divisor for share, side in shares)
    return images[:, :, :height, :width]


def _on_device(device: str, model: nn.Module, path: Path, images: torch.Tensor, precision: str) -> Check:
    try:
        found = check_parity(model, path, images, precision=precision, device=device)
    except LatencyError as error:
        return Check(f"On {device}", f"not checked: {error}")
    return Check(f"On {device}", f"differs from PyTorch by {found.max_abs:.2g}", found.allowed)
