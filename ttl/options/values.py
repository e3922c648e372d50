"""Types of options that several fields share, each with the words that refuse a bad value."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field, FiniteFloat, Strict

from ttl.words.mask_values import parsed as classes_by_value
from ttl.words.sides import AXES, parsed, short
from ttl.words.text import printable

Name = TypeVar("Name", str, Path)

LARGEST_SEED = 2**32 - 1  # what numpy's legacy generators, and so scikit-learn, take
SMALLEST, LARGEST = 16, 4096  # sides of images
UNITS = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}


def _device(value: str) -> str:
    if not re.fullmatch(r"auto|cpu|cuda(:[0-9]+)?|mps", value):
        raise ValueError("should be auto, cpu, cuda, cuda:NUMBER or mps")
    return value


def _filled(value: str) -> str:
    if not value.strip():
        raise ValueError("should not be empty")
    return _utf8(value)


def _utf8(value: Name) -> Name:
    """What the files of a run, which are UTF-8, can hold."""
    if printable(str(value)) != str(value):
        raise ValueError("should be a name in UTF-8: rename the file or folder")
    return value


def _amount(value: object) -> object:
    """`1.5M` as a number; what is none is left for pydantic to refuse."""
    if isinstance(value, str) and (read := re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)([kMGT]?)", value.strip())):
        return round(float(read[1]) * UNITS[read[2]])
    return value


def size(value: object) -> int | tuple[int, ...]:
    """`165x342` as height and width, `224` as the side of a square.

    Raises:
        ValueError: it is no size.
    """
    if isinstance(value, str):
        value = parsed(value)
    sides = tuple(value) if isinstance(value, list | tuple) else (value,)
    if len(sides) > AXES or not all(isinstance(side, int) and SMALLEST <= side <= LARGEST for side in sides):
        raise ValueError(f"should be {SMALLEST} to {LARGEST} pixels, such as 224 or 165x342 (height x width)")
    return short(sides)


def several(value: object) -> object:
    """One value where a TOML file may name several."""
    return (value,) if isinstance(value, str) else value


def costs(value: object) -> object:
    """`5:1` as two numbers; what is none is left for pydantic to refuse."""
    if not isinstance(value, str):
        return value
    try:
        miss, alarm = (float(part) for part in value.split(":"))
    except ValueError:
        raise ValueError("should be two numbers above 0 with a colon between, such as 5:1") from None
    return miss, alarm


def ascending(value: tuple[float, float]) -> tuple[float, float]:
    """Two numbers of which the second is larger.

    Raises:
        ValueError: it isn't.
    """
    if not value[0] < value[1]:
        raise ValueError("should be two numbers, the lower one first")
    return value


def frame(value: object) -> object:
    """`12` as a number; what is none is left for pydantic to refuse."""
    if isinstance(value, str) and value.isascii() and value.isdecimal() and int(value):
        return int(value)
    if value in ("first", "middle", "all") or (isinstance(value, int) and not isinstance(value, bool) and value > 0):
        return value
    raise ValueError("should be first, middle, all or the number of a frame, from 1 on")


def mask_values(value: str) -> str:
    """The same, where it says which value of a mask is which class: `0,128,255`.

    Raises:
        ValueError: it doesn't.
    """
    classes_by_value(value)
    return value


Text = Annotated[str, AfterValidator(_filled)]
Place = Annotated[Path, Strict(False), AfterValidator(_utf8)]  # TOML and JSON have no path type: a string becomes one
Texts = Annotated[tuple[Text, ...], Strict(False), BeforeValidator(several)]
Device = Annotated[str, AfterValidator(_device)]
Seed = Annotated[int, Field(ge=0, le=LARGEST_SEED)]
Count = Annotated[int, Field(ge=1)]
Folds = Annotated[int, Field(ge=2, le=20)]
Repeats = Annotated[int, Field(ge=1, le=100)]
Side = Annotated[int, Field(ge=SMALLEST, le=LARGEST)]
Size = Annotated[Side | tuple[Side, Side], BeforeValidator(size)]
Amount = Annotated[int, BeforeValidator(_amount), Field(ge=1)]
Positive = Annotated[FiniteFloat, Field(gt=0)]
NotNegative = Annotated[FiniteFloat, Field(ge=0)]
Share = Annotated[float, Field(gt=0, lt=1)]  # neither none nor all
Probability = Annotated[float, Field(ge=0, lt=1)]  # of what must not happen always
Part = Annotated[float, Field(gt=0, le=1)]  # of something, or all of it
Costs = Annotated[tuple[Positive, Positive], Strict(False), BeforeValidator(costs)]  # of a miss, of a false alarm
Window = Annotated[tuple[FiniteFloat, Positive], Strict(False)]  # centre and width
Range = Annotated[tuple[FiniteFloat, FiniteFloat], Strict(False), AfterValidator(ascending)]  # what is black, and white
MaskValues = Annotated[str, AfterValidator(mask_values)]
Frame = Annotated[Literal["first", "middle", "all"] | int, BeforeValidator(frame)]
