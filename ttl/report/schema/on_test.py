"""How the chosen and the whole network do on the test images: comparison, curves, confusion, calibration, classes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated

from pydantic import Field

from ttl.export.checks import FileComparison
from ttl.stats import Bin, Power
from ttl.typed import Figure, OptionalKey
from ttl.words.estimate import Estimate


@dataclass(frozen=True, kw_only=True)
class Comparison(FileComparison):
    """The chosen network's metric less the whole one's."""

    metric: str
    split: str
    power: OptionalKey[Power] = None  # what so many test images can show


class _Line:
    def __post_init__(self) -> None:
        if len({len(values) for values in vars(self).values()}) > 1:
            raise ValueError("its lists are not of one length")


@dataclass(frozen=True, kw_only=True)
class RocCurve(_Line):
    """Point by point; from `threshold` on an image counts as positive, NaN where none does."""

    false_positive_rate: tuple[float, ...]
    sensitivity: tuple[float, ...]
    threshold: tuple[Figure, ...]


@dataclass(frozen=True, kw_only=True)
class PrecisionRecallCurve(_Line):
    """Point by point, thresholds likewise."""

    recall: tuple[float, ...]
    precision: tuple[float, ...]
    threshold: tuple[Figure, ...]


@dataclass(frozen=True, kw_only=True)
class OperatingPoint:
    """What happens where a network's rule decides."""

    sensitivity: Estimate
    specificity: Estimate
    precision: Estimate


@dataclass(frozen=True, kw_only=True)
class ClassRecord:
    """How one network tells one class from the rest; `positives` and `negatives` are numbers of images (patients).

    `threshold` is the one of its rule, None where the most probable class is taken; `at_threshold` is what the rule
    does, None where it decides on something else than this class.
    """

    name: Annotated[str, Field(alias="class")]
    positives: int
    negatives: int
    auroc: Estimate
    auprc: Estimate
    roc: RocCurve
    precision_recall: PrecisionRecallCurve
    threshold: OptionalKey[float] = None
    at_threshold: OptionalKey[OperatingPoint] = None


@dataclass(frozen=True, kw_only=True)
class Curves:
    """Of each network the classes that are drawn, `chosen` None where the whole one was; `left_out` classes aren't.

    `grouped` says that there are images of one patient. Older files have the `threshold` of all here, and take images
    of one patient for independent in what is decided there.
    """

    split: str
    threshold: OptionalKey[float] = None
    grouped: bool
    left_out: int
    full: tuple[ClassRecord, ...]
    chosen: OptionalKey[tuple[ClassRecord, ...]] = None


Counts = tuple[tuple[int, ...], ...]
"""Rows: what an image is; columns: what it is called."""
LabelCounts = tuple[tuple[int, int], tuple[int, int]]
"""Of a label, absent and present."""


@dataclass(frozen=True, kw_only=True)
class Confusion:
    """Counts of images (patients, where they are decided on) by class, of each network.

    Of two classes by its rule, of more by the most probable class; `threshold` is that of all in older files.
    """

    split: str
    threshold: OptionalKey[float] = None
    full: Counts
    chosen: OptionalKey[Counts] = None

    def __post_init__(self) -> None:
        if any(len(line) != len(counts) for counts in (self.full, self.chosen or ()) for line in counts):
            raise ValueError("a matrix isn't square")


@dataclass(frozen=True, kw_only=True)
class LabelConfusion:
    """With several labels an image: counts of each label, by each network's rule; `threshold` as of `Confusion`."""

    split: str
    threshold: OptionalKey[float] = None
    full: tuple[LabelCounts, ...]
    chosen: OptionalKey[tuple[LabelCounts, ...]] = None


@dataclass(frozen=True, kw_only=True)
class Histogram:
    """`counts[i]` lies between `edges[i]` and `edges[i + 1]`."""

    edges: tuple[float, ...]
    counts: tuple[int, ...]

    def __post_init__(self) -> None:
        if not self.counts or len(self.edges) != len(self.counts) + 1:
            raise ValueError("there must be counts, and one edge more than those")
        if not all(low < high for low, high in pairwise(self.edges)):
            raise ValueError("the edges don't rise")


@dataclass(frozen=True, kw_only=True)
class Confidence:
    """One network's confidence against how often it is right."""

    bins: Annotated[tuple[Bin, ...], Field(min_length=1)]
    histogram: Histogram


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """Of each network, as `Curves`."""

    split: str
    grouped: bool
    full: Confidence
    chosen: OptionalKey[Confidence] = None


PerClass = Mapping[str, Mapping[str, Figure]]
"""Metric -> class -> value."""
