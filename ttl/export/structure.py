"""The shape of an exported graph: what must not be in it is taken out or refused."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import onnx

from ttl.errors import ExportError

INPUT = "image"
OUTPUT = "logits"


def strip(model: onnx.ModelProto) -> None:
    """Take out, in place, what no run needs: initialisers without a reader, and the exporter's notes.

    The notes (stack traces of every node) hold paths of the machine that exported the model; some are in another order
    each time, and so would the file's digest be another.
    """
    unread = unread_weights(model)
    kept = [tensor for tensor in model.graph.initializer if tensor.name not in unread]
    if unread:
        del model.graph.initializer[:]
        model.graph.initializer.extend(kept)
    del model.graph.metadata_props[:]
    for node in _nodes(model.graph):
        del node.metadata_props[:]
        node.doc_string = ""
    for value in (*model.graph.input, *model.graph.output, *model.graph.value_info, *model.graph.initializer):
        del value.metadata_props[:]
        value.doc_string = ""


def unread_weights(model: onnx.ModelProto) -> set[str]:
    """Names of the initialisers that no node reads and that are no output."""
    used = {name for node in _nodes(model.graph) for name in node.input}
    used |= {output.name for output in model.graph.output}
    return {tensor.name for tensor in model.graph.initializer} - used


def unfolded_norms(model: onnx.ModelProto) -> tuple[int, int]:
    """How many batch norms are left, and how many of them right after a convolution that nothing else reads."""
    made_by = {name: node for node in _nodes(model.graph) for name in node.output}
    readers = Counter(name for node in _nodes(model.graph) for name in node.input)
    norms = [node for node in _nodes(model.graph) if node.op_type == "BatchNormalization"]
    fed = [made_by[n.input[0]] for n in norms if n.input[0] in made_by and readers[n.input[0]] == 1]
    return len(norms), sum(node.op_type == "Conv" for node in fed)


def check_structure(model: onnx.ModelProto, *, free_sides: bool = False, output: str = OUTPUT) -> None:
    """Check names, the free batch size, and that the graph is one for inference in one file.

    Args:
        model: the exported graph.
        free_sides: whether height and width are to be free, too.
        output: what the one output is called.

    Raises:
        ExportError: naming the first thing that isn't so.
    """
    _check_ends(model.graph, output)
    for value in (model.graph.input[0], model.graph.output[0]) if free_sides else ():
        fixed = [dim.dim_value for dim in value.type.tensor_type.shape.dim[2:] if not dim.dim_param]
        if fixed:
            raise ExportError(
                f"The exporter fixed a side of {value.name!r} to {fixed[0]}: the model's forward depends on the size "
                "of its images; write it so that it works for any."
            )
    training = sorted({node.op_type for node in _nodes(model.graph) if _is_training(node)})
    if training:
        raise ExportError(
            f"The exported graph still trains ({', '.join(training)}): a module of it ignores eval(); "
            "make it follow the mode."
        )
    outside = [t.name for t in model.graph.initializer if t.data_location == onnx.TensorProto.EXTERNAL]
    if outside:
        raise ExportError(f"The exported graph keeps {outside[0]} in a second file: it can't be shipped as one.")


def _check_ends(graph: onnx.GraphProto, output: str) -> None:
    for values, name in ((graph.input, INPUT), (graph.output, output)):
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


def _is_training(node: onnx.NodeProto) -> bool:
    if node.op_type == "BatchNormalization":
        return any(attribute.name == "training_mode" and attribute.i for attribute in node.attribute)
    return node.op_type == "Dropout"


def _nodes(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs):
                yield from _nodes(inner)
