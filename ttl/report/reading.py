"""report.json -> the frozen values that the page is built from. Every key may be missing: it reads as `nan`,
`None` or an empty tuple, because the report of an unfinished study is a report too."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from ttl.words.estimate import Estimate, number
from ttl.words.metric import Metric, metric

SEVERAL_CLASSES = ("segmentation", "multilabel")
"""Kinds of task in which an image may hold several classes, so that their counts don't add up to images."""


def mapping(parent: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """The object under `key`, empty if it is missing."""
    value = parent.get(key)
    return value if isinstance(value, Mapping) else {}


def items(parent: Mapping[str, Any], key: str) -> tuple[Any, ...]:
    """The list under `key`, empty if it is missing."""
    value = parent.get(key)
    return tuple(value) if isinstance(value, list | tuple) else ()


def records(parent: Mapping[str, Any], key: str) -> tuple[Mapping[str, Any], ...]:
    """The objects of the list under `key`."""
    return tuple(item for item in items(parent, key) if isinstance(item, Mapping))


def estimates(parent: Mapping[str, Any], key: str) -> dict[str, Estimate]:
    """The metrics of one split: metric name -> estimate."""
    return {name: Estimate.read(value) for name, value in mapping(parent, key).items() if isinstance(value, Mapping)}


@dataclass(frozen=True)
class Share:
    """What the encoder has of the params and MACs of a U-Net, the decoder having the rest; `nan` elsewhere."""

    params: float = math.nan
    macs: float = math.nan

    @classmethod
    def read(cls, value: Mapping[str, Any]) -> Share:
        """From `encoder_params` and `encoder_macs` beside `params` and `macs`."""
        of = (number(value.get(f"encoder_{key}")) / (number(value.get(key)) or math.nan) for key in ("params", "macs"))
        return cls(*of)


@dataclass(frozen=True)
class Point:
    """A truncation point, as far as the page needs it."""

    index: int
    name: str
    stage: int
    is_stage_end: bool
    channels: float
    reduction: float
    params: float
    macs: float
    encoder: Share

    @classmethod
    def read(cls, value: Mapping[str, Any], position: int) -> Point:
        """From one entry of `points`; `position` counts from 1 and stands in for a missing index."""
        index, stage = number(value.get("index")), number(value.get("stage"))
        return cls(
            index=int(index) if math.isfinite(index) else position,
            name=str(value.get("name", position)),
            stage=int(stage) if math.isfinite(stage) else 0,
            is_stage_end=bool(value.get("is_stage_end")),
            channels=number(value.get("channels")),
            reduction=number(value.get("reduction")),
            params=number(value.get("params")),
            macs=number(value.get("macs")),
            encoder=Share.read(value),
        )


@dataclass(frozen=True)
class Spread:
    """How the fine-tunes of a point differ that differ in nothing but the seed."""

    seeds: tuple[Any, ...]
    figures: Mapping[str, Any]

    @classmethod
    def read(cls, value: Mapping[str, Any]) -> Spread | None:
        """From `{"seeds", "val", "test"}`; None where there is none."""
        seeds = items(value, "seeds")
        return cls(seeds, value) if len(seeds) > 1 else None

    def of(self, split: str, metric: str) -> tuple[float, float]:
        """Mean and standard deviation of a metric, `nan` where unknown."""
        found = mapping(mapping(self.figures, split), metric)
        return number(found.get("mean")), number(found.get("sd"))


@dataclass(frozen=True)
class Candidate:
    """One truncation point that was fine-tuned, with what it cost and what it reached."""

    cut: str
    index: float
    params: float
    macs: float
    encoder: Share
    val: Mapping[str, Estimate]
    test: Mapping[str, Estimate]
    trials: tuple[str, ...]
    epochs: float
    best_epoch: float
    seconds: float
    curve: tuple[Mapping[str, Any], ...]
    spread: Spread | None
    """Where there are several seeds; the other figures are of the one whose weights are delivered."""

    @classmethod
    def read(cls, value: Mapping[str, Any]) -> Candidate:
        """From `chosen`, `full` or one entry of `candidates`."""
        return cls(
            cut=str(value.get("cut", "?")),
            index=number(value.get("index")),
            params=number(value.get("params")),
            macs=number(value.get("macs")),
            encoder=Share.read(value),
            val=estimates(value, "val"),
            test=estimates(value, "test"),
            trials=tuple(str(trial) for trial in items(value, "trials")),
            epochs=number(value.get("epochs")),
            best_epoch=number(value.get("best_epoch")),
            seconds=number(value.get("seconds")),
            curve=records(value, "curve"),
            spread=Spread.read(mapping(value, "spread")),
        )

    def same_point(self, other: Candidate | None) -> bool:
        """Whether both are cut at one place."""
        if other is None:
            return False
        if math.isfinite(self.index) and math.isfinite(other.index):
            return self.index == other.index
        return self.cut == other.cut


@dataclass(frozen=True)
class Timing:
    """One row of the latency table; times in milliseconds, ratio = time / the whole network's time.

    `load_average` is the machine's before and after, `nan` where unknown, as `cpu` is empty then.
    """

    model: str
    runtime: str
    device: str
    provider: str
    batch: float
    threads: float
    p50_ms: float
    p90_ms: float
    p95_ms: float
    p99_ms: float
    images_per_second: float
    cold_start_ms: float
    peak_memory_bytes: float
    runs: float
    processes: float
    cpu: str
    load_average: tuple[float, float]
    ratio: Estimate

    @classmethod
    def read(cls, value: Mapping[str, Any]) -> Timing:
        """From one entry of `latency`."""
        interval = (*items(value, "ratio_ci"), None, None)
        load = (*items(value, "load_average"), None, None)
        return cls(
            model=str(value.get("model", "?")),
            runtime=str(value.get("runtime") or "?"),
            device=str(value.get("device") or "?"),
            provider=str(value.get("provider") or ""),
            batch=number(value.get("batch")),
            threads=number(value.get("threads")),
            p50_ms=number(value.get("p50_ms")),
            p90_ms=number(value.get("p90_ms")),
            p95_ms=number(value.get("p95_ms")),
            p99_ms=number(value.get("p99_ms")),
            images_per_second=number(value.get("images_per_second")),
            cold_start_ms=number(value.get("cold_start_ms")),
            peak_memory_bytes=number(value.get("peak_memory_bytes")),
            runs=number(value.get("runs")),
            processes=number(value.get("processes")),
            cpu=str(value.get("cpu") or ""),
            load_average=(number(load[0]), number(load[1])),
            ratio=Estimate(number(value.get("ratio_to_full")), number(interval[0]), number(interval[1])),
        )

    @property
    def is_full(self) -> bool:
        """Whether this is the whole network: `full` or `full.onnx`."""
        return PurePath(self.model).stem == "full"

    @property
    def no_speed_up(self) -> bool:
        """Whether the interval of the ratio holds 1.0."""
        return self.ratio.low <= 1.0 <= self.ratio.high


@dataclass(frozen=True)
class Report:
    """What report.json holds; `raw` for the sections that only list what is there."""

    raw: Mapping[str, Any]
    finished: bool
    model: str
    task: str
    kind: str
    class_names: tuple[str, ...]
    metric: str
    distance_unit: str
    """Of distances between edges: `px` or `mm`; empty where the report has none."""
    folder: Path | None
    """Where the files lie that the report names; None where only its content was given."""
    points: tuple[Point, ...]
    candidates: tuple[Candidate, ...]
    chosen: Candidate | None
    full: Candidate | None
    difference: Estimate
    margin: float
    """The loss that doesn't matter; `nan` where the report has none."""
    non_inferior: bool
    latency: tuple[Timing, ...]

    def measure(self, key: str) -> Metric:
        """How a metric is called and written here."""
        return metric(key, self.distance_unit)

    @property
    def score(self) -> Metric:
        """The metric that chose."""
        return self.measure(self.metric)

    @property
    def metric_name(self) -> str:
        """The metric that chose, as it is written in a sentence."""
        return self.score.name

    @property
    def is_segmentation(self) -> bool:
        """Whether the network is a U-Net that gives each pixel a class."""
        return self.kind == "segmentation"

    @property
    def noun(self) -> str:
        """What is cut."""
        return "U-Net" if self.is_segmentation else "network"

    @property
    def networks(self) -> dict[str, str]:
        """Key in report.json -> what it is called; the whole network alone if it was chosen."""
        names = {"full": f"whole {self.noun}", "chosen": f"truncated {self.noun}"}
        return {key: name for key, name in names.items() if key == "full" or not self.keeps_whole}

    @property
    def drawn_classes(self) -> tuple[str, ...]:
        """Of a segmentation, the classes without class 0, the background."""
        return self.class_names[1:] or self.class_names

    def images(self, split: str) -> float:
        """How many images a split has; `nan` where the report doesn't tell."""
        task = mapping(self.raw, "task")
        told = number(mapping(task, "split_images").get(split))
        if math.isfinite(told) or self.kind in SEVERAL_CLASSES:
            return told
        return sum(number(n) for n in mapping(mapping(task, "counts"), split).values()) or math.nan

    @property
    def keeps_whole(self) -> bool:
        """Whether the whole network was chosen."""
        return self.chosen is not None and self.is_full(self.chosen)

    def is_full(self, candidate: Candidate) -> bool:
        """Whether a candidate is the whole network, the last truncation point."""
        if self.full is not None:
            return candidate.same_point(self.full)
        return bool(self.points) and candidate.index == self.points[-1].index

    def is_chosen(self, candidate: Candidate) -> bool:
        """Whether a candidate is the one that the search chose."""
        return candidate.same_point(self.chosen)

    def setting(self) -> tuple[Timing | None, Timing | None]:
        """The first timing of the chosen model and that of the whole network in the same setting."""
        cut = next((row for row in self.latency if not row.is_full), None)
        setting = cut and (cut.runtime, cut.device, cut.batch, cut.threads)
        whole = (row for row in self.latency if row.is_full)
        return cut, next((w for w in whole if (w.runtime, w.device, w.batch, w.threads) == setting), None)


def read(raw: Mapping[str, Any], folder: Path | None = None) -> Report:
    """The one way in from report.json; `folder` is the one that it lies in."""
    task, chosen, full = mapping(raw, "task"), mapping(raw, "chosen"), mapping(raw, "full")
    return Report(
        raw=raw,
        finished=raw.get("status") != "unfinished" and bool(chosen),
        model=str(mapping(raw, "model").get("name") or "the network"),
        task=str(task.get("name") or ""),
        kind=str(task.get("kind") or ""),
        class_names=tuple(str(name) for name in items(task, "class_names")),
        metric=str(raw.get("metric") or "auprc"),
        distance_unit=str(task.get("distance_unit") or ""),
        folder=folder,
        points=tuple(Point.read(point, i) for i, point in enumerate(records(raw, "points"), start=1)),
        candidates=_by_depth(Candidate.read(candidate) for candidate in records(raw, "candidates")),
        chosen=Candidate.read(chosen) if chosen else None,
        full=Candidate.read(full) if full else None,
        difference=Estimate.read(mapping(mapping(raw, "comparison"), "difference")),
        margin=number(mapping(raw, "comparison").get("margin")),
        non_inferior=bool(mapping(raw, "comparison").get("non_inferior")),
        latency=tuple(Timing.read(row) for row in records(raw, "latency")),
    )


def _by_depth(candidates: Iterable[Candidate]) -> tuple[Candidate, ...]:
    return tuple(sorted(candidates, key=lambda c: c.index if math.isfinite(c.index) else math.inf))
