"""The ONNX graph of a PyTorch model, made by PyTorch's own exporter: what must not be in it is taken out or refused."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import onnx
import onnxruntime as ort
import torch
from torch import nn

from ttl.cost.session import open_session
from ttl.errors import ExportError, GateError, UsageError
from ttl.export.checks import Check
from ttl.export.quiet import first_line, quiet

INPUT, OUTPUT = "image", "logits"
WITHOUT_WEIGHTS_AS_INPUTS, WITH_FUNCTIONS = 4, 8
"""The IR versions from which on initialisers needn't be inputs too, and a model may have functions."""


def translate(model: nn.Module, images: torch.Tensor, *, opset: int | None, divisor: int | None) -> onnx.ModelProto:
    """The graph of a model: input `image`, output `logits`, the weights inside, nothing in it that no run needs.

    The model is on the CPU, in eval mode; `images` are at least one, `(n, 3, h, w)` float32. No `opset` leaves that to
    the exporter; with a `divisor` the sides are free multiples of it, else those of the images.

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
    graph.ir_version = lowest_ir_version(graph)
    check_structure(graph, free_sides=divisor is not None)
    return graph


def check_opset(opset: int) -> None:
    """Refuse a version of the operators that no model can have here, before one is loaded: a single layer is tried.

    Raises:
        UsageError: the exporter doesn't write it, or onnxruntime doesn't read it.
    """
    try:
        layer = nn.Sequential(nn.Flatten(), nn.Linear(48, 2)).eval()
        graph = translate(layer, torch.zeros(2, 3, 4, 4), opset=opset, divisor=None)
        open_session(graph.SerializeToString(), threads=1)
    except ExportError as error:
        raise UsageError(
            f"--opset {opset} can't be had, as PyTorch's exporter doesn't write it or onnxruntime {ort.__version__} "
            "doesn't read it: leave it out for the exporter's choice."
        ) from error


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


def lowest_ir_version(graph: onnx.ModelProto) -> int:
    """The oldest version of the file format that came with its operators: an older runtime reads it.

    The exporter writes its own, which is newer, and which a runtime refuses that knows every operator of the graph.
    """
    opset = opset_of(graph)
    came_with = [int(row[1]) for row in onnx.helper.VERSION_TABLE if row[2] >= opset]
    own = min(came_with, default=int(graph.ir_version))
    return max(own, WITH_FUNCTIONS if graph.functions else WITHOUT_WEIGHTS_AS_INPUTS)


def strip(model: onnx.ModelProto) -> None:
    """Take out, in place, what no run needs: initialisers without a reader, and the exporter's notes.

    The notes (stack traces of every node) hold paths of the machine that exported the model; some are in another order
    each time, and so would the file's digest be another.
    """
    unread, graph = unread_weights(model), model.graph
    for index in reversed([i for i, tensor in enumerate(graph.initializer) if tensor.name in unread]):
        del graph.initializer[index]
    del graph.metadata_props[:]
    for each in (*_nodes(graph), *graph.input, *graph.output, *graph.value_info, *graph.initializer):
        del each.metadata_props[:]
        each.doc_string = ""


def check_graph(path: Path, *, output: str = OUTPUT) -> tuple[Check, ...]:
    """The ONNX checker with full type and shape inference, and the structure of the graph as it is in the file.

    Raises:
        GateError: the checker refuses it, or its structure isn't that of a graph for inference in one file, whose one
            output is called `output`.
    """
    try:
        onnx.checker.check_model(str(path), full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise GateError(f"The ONNX checker refuses the exported graph: {first_line(error)}") from error
    model = onnx.load(str(path), load_external_data=False)
    try:
        check_structure(model, output=output)
    except ExportError as error:
        raise GateError(str(error)) from error
    if unread := unread_weights(model):
        raise GateError(f"The exported graph holds weights that nothing reads: {', '.join(sorted(unread)[:3])}.")
    left, foldable = _unfolded_norms(model)
    ends = " -> ".join(
        f"{value.name} ({', '.join(dim.dim_param or str(dim.dim_value) for dim in value.type.tensor_type.shape.dim)})"
        for value in (model.graph.input[0], model.graph.output[0])
    )
    folded = f"{left} left, {foldable} of them right after a convolution" if left else "none left"
    return (
        Check("ONNX checker, full", "passed"),
        Check("Names and shapes", ends, "one input, one output, the batch free"),
        Check("Batch norms", folded, "folded where they follow a convolution"),
        Check("Unused weights, training operators, second files", "none", "none"),
    )


def check_structure(model: onnx.ModelProto, *, free_sides: bool = False, output: str = OUTPUT) -> None:
    """Check names, the free batch size (and sides), and that the graph is one for inference in one file.

    Raises:
        ExportError: naming the first thing that isn't so.
    """
    for values, name in ((model.graph.input, INPUT), (model.graph.output, output)):
        names = [value.name for value in values]
        if names != [name]:
            raise ExportError(
                f"The exported graph has {', '.join(names) or 'nothing'} where one {name!r} is expected: "
                "export a model that takes one batch of images and returns one tensor."
            )
        dims = values[0].type.tensor_type.shape.dim
        if not dims or not dims[0].dim_param:
            fixed = dims[0].dim_value if dims else "none"
            raise ExportError(
                f"The exporter fixed the batch size of {name!r} to {fixed}: the model's forward depends on "
                "the number of images; write it so that it works for any."
            )
    for value in (model.graph.input[0], model.graph.output[0]) if free_sides else ():
        sides = [dim.dim_value for dim in value.type.tensor_type.shape.dim[2:] if not dim.dim_param]
        if sides:
            raise ExportError(
                f"The exporter fixed a side of {value.name!r} to {sides[0]}: the model's forward depends on the size "
                "of its images; write it so that it works for any."
            )
    nodes = list(_nodes(model.graph))
    training = {node.op_type for node in nodes if any(a.name == "training_mode" and a.i for a in node.attribute)}
    training |= {node.op_type for node in nodes} & {"Dropout"}
    if training:
        raise ExportError(
            f"The exported graph still trains ({', '.join(sorted(training))}): a module of it ignores eval(); "
            "make it follow the mode."
        )
    outside = [t.name for t in model.graph.initializer if t.data_location == onnx.TensorProto.EXTERNAL]
    if outside:
        raise ExportError(f"The exported graph keeps {outside[0]} in a second file: it can't be shipped as one.")


def unread_weights(model: onnx.ModelProto) -> set[str]:
    """Names of the initialisers that no node reads and that are no output."""
    used = {name for node in _nodes(model.graph) for name in node.input}
    used |= {output.name for output in model.graph.output}
    return {tensor.name for tensor in model.graph.initializer} - used


def _unfolded_norms(model: onnx.ModelProto) -> tuple[int, int]:
    """How many batch norms are left, and how many of them right after a convolution that nothing else reads."""
    nodes = list(_nodes(model.graph))
    made_by = {name: node for node in nodes for name in node.output}
    readers = Counter(name for node in nodes for name in node.input)
    norms = [node for node in nodes if node.op_type == "BatchNormalization"]
    fed = [made_by[n.input[0]] for n in norms if n.input[0] in made_by and readers[n.input[0]] == 1]
    return len(norms), sum(node.op_type == "Conv" for node in fed)


def _nodes(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    """All nodes, those in branches too."""
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs):
                yield from _nodes(inner)
