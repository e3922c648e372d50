"""Types of options that several fields share, each with the words that refuse a bad value."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, FiniteFloat, Strict

LARGEST_SEED = 2**32 - 1  # what numpy's legacy generators, and so scikit-learn, take
UNITS = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}


def _device(value: str) -> str:
    kind, _, number = value.partition(":")
    plain = value in ("auto", "cpu", "cuda", "mps")
    if not plain and not (kind == "cuda" and number.isascii() and number.isdigit()):
        raise ValueError("should be auto, cpu, cuda, cuda:NUMBER or mps")
    return value


def _filled(value: str) -> str:
    if not value.strip():
        raise ValueError("should not be empty")
    return value


def _amount(value: object) -> object:
    """`1.5M` as a number; what is none is left for pydantic to refuse."""
    if isinstance(value, str) and (read := re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)([kMGT]?)", value.strip())):
        return round(float(read[1]) * UNITS[read[2]])
    return value


def several(value: object) -> object:
    """One value where a TOML file may name several."""
    return (value,) if isinstance(value, str) else value


Text = Annotated[str, AfterValidator(_filled)]
Place = Annotated[Path, Strict(False)]  # TOML and JSON have no path type: a string becomes one
Texts = Annotated[tuple[Text, ...], Strict(False)]
Device = Annotated[str, AfterValidator(_device)]
Seed = Annotated[int, Field(ge=0, le=LARGEST_SEED)]
Count = Annotated[int, Field(ge=1)]
Repeats = Annotated[int, Field(ge=1, le=100)]
Side = Annotated[int, Field(ge=16, le=4096)]
"""Of an image, in pixels."""
Amount = Annotated[int, BeforeValidator(_amount, json_schema_input_type=int | str), Field(ge=1)]
Positive = Annotated[FiniteFloat, Field(gt=0)]
NotNegative = Annotated[FiniteFloat, Field(ge=0)]
Share = Annotated[float, Field(gt=0, lt=1)]
"""Neither none nor all."""
Probability = Annotated[float, Field(ge=0, lt=1)]
"""Of what must not happen always."""
Part = Annotated[float, Field(gt=0, le=1)]
"""Of something, or all of it."""
Window = Annotated[tuple[FiniteFloat, Positive], Strict(False)]
"""Centre and width."""
