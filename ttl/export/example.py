"""The golden example that travels with a file: an input, and what the file gave for it when it passed the gate.

It is in the metadata as `ttl.example`, JSON that any language reads: `values`, repeated until the `shape` is full, row
by row, are the input, of the `type` that the file takes; every `step`th number of the output, from the first on, is in
`output`, and may differ by `tolerance` in another runtime.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from math import gcd, prod
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from ttl.errors import ExportError, RunFolderError
from ttl.export.contract import AGAIN, INPUT_CHANNELS, MOST_PIXELS, PREFIX, Contract, Finite, Spread
from ttl.typed import from_json, to_json

EXAMPLE = f"{PREFIX}example"
PERIOD = 1021
"""Numbers that are repeated: a prime, so that no row of an image begins as the one above it."""
LONGEST_RUN = 6
"""Pixels of one colour beside each other, at most: a resize that drops pixels, or smooths them otherwise, is seen."""
MOST_OUTPUTS = 1024
SMALL = 64
"""The longest side where the file takes any."""


@dataclass(frozen=True)
class Example:
    """See above; `values` are whole numbers of 0 to 255, or in float32 sixteenths, which JSON holds exactly."""

    type: Literal["float32", "uint8"]
    shape: Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(min_length=4, max_length=4)]
    values: Annotated[tuple[int | Finite, ...], Field(min_length=1, max_length=2**16)]
    output: Annotated[tuple[Finite, ...], Field(min_length=1, max_length=2**16)]
    step: Annotated[int, Field(ge=1)]
    tolerance: Spread

    def __post_init__(self) -> None:
        if prod(self.shape) > INPUT_CHANNELS * MOST_PIXELS:
            raise ValueError("the shape is larger than any input")
        if self.type == "uint8" and not all(isinstance(each, int) and 0 <= each <= 255 for each in self.values):
            raise ValueError("a value isn't a whole number of 0 to 255")

    @property
    def image(self) -> npt.NDArray[Any]:
        """The input."""
        return np.resize(np.array(self.values, self.type), self.shape)

    def difference(self, output: npt.NDArray[Any]) -> float:
        """The largest one of an output from the expected one; infinite where it has another number of numbers."""
        got = output.ravel()[:: self.step]
        return float(np.abs(got - np.array(self.output)).max()) if len(got) == len(self.output) else np.inf


def example_image(contract: Contract) -> npt.NDArray[Any]:
    """A synthetic input of a file with this contract: `(1, 3, h, w)` float32, or `(1, h, w, 3)` uint8 to be resized."""
    lengths = np.random.default_rng(0).integers(1, LONGEST_RUN + 1, PERIOD)
    levels = np.repeat(np.random.default_rng(1).integers(0, 64, PERIOD), lengths)[:PERIOD]
    height, width = contract.sides
    if contract.embeds_preprocessing:
        # Sides that divide nothing, smaller and larger than the network's: what resizes or pads them has work to do.
        sides = (min(height, SMALL) + 3, min(width, SMALL) + 5) if contract.per_pixel else (height + 31, width * 2 + 5)
        return np.resize((4 * levels).astype(np.uint8), (1, *sides, INPUT_CHANNELS))
    if contract.free_sides:
        height, width = (-(-min(side, SMALL) // contract.divisor) * contract.divisor for side in (height, width))
    return np.resize(((levels - 32) / 16).astype(np.float32), (1, INPUT_CHANNELS, height, width))


def example_of(image: npt.NDArray[Any], output: npt.NDArray[Any], tolerance: float) -> Example:
    """What is written of an input and its output."""
    step = -(-output.size // MOST_OUTPUTS)
    while gcd(step, output.shape[-1]) > 1 and output.size > MOST_OUTPUTS:  # else it is some columns of a mask
        step += 1
    kept = tuple(float(str(value)) for value in output.ravel()[::step].astype(np.float32))
    values = tuple(image.ravel()[:PERIOD].tolist())
    kind: Literal["float32", "uint8"] = "uint8" if image.dtype == np.uint8 else "float32"
    return Example(kind, image.shape, values, kept, step, tolerance)


def to_property(example: Example) -> dict[str, str]:
    """The example as a property of ONNX metadata."""
    return {EXAMPLE: json.dumps(to_json(example), separators=(",", ":"))}


def example_in(properties: Mapping[str, str], path: Path) -> Example | None:
    """The example in a file's properties; None where there is none, as in files of earlier versions.

    Raises:
        ExportError: it can't be read; `path` names the file.
    """
    if EXAMPLE not in properties:
        return None
    try:
        return from_json(Example, json.loads(properties[EXAMPLE]), where=str(path), remedy=AGAIN)
    except (ValueError, RecursionError) as error:
        raise ExportError(f"{path} has an example that can't be read: it isn't JSON; {AGAIN}.") from error
    except RunFolderError as error:
        raise ExportError(f"{error}.") from error
