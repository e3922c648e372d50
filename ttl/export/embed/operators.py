"""What training does to an image before the network, and to logits behind it, as nodes of an ONNX graph."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
import PIL
from onnx import TensorProto, helper, numpy_helper

from ttl.data.modality.resizing import Resizing

Input = str | np.ndarray[Any, Any] | np.generic
MODES = {"bilinear": "linear", "bicubic": "cubic"}
"""Pillow's filters that ONNX has too, and their names there."""
FILTER = {"antialias": 1, "axes": [2, 3], "cubic_coeff_a": -0.5, "exclude_outside": 1}
"""Attributes of a Resize that does what Pillow does; it isn't given a region or scales."""
LUMA = (19595, 38470, 7471)
"""Pillow's weights of red, green and blue; they sum to 2^16."""
ONE, TWO, THREE, REST = (np.array([value], np.int64) for value in (1, 2, 3, -1))
"""REST: in a shape, what is left over."""


@dataclass
class Nodes:
    """Nodes and their constants in the order in which they are added, all names with the prefix."""

    prefix: str
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: list[onnx.TensorProto] = field(default_factory=list)

    def add(self, operator: str, *inputs: Input, output: str | None = None, **attributes: Any) -> str:
        """Add a node with one output, whose name is returned; arrays among the inputs become constants."""
        names = []
        for item in inputs:
            names.append(item if isinstance(item, str) else f"{self.prefix}constant_{len(self.constants)}")
            if not isinstance(item, str):
                self.constants.append(numpy_helper.from_array(np.asarray(item), names[-1]))
        name = f"{self.prefix}{operator}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, names, [output or name], name=name, **attributes))
        return output or name


def sides(made: Nodes, pixels: str) -> tuple[str, str]:
    """Height and width of `(n, c, h, w)`, each `(1,)` int64."""
    shape = made.add("Shape", pixels)
    return made.add("Gather", shape, TWO), made.add("Gather", shape, THREE)


def grey(made: Nodes, pixels: str) -> str:
    """`(n, 1, h, w)` of `(n, 1 or 3, h, w)` uint8, as Pillow's integers have it; grey stays as it is.

    In float32, which is exact: no sum reaches 2^24, and the cast back cuts off as Pillow's shift does.
    """
    colours = made.add("Expand", pixels, np.array([1, len(LUMA), 1, 1], np.int64))  # fails with any other number
    total: str | np.float32 = np.float32(1 << 15)
    for channel, weight in enumerate(LUMA):
        plane = made.add("Gather", colours, np.array([channel], np.int64), axis=1)
        weighted = made.add("Mul", made.add("Cast", plane, to=TensorProto.FLOAT), np.float32(weight))
        total = made.add("Add", weighted, total)
    return made.add("Cast", made.add("Mul", total, np.float32(2**-16)), to=TensorProto.UINT8)


def fitted(made: Nodes, pixels: str, resizing: Resizing, *, output: str) -> str:
    """`(n, c, *sides)` of `(n, c, h, w)` uint8, as `Resizing.pixels` makes it."""
    new_height, new_width = (np.array([side], np.int64) for side in resizing.sides)
    height, width = sides(made, pixels)
    if resizing.fit == "crop":
        parts = (
            made.add("Min", height, _rounded(made, width, new_height, new_width)),
            made.add("Min", width, _rounded(made, height, new_width, new_height)),
        )
        starts = [_half(made, made.add("Sub", own, part)) for own, part in zip((height, width), parts, strict=True)]
        ends = [made.add("Add", start, part) for start, part in zip(starts, parts, strict=True)]
        start, end = (made.add("Concat", *both, axis=0) for both in (starts, ends))
        pixels = made.add("Slice", pixels, start, end, np.array([2, 3], np.int64))
    if resizing.fit != "pad":
        return resized(made, pixels, new_height, new_width, resizing.interpolation, output=output)
    inner_height = made.add("Min", new_height, _rounded(made, height, new_width, width))
    inner_width = made.add("Min", new_width, _rounded(made, width, new_height, height))
    whole = resized(made, pixels, inner_height, inner_width, resizing.interpolation)
    spare = [made.add("Sub", new_height, inner_height), made.add("Sub", new_width, inner_width)]
    before = [_half(made, both) for both in spare]
    behind = [made.add("Sub", both, first) for both, first in zip(spare, before, strict=True)]
    none = np.zeros(2, np.int64)
    return made.add("Pad", whole, made.add("Concat", none, *before, none, *behind, axis=0), output=output)


def _half(made: Nodes, side: str) -> str:
    return made.add("Div", side, TWO)


def _rounded(made: Nodes, side: str, times: Input, divisor: Input) -> str:
    """`side * times / divisor`, at least 1, a half rounded up."""
    product = made.add("Mul", made.add("Mul", side, times), TWO)
    quotient = made.add("Div", made.add("Add", product, divisor), made.add("Mul", divisor, TWO))
    return made.add("Max", quotient, ONE)


def resized(
    made: Nodes, pixels: str, new_height: Input, new_width: Input, interpolation: str, *, output: str | None = None
) -> str:
    """`(n, c, *new)` of `(n, c, h, w)` uint8, squashed as the Pillow does it that is installed.

    onnxruntime's Resize follows Pillow: horizontally, then vertically, on uint8, rounded in between. From version 13
    on Pillow begins vertically where more than twice as many rows as columns go (its pull request 9549; that this is
    the rule was found by trying 10 000 sizes). There the first Resize does the rows, else nothing.
    """
    kind: dict[str, Any] = FILTER | {"mode": MODES[interpolation]}
    height, width = sides(made, pixels)
    channels = made.add("Gather", made.add("Shape", pixels), ONE)
    # Each channel an image by itself: onnxruntime moves a Transpose behind a Resize, and forgets the axes of `sizes`.
    planes = made.add("Reshape", pixels, made.add("Concat", REST, ONE, height, width, axis=0))
    if int(PIL.__version__.partition(".")[0]) >= 13:
        columns_twice = made.add("Mul", made.add("Sub", width, new_width), TWO)
        tall = made.add("Greater", made.add("Sub", height, new_height), columns_twice)
        rows_first = made.add("And", tall, made.add("Greater", height, new_height))
        rows = made.add("Where", rows_first, new_height, height)
        planes = made.add("Resize", planes, "", "", made.add("Concat", rows, width, axis=0), **kind)
    squashed = made.add("Resize", planes, "", "", made.add("Concat", new_height, new_width, axis=0), **kind)
    shape = made.add("Concat", REST, channels, new_height, new_width, axis=0)
    return made.add("Reshape", squashed, shape, output=output)


def padded(made: Nodes, pixels: str, height: str, width: str, *, divisor: int, output: str) -> str:
    """`(n, c, h, w)` with sides that are multiples of the divisor, enlarged as `ttl.data.modality.windows` does it."""
    taller = made.add("Gather", pixels, _places(made, height, divisor), axis=2)
    return made.add("Gather", taller, _places(made, width, divisor), axis=3, output=output)


def _places(made: Nodes, side: str, divisor: int) -> str:
    """Of a padded side, the pixels that it is made of: reflected, or where too few the last one again."""
    unit = np.array([divisor], np.int64)
    whole = made.add("Mul", made.add("Div", made.add("Add", side, unit - 1), unit), unit)
    places = made.add("Range", np.int64(0), made.add("Squeeze", whole), np.int64(1))
    last = made.add("Sub", side, ONE)
    reflected = made.add("Min", places, made.add("Sub", made.add("Mul", last, TWO), places))
    repeated = made.add("Min", places, last)
    return made.add("Where", made.add("Less", made.add("Sub", whole, side), side), reflected, repeated)


def normalised(made: Nodes, pixels: str, *, mean: tuple[float, ...], std: tuple[float, ...], output: str) -> str:
    """`(n, 3, h, w)` float32 of `(n, c, h, w)` uint8, c = 1 (which the means spread over 3) or 3."""
    centre, spread = (np.array(values, np.float32).reshape(1, -1, 1, 1) for values in (mean, std))
    shares = made.add("Div", made.add("Cast", pixels, to=TensorProto.FLOAT), np.float32(255))
    return made.add("Div", made.add("Sub", shares, centre), spread, output=output)
