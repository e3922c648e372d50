"""A PyTorch model as one ONNX file that is there only if it passed every check."""

from __future__ import annotations

import copy
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx
import torch
from torch import nn

from ttl.errors import ExportError
from ttl.export.metadata import Metadata, to_properties
from ttl.export.parity import Parity, check_parity
from ttl.export.quiet import quiet
from ttl.export.structure import INPUT, OUTPUT, check_structure, strip

ONE_FILE_LIMIT_BYTES = 2**31 - 1  # protobuf's limit for a message


@dataclass(frozen=True)
class ExportResult:
    """A written file that passed its checks."""

    path: Path
    size_bytes: int
    opset: int
    precision: str
    parity: Parity
    free_sides: bool
    """Whether it takes images of any size."""


def export_onnx(
    model: nn.Module,
    path: str | Path,
    *,
    check_on: torch.Tensor,
    metadata: Metadata | None = None,
    opset: int | None = None,
    divisor: int | None = None,
) -> ExportResult:
    """Write a model as ONNX: input `image`, output `logits`, any batch size, weights inside the file.

    The file is written under a temporary name beside `path` and renamed when the ONNX checker and the
    comparison with PyTorch have passed, so what stands under `path` is checked; after a failure, what stood
    there before still does. The model is copied: its mode, device and weights stay as they are.

    Args:
        model: takes `(n, 3, h, w)` float32 normalised images, returns logits `(n, classes)`, or `(n, outputs, h, w)`.
        path: the file to write; its folder is made when missing.
        check_on: `(n, 3, h, w)` float32, real normalised images, at least 1; 7 are used.
        metadata: written into the file, so that it can be fed images without anything else.
        opset: version of the ONNX operators; the exporter's own choice by default.
        divisor: of a network that takes images of any size with sides that are multiples of it: the file does, too.
            None fixes the sides to those of `check_on`.

    Raises:
        ExportError: when the model can't be exported with a free batch size, the file can't be written, or
            it doesn't compute what the model computes.

    Example:
        >>> import tempfile, torch
        >>> model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(12, 2))
        >>> folder = tempfile.mkdtemp()
        >>> export_onnx(model, f"{folder}/model.onnx", check_on=torch.rand(3, 3, 2, 2)).parity.batches
        (1, 2, 7)
    """
    path = Path(path)
    images = _checked(check_on)
    still = copy.deepcopy(model).cpu().eval()
    graph = _translate(still, images, opset, divisor)
    strip(graph)
    check_structure(graph, free_sides=divisor is not None)
    if metadata is not None:
        onnx.helper.set_model_props(graph, to_properties(metadata))
    return _write(graph, path, still, images, divisor)


def _checked(images: torch.Tensor) -> torch.Tensor:
    if images.ndim != 4 or images.shape[0] < 1 or not images.is_floating_point():
        raise ExportError(
            f"check_on is {images.dtype} of shape {tuple(images.shape)}: give at least one normalised image, "
            "float of shape (n, 3, height, width)."
        )
    return images.detach().to("cpu", torch.float32)


def _free(divisor: int | None) -> dict[int, Any]:
    """The free dimensions of the input."""
    free: dict[int, Any] = {0: torch.export.Dim("batch")}
    if divisor is not None:
        for axis, name in ((2, "height"), (3, "width")):
            side = torch.export.Dim(name if divisor == 1 else f"{name}_{divisor}", min=1, max=2**20 // divisor)
            free[axis] = side if divisor == 1 else divisor * side
    return free


def _translate(model: nn.Module, images: torch.Tensor, opset: int | None, divisor: int | None) -> onnx.ModelProto:
    # Two images: a batch of one would be taken for a constant.
    example = images[torch.arange(2) % len(images)]
    if divisor is not None and min(images.shape[2:]) < 2 * divisor:  # so would be a side of one divisor
        example = example.repeat(1, 1, 2, 2)
    try:
        with quiet(), torch.no_grad():
            program = torch.onnx.export(
                model,
                (example,),
                dynamo=True,
                verbose=False,
                input_names=[INPUT],
                output_names=[OUTPUT],
                dynamic_shapes=(_free(divisor),),
                opset_version=opset,
            )
    except Exception as error:  # the exporter raises whatever the model's forward or an operator raises
        raise ExportError(f"The model can't be exported to ONNX: {_first_cause(error)}") from error
    if program is None:
        raise ExportError("The model can't be exported to ONNX: the exporter returned nothing.")
    graph = program.model_proto
    if opset is not None and _opset(graph) != opset:
        raise ExportError(f"Opset {opset} can't be had for this model: the exporter gives {_opset(graph)}; use that.")
    return graph


def _write(
    graph: onnx.ModelProto, path: Path, model: nn.Module, images: torch.Tensor, divisor: int | None
) -> ExportResult:
    if graph.ByteSize() > ONE_FILE_LIMIT_BYTES:
        raise ExportError(f"{path} would be {graph.ByteSize()} bytes: one ONNX file holds 2 GB; cut the model lower.")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _provisional(path) as unchecked:
            unchecked.write_bytes(graph.SerializeToString())
            onnx.checker.check_model(str(unchecked), full_check=True)
            parity = check_parity(model, unchecked, images)
            if divisor is not None:
                check_parity(model, unchecked, _oblong(images, divisor), batches=(1,))
            size_bytes = unchecked.stat().st_size
            os.replace(unchecked, path)
    except OSError as error:
        raise ExportError(f"{path} can't be written: {error.strerror or error}; free it or name another.") from error
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise ExportError(f"The ONNX checker refuses the exported graph: {_first_line(error)}") from error
    return ExportResult(path, size_bytes, _opset(graph), "fp32", parity, divisor is not None)


def _oblong(images: torch.Tensor, divisor: int) -> torch.Tensor:
    """Parts of the images with other sides, each a multiple of the divisor."""
    shares = zip((0.5, 0.75), images.shape[2:], strict=True)
    height, width = (max(1, round(share * side / divisor)) * divisor for share, side in shares)
    return images[:, :, :height, :width]


@contextmanager
def _provisional(path: Path) -> Iterator[Path]:
    """A name in the same folder, free again afterwards: also after a KeyboardInterrupt."""
    unchecked = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield unchecked
    finally:
        unchecked.unlink(missing_ok=True)


def _opset(graph: onnx.ModelProto) -> int:
    return next(int(item.version) for item in graph.opset_import if item.domain in ("", "ai.onnx"))


def _first_cause(error: BaseException) -> str:
    while error.__cause__ is not None:
        error = error.__cause__
    return _first_line(error)


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
