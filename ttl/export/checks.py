"""What is found of a file before it gets its name: in words that can be shown, and in figures."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ttl.typed import Figure, OptionalKey
from ttl.words.estimate import Estimate

MOST_TIES = 20


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

    Images (in multi-label tasks labels) that are decided otherwise, and of how many, and how far PyTorch was from a tie
    in those, the largest first (`MOST_TIES` at most); metrics of the file on the test images, rates there where its
    rule decides, and what the metrics differ by from PyTorch's; the comparison with fp32, of fp32 with PyTorch, and it
    in words.
    """

    decisions_changed: OptionalKey[tuple[int, int]] = None
    tie_distances: OptionalKey[tuple[float, ...]] = None
    test: OptionalKey[Mapping[str, Figure]] = None
    at_point: OptionalKey[Mapping[str, Estimate]] = None
    parity_metric_delta: OptionalKey[Mapping[str, Figure]] = None
    sentence: OptionalKey[str] = None
    comparison: OptionalKey[FileComparison] = None


@dataclass(frozen=True, kw_only=True)
class OwnFigures:
    """What a file itself gives on the test images: metrics, and the rates where its rule decides."""

    test: Mapping[str, Figure]
    at_point: Mapping[str, Estimate]


@dataclass(frozen=True)
class Judgement:
    """What was found with data of the task: checks in words, and their figures."""

    checks: tuple[Check, ...] = ()
    figures: Figures = field(default_factory=Figures)

    @property
    def own(self) -> OwnFigures | None:
        """What the file says of itself; None where nobody looked."""
        if self.figures.test is None:
            return None
        return OwnFigures(test=self.figures.test, at_point=self.figures.at_point or {})


Judge = Callable[[Path], Judgement]
"""Looks at a file that is written and not yet under its name; raises GateError to refuse it."""
