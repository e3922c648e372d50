"""From a PyTorch model to an ONNX graph, by PyTorch's own exporter."""

from __future__ import annotations

from typing import Any

import onnx
import torch
from torch import nn

from ttl.errors import ExportError
from ttl.export.quiet import first_cause, quiet
from ttl.export.structure import INPUT, OUTPUT, check_structure, strip


def translate(model: nn.Module, images: torch.Tensor, *, opset: int | None, divisor: int | None) -> onnx.ModelProto:
    """The graph of a model: input `image`, output `logits`, the weights inside, nothing in it that no run needs.

    Args:
        model: on the CPU, in eval mode.
        images: `(n, 3, h, w)` float32, at least one.
        opset: version of the ONNX operators; the exporter's own choice where None.
        divisor: of the sides, which are free then; None fixes them to those of `images`.

    Raises:
        ExportError: the model can't be exported, or not with a free batch size (and free sides).
    """
    try:
        with quiet(), torch.no_grad():
            program = torch.onnx.export(
                model,
                (example(images, divisor),),
                dynamo=True,
                verbose=False,
                input_names=[INPUT],
                output_names=[OUTPUT],
                dynamic_shapes=(free_dimensions(divisor),),
                opset_version=opset,
            )
    except Exception as error:  # the exporter raises whatever the model's forward or an operator raises
        raise ExportError(f"The model can't be exported to ONNX: {first_cause(error)}") from error
    if program is None:
        raise ExportError("The model can't be exported to ONNX: the exporter returned nothing.")
    graph = program.model_proto
    if opset is not None and opset_of(graph) != opset:
        raise ExportError(f"Opset {opset} can't be had for this model: the exporter gives {opset_of(graph)}; use that.")
    strip(graph)
    check_structure(graph, free_sides=divisor is not None)
    return graph


def example(images: torch.Tensor, divisor: int | None) -> torch.Tensor:
    """What the exporter is shown: two images, since a batch of one would be taken for a constant."""
    shown = images[torch.arange(2) % len(images)]
    if divisor is not None and min(images.shape[2:]) < 2 * divisor:  # so would be a side of one divisor
        shown = shown.repeat(1, 1, 2, 2)
    return shown


def free_dimensions(divisor: int | None) -> dict[int, Any]:
    """The free dimensions of the input, as `torch.export` takes them."""
    free: dict[int, Any] = {0: torch.export.Dim("batch")}
    if divisor is not None:
        for axis, name in ((2, "height"), (3, "width")):
            side = torch.export.Dim(name if divisor == 1 else f"{name}_{divisor}", min=1, max=2**20 // divisor)
            free[axis] = side if divisor == 1 else divisor * side
    return free


def opset_of(graph: onnx.ModelProto) -> int:
    """The version of its ONNX operators."""
    return next(int(item.version) for item in graph.opset_import if item.domain in ("", "ai.onnx"))
