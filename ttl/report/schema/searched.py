"""What the search looked at, what it tried, and what that cost and reached."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import nan
from typing import Annotated

from pydantic import Discriminator, Field, Tag

from ttl.finetune.epoch import Epoch
from ttl.study.undertrained import Undertrained
from ttl.typed import Figure, OptionalKey
from ttl.words.counts import counted
from ttl.words.estimate import Estimate
from ttl.words.units import milliseconds


@dataclass(frozen=True, kw_only=True)
class PointRecord:
    """A truncation point, as `ttl.cut.points` describes it; `encoder_...` only of a U-Net."""

    index: int
    name: str
    kind: str
    stage: int
    is_stage_end: bool
    channels: int
    reduction: int
    params: int
    macs: int
    shape: tuple[int, ...]
    channel_axis: int
    image_channels: int
    is_finished: bool
    is_within_weights: bool
    encoder_params: OptionalKey[int] = None
    encoder_macs: OptionalKey[int] = None


@dataclass(frozen=True, kw_only=True)
class UNetPointRecord(PointRecord):
    """A truncation point of a U-Net's encoder."""

    enters: int | None
    skips: tuple[str, ...]
    skip_channels: tuple[int, ...]
    entry: str
    entry_channels: int
    entry_is_new: bool


def _kind_of_point(value: object) -> str:
    is_unet = "enters" in value if isinstance(value, dict) else isinstance(value, UNetPointRecord)
    return "UNetPointRecord" if is_unet else "PointRecord"


AnyPoint = Annotated[
    Annotated[PointRecord, Tag("PointRecord")] | Annotated[UNetPointRecord, Tag("UNetPointRecord")],
    Discriminator(_kind_of_point),
]
"""Distinguished by a key: otherwise a damaged point's message would be of the kind that it isn't."""


@dataclass(frozen=True, kw_only=True)
class MeanAndDeviation:
    """Over the seeds; the sample standard deviation (n - 1)."""

    mean: Figure = nan
    sd: Figure = nan


@dataclass(frozen=True, kw_only=True)
class SeedSpread:
    """How the fine-tunes of a point differ that differ in nothing but the seed: split, metric -> mean and deviation."""

    seeds: tuple[int, ...]
    val: Mapping[str, MeanAndDeviation]
    test: Mapping[str, MeanAndDeviation]


@dataclass(frozen=True, kw_only=True)
class PointResult:
    """What a fine-tune at a point cost, and by metric what it reached: of several seeds the one that validates best."""

    trial: str
    cut: str
    point: OptionalKey[str] = None  # that it ends at, where it isn't its name
    index: int
    params: int
    macs: int
    encoder_params: OptionalKey[int] = None
    encoder_macs: OptionalKey[int] = None
    val: Mapping[str, Estimate]
    test: Mapping[str, Estimate]
    spread: OptionalKey[SeedSpread] = None
    undertrained: OptionalKey[Undertrained] = None


@dataclass(frozen=True, kw_only=True)
class CandidateResult(PointResult):
    """The same with how it went, of `trial`; `trials` has one a seed, `best_epoch` counts from 1 through all phases."""

    trials: tuple[str, ...]
    epochs: int
    best_epoch: int
    seconds: float
    curve: tuple[Epoch, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class FailedFineTune:
    """A point that could not be fine-tuned, and why."""

    cut: str
    cause: str


@dataclass(frozen=True, kw_only=True)
class SearchStep:
    """Points that were tried together; `epochs` where they were paused after so many."""

    phase: str
    points: tuple[str, ...]
    epochs: OptionalKey[int] = None


@dataclass(frozen=True, kw_only=True)
class StoppedFineTune:
    """A fine-tune that fell behind: its epochs, and its best validation score until then."""

    cut: str
    epochs: int
    val: Figure


@dataclass(frozen=True, kw_only=True)
class StoppedFineTunes:
    """What successive halving stopped; `train_macs_saved_at_most` is None where the epochs have no cap."""

    points: tuple[StoppedFineTune, ...]
    train_macs_saved_at_most: int | None


@dataclass(frozen=True, kw_only=True)
class TimedPoint:
    """The median time of one image."""

    cut: str
    p50_ms: Figure


@dataclass(frozen=True, kw_only=True)
class LatencyLimit:
    """What was timed to keep to a latency; `highest` is the highest point within it."""

    budget_ms: float
    threads: int
    highest: str
    measured: tuple[TimedPoint, ...]

    def words(self) -> str:
        """One line without its full stop."""
        rows = ", ".join(f"{timed.cut} {milliseconds(timed.p50_ms)}" for timed in self.measured)
        threads = counted(self.threads, "thread")
        return f"At most {self.budget_ms:g} ms an image on {threads}: up to {self.highest} (measured: {rows})"


@dataclass(frozen=True, kw_only=True)
class SearchRecord:
    """How the candidates were searched, and what that cost; `reason` is None while the search runs."""

    strategy: str
    select: str
    reason: str | None
    fine_tunes: int
    epochs: int
    train_macs: int
    seconds: float
    steps: tuple[SearchStep, ...]
    stopped: OptionalKey[StoppedFineTunes] = None
    max_latency_ms: OptionalKey[LatencyLimit] = None


Percentiles = tuple[float, float, float, float, float]
"""The 5th, 25th, 50th, 75th and 95th."""


@dataclass(frozen=True, kw_only=True)
class ComparedPoint:
    """Canonical correlations of a point's features; `overlap` is the probability that a random one is above them."""

    cut: str
    percentiles: Percentiles
    overlap: float


_UNLESS_EMPTY = Field(exclude_if=lambda value: not value)
"""Where no points were compared, `Svcca` is `{}` in JSON."""


@dataclass(frozen=True, kw_only=True)
class Svcca:
    """The features before and after fine-tuning, and random ones; an overlap is substantial from `threshold` on."""

    points: Annotated[tuple[ComparedPoint, ...], _UNLESS_EMPTY] = ()
    random: Annotated[tuple[float, ...], _UNLESS_EMPTY] = ()
    threshold: Annotated[float, _UNLESS_EMPTY] = 0.0

    def __post_init__(self) -> None:
        if self.points and len(self.random) != 5:
            raise ValueError("random has not five percentiles")
