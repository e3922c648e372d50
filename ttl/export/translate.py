"""From a PyTorch model to an ONNX graph, by PyTorch's own exporter."""

from __future__ import annotations

from typing import Any

import onnx
import torch
from torch import nn

from ttl.errors import ExportError
from ttl.export.quiet import first_line, quiet
from ttl.export.structure import INPUT, OUTPUT, check_structure, strip


def translate(model: nn.Module, images: torch.Tensor, *, opset: int | None, divisor: int | None) -> onnx.ModelProto:
    """The graph of a model: input `image`, output `logits`, the weights inside, nothing in it that no run needs.

    Args:
        model: on the CPU, in eval mode.
        images: `(n, 3, h, w)` float32, at least one.
        opset: version of the ONNX operators; None leaves it to the exporter.
        divisor: of the sides, which are free then; None fixes them to those of `images`.

    Raises:
        ExportError: the model can't be exported, or not with a free batch size (and free sides).
    """
    example, free = traced_on(images, divisor)
    try:
        with quiet(), torch.no_grad():
            program = torch.onnx.export(
                model,
                (example,),
                dynamo=True,
                verbose=False,
                input_names=[INPUT],
                output_names=[OUTPUT],
                dynamic_shapes=(free,),
                opset_version=opset,
            )
    except Exception as error:  # the exporter raises whatever the model's forward or an operator raises
        raise ExportError(f"The model can't be exported to ONNX: {first_line(error)}") from error
    assert program is not None  # it is only where the exporter writes a file
    graph = program.model_proto
    if opset is not None and opset_of(graph) != opset:
        raise ExportError(f"Opset {opset} can't be had for this model: the exporter gives {opset_of(graph)}; use that.")
    strip(graph)
    check_structure(graph, free_sides=divisor is not None)
    return graph


def traced_on(images: torch.Tensor, divisor: int | None) -> tuple[torch.Tensor, dict[int, Any]]:
    """What PyTorch's exporters are given: images, and which dimensions of them are free.

    Two images, since a batch of one would count as a constant; so would a side of one divisor.
    """
    example, free = images[torch.arange(2) % len(images)], {0: torch.export.Dim("batch")}
    if divisor is None:
        return example, free
    for axis, name in ((2, "height"), (3, "width")):
        side = torch.export.Dim(name if divisor == 1 else f"{name}_{divisor}", min=1, max=2**20 // divisor)
        free[axis] = side if divisor == 1 else divisor * side
    return example.repeat(1, 1, 2, 2) if min(images.shape[2:]) < 2 * divisor else example, free


def opset_of(graph: onnx.ModelProto) -> int:
    """The version of its ONNX operators."""
    return next(int(item.version) for item in graph.opset_import if item.domain in ("", "ai.onnx"))
