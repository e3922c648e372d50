"""What is found of a file: in words, and in figures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ttl.typed import Figure, OptionalKey
from ttl.words.estimate import Estimate


@dataclass(frozen=True)
class Check:
    """One thing that was checked and passed: what was found, and what was wanted."""

    name: str
    found: str
    wanted: str = ""


@dataclass(frozen=True, kw_only=True)
class FileComparison:
    """A metric less the reference's on the same images, and whether a loss of `margin` is ruled out."""

    margin: float
    non_inferior: bool
    difference: Estimate


@dataclass(frozen=True, kw_only=True)
class Figures:
    """What was found with data of the task; None where nobody looked.

    Attributes:
        decisions_changed: images (in multi-label tasks labels) that are decided otherwise, and of how many.
        test: metric -> its value on the test images.
        parity_metric_delta: metric -> what it differs by from PyTorch's.
        sentence: the comparison in words.
        comparison: of other precisions with fp32, of fp32 with PyTorch.
    """

    decisions_changed: OptionalKey[tuple[int, int]] = None
    test: OptionalKey[Mapping[str, Figure]] = None
    parity_metric_delta: OptionalKey[Mapping[str, Figure]] = None
    sentence: OptionalKey[str] = None
    comparison: OptionalKey[FileComparison] = None
