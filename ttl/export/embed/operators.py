"""What training does to an image before the network, and to logits behind it, as nodes of an ONNX graph."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from ttl.data.modality.resizing import Resizing

Input = str | np.ndarray[Any, Any] | np.generic
FLOAT = TensorProto.FLOAT
FILTERS = ("bilinear", "bicubic")
"""Those of Pillow that are built here."""
LUMA = (19595, 38470, 7471)
"""Pillow's weights of red, green and blue; they sum to 2^16."""
WEIGHT_BITS = 22
"""Of a weight of a pixel, in Pillow's Resample.c."""
DIGITS = (8, 8, 6)
"""Bits of a weight that are found at a time; they sum to WEIGHT_BITS."""
ZERO, ONE, TWO, THREE = (np.array([value], np.int64) for value in (0, 1, 2, 3))


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
        weighted = made.add("Mul", made.add("Cast", plane, to=FLOAT), np.float32(weight))
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
    """`(n, c, *new)` of `(n, c, h, w)` uint8, squashed as `Resizing.pixels` does it: every row, then every column.

    No runtime's Resize is used: they antialias differently, or not at all. A side is multiplied by the weights that its
    length makes, which have `WEIGHT_BITS` bits as Pillow's; between the two sides values are rounded to 8 bits, as
    Pillow's are. Products of 8 and of 22 bits don't fit into float32, in which every runtime multiplies: the upper and
    the lower half of the weights are multiplied one by one, and both sums are exact, whatever their order.
    """
    height, width = sides(made, pixels)
    values = made.add("Cast", pixels, to=FLOAT)
    of_columns = made.add("Transpose", _weights(made, width, new_width, interpolation), perm=[1, 0])
    narrowed = _eight_bits(made, made.add("MatMul", values, of_columns), new_width, axis=3)
    squashed = made.add("MatMul", _weights(made, height, new_height, interpolation), narrowed)
    return made.add("Cast", _eight_bits(made, squashed, new_height, axis=2), to=TensorProto.UINT8, output=output)


def _weights(made: Nodes, old: Input, new: Input, interpolation: str) -> str:
    """`(2 new, old)` float32: what each old pixel of a side counts in each new one, the upper bits, then the lower.

    Made for the few old pixels near each new one, which are then put into their places among all.
    """
    covered = made.add("Mul", made.add("Max", old, new), ONE if interpolation == "bilinear" else TWO)
    reach = made.add("Add", made.add("Div", covered, new), ONE)  # to each side, in old pixels
    centre = made.add("Mul", _odd_numbers(made, new), old)  # times 2 new
    middle = made.add("Div", centre, made.add("Mul", new, TWO))
    number = made.add("Add", made.add("Mul", reach, TWO), ONE)
    near = made.add("Sub", made.add("Range", np.int64(0), made.add("Squeeze", number), np.int64(1)), reach)
    places = made.add("Add", made.add("Unsqueeze", middle, ONE), near)
    own = made.add("Mul", made.add("Add", made.add("Mul", places, TWO), ONE), new)
    apart = made.add("Abs", made.add("Sub", made.add("Unsqueeze", centre, ONE), own))
    unit = made.add("Mul", made.add("Max", old, new), TWO)
    inside = made.add("And", made.add("GreaterOrEqual", places, ZERO), made.add("Less", places, old))
    weights = (_bilinear if interpolation == "bilinear" else _bicubic)(made, apart, unit, inside)
    # Beyond both ends there is room for what isn't in the image; it is cut off.
    room = made.add("Concat", new, made.add("Add", old, made.add("Mul", reach, TWO)), axis=0)
    zeros = made.add("ConstantOfShape", room)
    placed = made.add("ScatterElements", zeros, made.add("Add", places, reach), weights, axis=1)
    whole = made.add("Slice", placed, reach, made.add("Add", reach, old), ONE)
    half = np.float32(2.0 ** (WEIGHT_BITS // 2))
    upper = made.add("Floor", made.add("Add", made.add("Div", whole, half), np.float32(0.5)))
    lower = made.add("Sub", whole, made.add("Mul", upper, half))
    both = made.add("Concat", made.add("Mul", upper, half), lower, axis=0)
    return made.add("Mul", both, np.float32(2.0**-WEIGHT_BITS))


def _odd_numbers(made: Nodes, side: Input) -> str:
    """1, 3, 5, ... of as many as a side `(1,)` has pixels."""
    numbers = made.add("Range", np.int64(0), made.add("Squeeze", side), np.int64(1))
    return made.add("Add", made.add("Mul", numbers, TWO), ONE)


def _bilinear(made: Nodes, apart: str, unit: str, inside: str) -> str:
    """`(new, near)` float32, whole numbers: a triangle over its sum, times 2^WEIGHT_BITS, a half rounded up.

    `apart` is how far the pixels are from each other, `unit` where the filter is at its zero, both times twice the
    larger side. In whole numbers, so that the weights are Pillow's in every runtime: digit by digit, since some of them
    have no more than 32 bits. A digit is guessed in float32 and corrected, since some divide whole numbers in float32.
    """
    triangle = made.add("Where", inside, made.add("Max", made.add("Sub", unit, apart), ZERO), ZERO)
    total = made.add("ReduceSum", triangle, ONE, keepdims=1)
    doubled, rest = made.add("Mul", total, TWO), made.add("Mul", triangle, TWO)
    weights = ""
    for bits in DIGITS:
        rest = made.add("Mul", rest, np.array([1 << bits], np.int64))
        if bits == DIGITS[-1]:
            rest = made.add("Add", rest, total)  # a half
        share = made.add("Div", made.add("Cast", rest, to=FLOAT), made.add("Cast", doubled, to=FLOAT))
        guess = made.add("Cast", made.add("Floor", share), to=TensorProto.INT64)
        left = made.add("Sub", rest, made.add("Mul", guess, doubled))
        high, low = made.add("Less", left, ZERO), made.add("GreaterOrEqual", left, doubled)
        change = made.add("Sub", *(made.add("Cast", each, to=TensorProto.INT64) for each in (low, high)))
        rest = made.add("Sub", left, made.add("Mul", change, doubled))
        digit = made.add("Cast", made.add("Add", guess, change), to=FLOAT)
        weights = made.add("Add", made.add("Mul", weights, np.float32(1 << bits)), digit) if weights else digit
    return weights


def _bicubic(made: Nodes, apart: str, unit: str, inside: str) -> str:
    """The same of Keys' cubic convolution with a = -0.5, in float32.

    `(1.5 t - 2.5) t^2 + 1` up to 1, `((2.5 - 0.5 t) t - 4) t + 2` up to 2.
    """
    distance = made.add("Div", made.add("Cast", apart, to=FLOAT), made.add("Cast", unit, to=FLOAT))
    t = made.add("Min", distance, np.float32(2))  # where it is 0
    square = made.add("Mul", t, t)
    inner = made.add("Sub", made.add("Mul", t, np.float32(1.5)), np.float32(2.5))
    inner = made.add("Add", made.add("Mul", inner, square), np.float32(1))
    outer = made.add("Sub", np.float32(2.5), made.add("Mul", t, np.float32(0.5)))
    outer = made.add("Sub", made.add("Mul", outer, t), np.float32(4))
    outer = made.add("Add", made.add("Mul", outer, t), np.float32(2))
    height = made.add("Where", made.add("Less", t, np.float32(1)), inner, outer)
    height = made.add("Where", inside, height, np.float32(0))
    share = made.add("Div", height, made.add("ReduceSum", height, ONE, keepdims=1))
    scaled = made.add("Mul", share, np.float32(2.0**WEIGHT_BITS))
    return made.add("Floor", made.add("Add", scaled, np.float32(0.5)))


def _eight_bits(made: Nodes, sums: str, side: Input, *, axis: int) -> str:
    """The sums of upper and of lower bits, one behind the other, as one value: a half rounded up, within 0 and 255."""
    axes = np.array([axis], np.int64)
    upper = made.add("Slice", sums, ZERO, side, axes)
    lower = made.add("Slice", sums, side, made.add("Mul", side, TWO), axes)
    whole = made.add("Floor", upper)
    rest = made.add("Add", made.add("Sub", upper, whole), made.add("Add", lower, np.float32(0.5)))
    rounded = made.add("Add", whole, made.add("Floor", rest))
    return made.add("Clip", rounded, np.float32(0), np.float32(255))


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
    shares = made.add("Div", made.add("Cast", pixels, to=FLOAT), np.float32(255))
    return made.add("Div", made.add("Sub", shares, centre), spread, output=output)
