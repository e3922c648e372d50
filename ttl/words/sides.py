"""Sizes of inputs as tuples of sides in pixels: `(height, width)`. A single number is the short form of a square."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ttl.errors import UsageError

Sides = tuple[int, ...]
ImageSize = int | Sequence[int]  # what people give: the side of a square, or all sides
AXES = 2


def sides_of(image_size: ImageSize) -> Sides:
    """The sides that an image size stands for.

    Raises:
        UsageError: another number of sides, or one that isn't positive.
    """
    sides = (image_size,) * AXES if isinstance(image_size, int) else tuple(image_size)
    if len(sides) != AXES or any(side < 1 for side in sides):
        raise UsageError(
            f"The image size is {image_size}: give the side of a square in pixels, such as 224, or height and width"
        )
    return sides


def short(sides: Sides) -> int | Sides:
    """The short form of equal sides; all of them where they differ."""
    return sides[0] if len(set(sides)) == 1 else sides


def spelled(sides: Sides) -> str:
    """As options take it: `224`, `165x342`."""
    return str(sides[0]) if len(set(sides)) == 1 else "x".join(map(str, sides))


def parsed(text: str) -> Sides:
    """`224` or `165x342` (height x width) as sides.

    Raises:
        ValueError: it is neither.
    """
    if not re.fullmatch(r"\d+(x\d+)*", text.strip()):
        raise ValueError("should be a side in pixels such as 224, or height and width such as 165x342")
    numbers = tuple(map(int, text.strip().split("x")))
    return numbers * AXES if len(numbers) == 1 else numbers


def across(sides: Sides) -> str:
    """`224 x 224`, for a sentence."""
    return " x ".join(map(str, sides))
