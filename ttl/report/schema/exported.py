"""The files of a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import nan
from typing import Annotated, Literal

from pydantic import Field

from ttl.report.schema.on_test import FileComparison
from ttl.typed import Figure, OptionalKey


@dataclass(frozen=True, kw_only=True)
class FileCheck:
    """One thing that was checked on a file."""

    name: str
    found: str
    wanted: str


@dataclass(frozen=True, kw_only=True)
class ExportedFile:
    """What became of a file that was asked for.

    Attributes:
        why: it failed, or wasn't exported.
        parity_max_abs: the largest difference of a logit from PyTorch's.
        parity_tolerance: the largest that passes; None of int8, which isn't held to one, NaN of what isn't there.
        decisions_changed: how many decisions on the test images differ from PyTorch's, and of how many.
        test: metric -> value on the test images, of the file itself.
        parity_metric_delta: metric -> the same less PyTorch's.
        comparison: with PyTorch, of another precision with fp32.
        kept_in_float: of int8, the nodes that stayed; `quantizable` is how many there are.
        divisor: of masks, what the sides of an image must be multiples of where `free_sides`.
    """

    file: str
    state: Literal["passed", "failed", "not exported"]
    precision: str
    trial: str
    why: OptionalKey[str] = None
    opset: OptionalKey[int] = None
    size_bytes: OptionalKey[int] = None
    sha256: OptionalKey[str] = None
    parity_max_abs: OptionalKey[float] = None
    parity_tolerance: Annotated[float | None, Field(exclude_if=lambda value: value != value)] = nan
    parity_float64_max_abs: OptionalKey[float] = None
    parity_batches: OptionalKey[tuple[int, ...]] = None
    checks: OptionalKey[tuple[FileCheck, ...]] = None
    decisions_changed: OptionalKey[tuple[int, int]] = None
    test: OptionalKey[Mapping[str, Figure]] = None
    parity_metric_delta: OptionalKey[Mapping[str, Figure]] = None
    sentence: OptionalKey[str] = None
    comparison: OptionalKey[FileComparison] = None
    kept_in_float: OptionalKey[tuple[str, ...]] = None
    quantizable: OptionalKey[int] = None
    calibration_images: OptionalKey[int] = None
    divisor: OptionalKey[int] = None
    free_sides: OptionalKey[bool] = None
    distance_unit: OptionalKey[str] = None


@dataclass(frozen=True, kw_only=True)
class DeliveredFiles(ExportedFile):
    """The chosen network's file, `path` as `file`, and the whole one's beside it."""

    path: str
    full_path: str
    full_size_bytes: int
    full_parity_max_abs: float
