"""A file that takes decoded images: what training does to an image is part of its graph."""

from __future__ import annotations

from dataclasses import replace

import onnx
from onnx import TensorProto, compose, helper

from ttl.errors import ExportError
from ttl.export.embed import operators
from ttl.export.embed.nodes import Nodes
from ttl.export.metadata import Metadata, to_properties
from ttl.export.structure import INPUT, OUTPUT, strip

PROBABILITIES = "probabilities"
PIXELS = "preprocessing/pixels"
"""The tensor that is normalised: `(batch, 1 or 3, height, width)` uint8."""
NETWORK = "network/"
OLDEST_OPSET = 18
"""The first one whose Resize antialiases."""


def embed_preprocessing(graph: onnx.ModelProto, metadata: Metadata) -> onnx.ModelProto:
    """The same network for decoded images: `image` uint8 `(batch, height, width, channels)`, to `probabilities`.

    Before the network comes what `ttl.data.image.to_pixels` does, then its normalisation: to grey where it was
    trained on grey images, resized to its size with antialiasing, scaled to 0..1, mean and std. Channels are 1 or 3,
    whatever it was trained on. The file decodes nothing: images come upright, of 8 bits, without transparency.

    A segmentation's images keep their size: they are padded as in `ttl.data.modality.windows` to multiples of the
    divisor, and the result is cropped back. Each is done whole: the windows in which ttl does images beyond
    `image_size` are not in
    the file, so that near its limits a larger image comes out otherwise, and memory grows with it.

    Args:
        graph: an exported network of any precision, `image` `(batch, 3, h, w)` float32 to `logits`; left as it is.
        metadata: what the file says about itself.

    Returns:
        a graph of the same opset and IR version. `probabilities` are float32, `(batch, classes)`, of a segmentation
        `(batch, classes, height, width)`: a softmax; a sigmoid for each class of a multilabel task; and of a
        segmentation with one output both classes.

    Raises:
        ExportError: the opset is below 18, the graph takes decoded images already, a segmentation's sides are fixed,
            or images are resized by neither `bilinear` nor `bicubic`.
    """
    _check(graph, metadata)
    before, behind = Nodes("preprocessing/"), Nodes("probabilities/")
    pixels, logits = operators.channels_first(before, INPUT), NETWORK + OUTPUT
    if metadata.channels == 1:
        pixels = operators.grey(before, pixels)
    if metadata.kind == "segmentation":
        height, width = operators.sides(before, pixels)
        operators.padded(before, pixels, height, width, divisor=metadata.divisor, output=PIXELS)
        logits = operators.cropped(behind, logits, height, width)
    else:
        size, interpolation = metadata.image_size, metadata.interpolation
        operators.resized(before, pixels, size=size, interpolation=interpolation, output=PIXELS)
    operators.normalised(before, PIXELS, mean=metadata.mean, std=metadata.std, output=NETWORK + INPUT)
    _decide(behind, logits, metadata, outputs=_dims(graph.graph.output[0])[1].dim_value)
    return _surrounded(graph, before, behind, metadata)


def pixels_of(graph: onnx.ModelProto) -> onnx.ModelProto:
    """The part of a graph with embedded preprocessing that makes `image` the pixels the network sees, uint8."""
    part = onnx.ModelProto()
    part.CopyFrom(graph)
    last = next(index for index, node in enumerate(part.graph.node) if PIXELS in node.output)
    del part.graph.node[last + 1 :], part.graph.output[:], part.graph.value_info[:]
    part.graph.output.append(helper.make_tensor_value_info(PIXELS, TensorProto.UINT8, [None] * 4))
    strip(part)
    return part


def _decide(made: Nodes, logits: str, metadata: Metadata, *, outputs: int) -> None:
    if metadata.kind == "multilabel":
        operators.sigmoid(made, logits, output=PROBABILITIES)
    elif metadata.kind == "segmentation" and outputs == 1:
        operators.foreground(made, logits, output=PROBABILITIES)
    else:
        operators.softmax(made, logits, output=PROBABILITIES)


def _surrounded(graph: onnx.ModelProto, before: Nodes, behind: Nodes, metadata: Metadata) -> onnx.ModelProto:
    """The network, its names prefixed, between the two."""
    merged = compose.add_prefix(graph, NETWORK, rename_functions=False)
    inside = list(merged.graph.node)
    del merged.graph.node[:], merged.graph.input[:], merged.graph.output[:]
    merged.graph.node.extend([*before.nodes, *inside, *behind.nodes])
    merged.graph.initializer.extend([*before.constants, *behind.constants])
    sides = ["height", "width"]
    taken: list[str | int] = ["batch", *sides, "channels"]
    drawn: list[str | int] = ["batch", len(metadata.class_names), *(sides if metadata.kind == "segmentation" else [])]
    merged.graph.input.append(helper.make_tensor_value_info(INPUT, TensorProto.UINT8, taken))
    merged.graph.output.append(helper.make_tensor_value_info(PROBABILITIES, TensorProto.FLOAT, drawn))
    properties = {item.key: item.value for item in graph.metadata_props}
    helper.set_model_props(merged, properties | to_properties(replace(metadata, embeds_preprocessing=True)))
    return merged


def _check(graph: onnx.ModelProto, metadata: Metadata) -> None:
    opset = next(int(item.version) for item in graph.opset_import if item.domain in ("", "ai.onnx"))
    if opset < OLDEST_OPSET:
        raise ExportError(
            f"Preprocessing can't be embedded at opset {opset}, whose Resize has no antialiasing: "
            f"export with opset {OLDEST_OPSET} or newer."
        )
    if [value.name for value in graph.graph.input] != [INPUT] or graph.graph.output[0].name != OUTPUT:
        raise ExportError(
            "Preprocessing can be embedded only into a graph from 'image' to 'logits': export without it first."
        )
    if metadata.kind != "segmentation" and metadata.interpolation not in operators.MODES:
        raise ExportError(
            f"Preprocessing that resizes by {metadata.interpolation!r} can't be embedded, as no ONNX operator does so: "
            f"train with {' or '.join(operators.MODES)}, or export without it."
        )
    if metadata.kind == "segmentation" and not all(dim.dim_param for dim in _dims(graph.graph.input[0])[2:]):
        fixed = " x ".join(str(dim.dim_value) for dim in _dims(graph.graph.input[0])[2:])
        raise ExportError(
            f"Preprocessing can't be embedded: this segmentation network takes only {fixed} pixels, so that larger "
            "images need windows, which a graph can't do; export without it."
        )


def _dims(value: onnx.ValueInfoProto) -> list[onnx.TensorShapeProto.Dimension]:
    return list(value.type.tensor_type.shape.dim)
