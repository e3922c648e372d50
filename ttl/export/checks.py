"""What is found of a file before it gets its name: in words that can be shown, and in figures."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

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
    """What was found with data of the task; None where nobody looked."""

    decisions_changed: OptionalKey[tuple[int, int]] = None
    """Images (in multi-label tasks labels) that are decided otherwise, and of how many."""
    test: OptionalKey[Mapping[str, Figure]] = None
    """Metric -> its value on the test images."""
    parity_metric_delta: OptionalKey[Mapping[str, Figure]] = None
    """Metric -> what it differs by from PyTorch's."""
    sentence: OptionalKey[str] = None
    """The comparison in words."""
    comparison: OptionalKey[FileComparison] = None
    """Of other precisions with fp32, of fp32 with PyTorch."""


@dataclass(frozen=True)
class Judgement:
    """What was found with data of the task: checks in words, and their figures."""

    checks: tuple[Check, ...] = ()
    figures: Figures = field(default_factory=Figures)


Judge = Callable[[Path], Judgement]
"""Looks at a file that is written and not yet under its name; raises GateError to refuse it."""
