"""A file that takes decoded images: what training does to an image is part of its graph, and compared with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, compose, helper
from PIL import Image, ImageOps

from ttl.cost.session import open_session
from ttl.errors import ExportError, GateError
from ttl.export.checks import Check
from ttl.export.contract import Contract, to_properties
from ttl.export.embed import operators
from ttl.export.embed.operators import Nodes
from ttl.export.graph_ends import PROBABILITIES
from ttl.export.onnx_graph import INPUT, OUTPUT, opset_of, strip
from ttl.export.run import OnnxModel, decoded, trained_on
from ttl.export.targets.target import write_graph

PIXELS = "preprocessing/pixels"
"""The tensor that is normalised: `(batch, 1 or 3, height, width)` uint8."""
NETWORK = "network/"
OLDEST_OPSET = 13
"""The first one whose operators take what they are given here."""
GREY_TOLERANCE, PROBABILITY_TOLERANCE, ROUNDING = 1, 0.01, 1e-4


def embed_preprocessing(graph: onnx.ModelProto, contract: Contract) -> onnx.ModelProto:
    """The same network for decoded images: `image` uint8 `(batch, height, width, channels)`, to `probabilities`.

    Before the network comes what `ttl.data.modality.resizing` does, then its normalisation: to grey where it was
    trained on grey images, resized to its size with antialiasing, its middle or with black beside it where the contract
    says so, scaled to 0..1, mean and std. Channels are 1 or 3, whatever it was trained on. The file decodes nothing:
    images come upright, of 8 bits, without transparency.

    A segmentation's images keep their size: they are padded as in `ttl.data.modality.windows` to multiples of the
    divisor, and the result is cropped back. Each is done whole: the windows in which ttl does images beyond the
    contract's sides are not in the file, so that near their limits a larger image comes out otherwise, and memory grows
    with it.

    The `graph` is of any precision, `image` `(batch, 3, h, w)` float32 to `logits`, and left as it is. The opset and IR
    version stay; `probabilities` are float32 `(batch, classes)`, of a segmentation `(batch, classes, height, width)`,
    with one output those of both classes.

    Raises:
        ExportError: the opset is below 13, the graph takes decoded images already, a segmentation's sides are fixed,
            or images are resized by neither `bilinear` nor `bicubic`.
    """
    _check(graph, contract)
    before, behind = Nodes("preprocessing/"), Nodes("probabilities/")
    pixels, logits = before.add("Transpose", INPUT, perm=[0, 3, 1, 2]), NETWORK + OUTPUT
    if contract.channels == 1:
        pixels = operators.grey(before, pixels)
    if contract.per_pixel:
        height, width = operators.sides(before, pixels)
        operators.padded(before, pixels, height, width, divisor=contract.divisor, output=PIXELS)
        ends = behind.add("Concat", height, width, axis=0)
        logits = behind.add("Slice", logits, np.zeros(2, np.int64), ends, np.array([2, 3], np.int64))
    else:
        operators.fitted(before, pixels, contract.resizing, output=PIXELS)
    operators.normalised(before, PIXELS, mean=contract.mean, std=contract.std, output=NETWORK + INPUT)
    if contract.activation == "softmax":
        behind.add("Softmax", logits, axis=1, output=PROBABILITIES)
    elif contract.per_pixel:
        second = behind.add("Sigmoid", logits)  # of both classes
        behind.add("Concat", behind.add("Sub", np.float32(1), second), second, axis=1, output=PROBABILITIES)
    else:
        behind.add("Sigmoid", logits, output=PROBABILITIES)
    return _surrounded(graph, before, behind, contract)


def embed_into(path: Path, contract: Contract, images: Sequence[Image.Image]) -> Check:
    """Put the graph that takes decoded images in place of the plain one in a file, if it passes the comparison."""
    plain = OnnxModel(path)  # loaded whole: the file may be written again
    write_graph(embed_preprocessing(onnx.load(str(path)), contract), path)
    levels, difference = check_preprocessing(OnnxModel(path), plain, images)
    words = f"pixels differ by {levels} of 255, probabilities by {difference:.2g}, on {len(images)} images"
    wanted = f"{GREY_TOLERANCE} and {PROBABILITY_TOLERANCE}; {ROUNDING:g} where no pixel differs"
    return Check("Decoded images against the training pipeline", words, wanted)


def pixels_of(graph: onnx.ModelProto) -> onnx.ModelProto:
    """The part of a graph with embedded preprocessing that makes `image` the pixels the network sees, uint8."""
    part = onnx.ModelProto()
    part.CopyFrom(graph)
    last = next(index for index, node in enumerate(part.graph.node) if PIXELS in node.output)
    del part.graph.node[last + 1 :], part.graph.output[:], part.graph.value_info[:]
    part.graph.output.append(helper.make_tensor_value_info(PIXELS, TensorProto.UINT8, [None] * 4))
    strip(part)
    return part


def _surrounded(graph: onnx.ModelProto, before: Nodes, behind: Nodes, contract: Contract) -> onnx.ModelProto:
    merged = compose.add_prefix(graph, NETWORK, rename_functions=False)
    inside = list(merged.graph.node)
    del merged.graph.node[:], merged.graph.input[:], merged.graph.output[:]
    merged.graph.node.extend([*before.nodes, *inside, *behind.nodes])
    merged.graph.initializer.extend([*before.constants, *behind.constants])
    sides = ["height", "width"]
    taken: list[str | int] = ["batch", *sides, "channels"]
    drawn: list[str | int] = ["batch", len(contract.class_names), *(sides if contract.per_pixel else [])]
    merged.graph.input.append(helper.make_tensor_value_info(INPUT, TensorProto.UINT8, taken))
    merged.graph.output.append(helper.make_tensor_value_info(PROBABILITIES, TensorProto.FLOAT, drawn))
    helper.set_model_props(merged, to_properties(replace(contract, embeds_preprocessing=True)))
    return merged


def check_embeddable(contract: Contract, opset: int | None) -> None:
    """Refuse what no graph of such a model can take in; `opset` is None where it isn't known yet.

    Raises:
        ExportError: the operators of that opset can't do it, or the images are resized in another way.
    """
    interpolation = contract.decoding.interpolation
    if opset is not None and opset < OLDEST_OPSET:
        raise ExportError(
            f"Preprocessing can't be embedded at opset {opset}, whose operators can't do it: "
            f"export with opset {OLDEST_OPSET} or newer."
        )
    if not contract.per_pixel and interpolation not in operators.FILTERS:
        raise ExportError(
            f"Preprocessing that resizes by {interpolation!r} can't be embedded, as graphs have no such filter: "
            f"train with {' or '.join(operators.FILTERS)}, or export without it."
        )


def _check(graph: onnx.ModelProto, contract: Contract) -> None:
    check_embeddable(contract, opset_of(graph))
    if [value.name for value in graph.graph.input] != [INPUT] or graph.graph.output[0].name != OUTPUT:
        raise ExportError(
            "Preprocessing can be embedded only into a graph from 'image' to 'logits': export without it first."
        )
    sides = graph.graph.input[0].type.tensor_type.shape.dim[2:]
    if contract.per_pixel and not all(side.dim_param for side in sides):
        raise ExportError(
            "Preprocessing can't be embedded: this segmentation network takes only "
            f"{' x '.join(str(side.dim_value) for side in sides)} pixels, so that larger images need windows, which a "
            "graph can't do; export without it."
        )


def check_preprocessing(embedded: OnnxModel, plain: OnnxModel, images: Sequence[Image.Image]) -> tuple[int, float]:
    """Compare a file with embedded preprocessing with training's before a file of the same network without.

    Greys may differ by 1 of 255, where a bicubic filter's weights, which in a graph are of float32, decide between two
    of them; a bilinear filter's are whole numbers and give Pillow's pixels. Another filter, or none, differs by ten and
    more. Where none differs, probabilities of a file of float32 are the same but for rounding (1e-4); else they may
    differ by 0.01, the answer of rounded weights to one grey in ten thousand pixels.

    Images are at least one, of several sizes where there are, each by itself and one in a batch with its mirror images.
    Segmentations are compared whole, not in windows. What comes back is the largest difference of a pixel before it is
    normalised, of 0..255, and that of a probability.

    Raises:
        ExportError: there is no image.
        GateError: a difference is larger.
    """
    if not images:
        raise ExportError("There is no image to check the embedded preprocessing on: give some of the data's.")
    mirrored = [images[0], ImageOps.mirror(images[0]), ImageOps.flip(images[0])]
    got = [*_each(embedded, images), *embedded.run(np.stack([decoded(i) for i in mirrored]).transpose(0, 2, 3, 1))]
    wanted = _each(plain, [*images, *mirrored])
    max_abs = max(float(np.abs(one - other).max()) for one, other in zip(got, wanted, strict=True))
    grey_levels = _grey_levels(embedded, images)
    exact = grey_levels == 0 and embedded.contract.precision == "fp32"
    allowed = ROUNDING if exact else PROBABILITY_TOLERANCE
    if grey_levels > GREY_TOLERANCE or not max_abs <= allowed:  # NaN is no agreement
        raise GateError(
            f"The embedded preprocessing differs from training's by {grey_levels} of 255 grey levels and the "
            f"probabilities by {max_abs:.2g}, more than the {GREY_TOLERANCE} and {allowed:g} that "
            "rounding explains: export without it, and report the images' sizes."
        )
    return grey_levels, max_abs


def _each(model: OnnxModel, images: Sequence[Image.Image]) -> list[npt.NDArray[Any]]:
    """Probabilities of each image, one by one: of its classes, or of its pixels."""
    contract = model.contract
    if not contract.per_pixel:
        return list(model.predict_images(images))
    pixels = (decoded(each) if contract.embeds_preprocessing else trained_on(each, contract) for each in images)
    return list(model.maps(pixels, in_windows=False))


def _grey_levels(embedded: OnnxModel, images: Sequence[Image.Image]) -> int:
    """The largest difference between the pixels that the file makes and training's."""
    part = pixels_of(onnx.load(str(embedded.path)))
    session = open_session(part.SerializeToString(), threads=1, name="The embedded preprocessing")
    worst = 0
    for image in images:
        wanted = trained_on(image, embedded.contract).astype(np.int16)
        made = session.run(None, {INPUT: decoded(image)[None].transpose(0, 2, 3, 1)})[0][0]
        height, width = wanted.shape[1:]  # a segmentation's are padded beyond
        worst = max(worst, int(np.abs(made[:, :height, :width] - wanted).max()))
    return worst
