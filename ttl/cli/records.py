"""What the terminal shows of records, learning curves and reports: the one place in `ttl/cli` that reads them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from math import isnan, nan
from typing import TYPE_CHECKING, Any

from pydantic import JsonValue

from ttl.words.estimate import Estimate, number

if TYPE_CHECKING:
    from ttl.cost.latency import Latency

Content = Mapping[str, Any]
"""JSON values under their names."""


@dataclass(frozen=True)
class EpochFigures:
    """A row of a learning curve."""

    epoch: int
    seconds: float
    train_loss: float
    val_loss: float
    images_per_second: float
    metric: str
    """That chooses, by its key."""
    value: float
    """Of that metric on the validation images; NaN where it is undefined."""


def epoch_figures(row: Content) -> EpochFigures:
    """From an `EpochDone`; of the metrics in a row the first is the one that chooses."""
    key = next(name for name in row if name.startswith("val_") and name != "val_loss")
    named = {name: row[name] for name in ("epoch", "seconds", "train_loss", "val_loss", "images_per_second")}
    return EpochFigures(**named, metric=key.removeprefix("val_"), value=number(row[key]))


@dataclass(frozen=True)
class TrialFigures:
    """A fine-tune that ended, for now or for good."""

    cut: str
    seed: int
    epochs: int
    seconds: float
    metric: str
    """That chooses, by its key."""
    value: float
    """Of that metric: of the kept weights; where it was paused, of its best epoch. NaN where it is undefined."""
    figures: Mapping[str, Mapping[str, Estimate]]
    """Split -> metric -> estimate; none where it was paused."""
    distance_unit: str
    notes: tuple[str, ...]


def trial_figures(record: Content) -> TrialFigures:
    """From a `TrialDone`, a `TrialPaused` or a trial.json; records that don't name their metric are of AUPRC."""
    metric = record.get("score", "auprc")
    splits = {split: record[split] for split in ("val", "test") if split in record}
    figures = {split: {key: Estimate.read(found) for key, found in splits[split].items()} for split in splits}
    curve = [number(row.get(f"val_{metric}")) for row in record.get("curve", ())]
    best = max((value for value in curve if not isnan(value)), default=nan)
    return TrialFigures(
        cut=record["cut"],
        seed=record["seed"],
        epochs=record["epochs"],
        seconds=record["seconds"],
        metric=metric,
        value=figures["val"][metric].value if figures else best,
        figures=figures,
        distance_unit=record.get("distance_unit") or "",
        notes=tuple(record.get("notes", ())),
    )


def trial_json(record: Content) -> dict[str, JsonValue]:
    """A trial's record for `--json`: all but its predictions, which are as long as the data."""
    return {key: value for key, value in record.items() if key != "predictions"}


@dataclass(frozen=True)
class Spread:
    """How the seeds of one point differ."""

    seeds: int
    """How many there are."""
    mean: Mapping[str, Mapping[str, float]]
    """Split -> metric -> mean; NaN where one of them is undefined."""
    sd: Mapping[str, Mapping[str, float]]


def spread_of(content: Content) -> Spread:
    """From the `spread` of a candidate."""

    def each(key: str) -> dict[str, dict[str, float]]:
        splits = ((split, content[split]) for split in ("val", "test") if split in content)
        return {split: {metric: number(of[key]) for metric, of in metrics.items()} for split, metrics in splits}

    return Spread(len(content["seeds"]), each("mean"), each("sd"))


@dataclass(frozen=True)
class ClassCounts:
    """The images of each class in each split; of a segmentation those that hold it."""

    names: tuple[str, ...]
    images: Mapping[str, Mapping[str, int]]
    """Split -> class -> images."""
    pixel_share: Mapping[str, float | None]
    """Class -> its share of the labelled pixels; none where there are no masks."""


def class_counts(task: Content) -> ClassCounts:
    """From the description of a task."""
    return ClassCounts(tuple(task["class_names"]), task["counts"], task.get("pixel_share") or {})


@dataclass(frozen=True)
class Candidate:
    """A point that was tried."""

    cut: str
    params: int
    macs: int
    epochs: int
    val: Estimate
    test: Estimate
    spread: Spread | None
    """None where there is one seed."""
    is_chosen: bool


@dataclass(frozen=True)
class RunFigures:
    """What a run ends with."""

    metric: str
    """That chooses, by its key."""
    distance_unit: str
    candidates: tuple[Candidate, ...]
    latency: tuple[Latency, ...]


def run_figures(report: Content) -> RunFigures:
    """From the content of report.json."""
    from ttl.cost.latency import Latency

    metric, chosen = report["metric"], report.get("chosen", {}).get("cut")
    candidates = tuple(
        Candidate(
            **{key: row[key] for key in ("cut", "params", "macs", "epochs")},
            val=Estimate.read(row["val"][metric]),
            test=Estimate.read(row["test"][metric]),
            spread=spread_of(row["spread"]) if "spread" in row else None,
            is_chosen=row["cut"] == chosen,
        )
        for row in report["candidates"]
    )
    # What an older version of the table doesn't have is None.
    absent = {field.name: None for field in fields(Latency)}
    latency = tuple(Latency(**{**absent, **row}) for row in report.get("latency", ()))
    return RunFigures(metric, report.get("task", {}).get("distance_unit") or "", candidates, latency)


@dataclass(frozen=True)
class ExportedFile:
    """A file that was asked for, and how it went."""

    name: str
    precision: str
    state: str
    """`passed`, `failed` or `not exported`."""
    why: str
    """The cause, where it isn't there."""
    verdict: str
    """In one sentence or a figure."""
    size_bytes: int | None
    checks: tuple[tuple[str, str, str], ...]
    """Name, what was found, what was wanted (empty where nothing was)."""


def exported_file(record: Content) -> ExportedFile:
    """From what `ttl.run.export` gives."""
    why = record.get("why") or ""
    parity = f"differs from PyTorch by {record['parity_max_abs']:.2g}" if "parity_max_abs" in record else ""
    return ExportedFile(
        name=record["file"],
        precision=record["precision"],
        state=record["state"],
        why=why,
        verdict=why or record.get("sentence") or parity,
        size_bytes=record.get("size_bytes"),
        checks=tuple((check["name"], check["found"], check["wanted"]) for check in record.get("checks", ())),
    )
