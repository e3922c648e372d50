"""report.json: what was chosen, against what, how sure that is, and how to do it again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from ttl import processes
from ttl.cost.latency import Latency
from ttl.data import Task, describe
from ttl.run.judged import judged
from ttl.run.known import Known
from ttl.run.prepared import Prepared
from ttl.run.repeats import Repeats
from ttl.run.trial import COSTS, Record, predictions
from ttl.search.strategies.svcca import OVERLAP, Similarity
from ttl.search.strategy import Batch, Found
from ttl.stats import NonInferiority, non_inferior, per_class

SCHEMA = 1
MACS_PER_TRAINING_STEP = 3
"""A training step costs about three forward passes: one forward, two backward."""


def report(
    prepared: Prepared,
    known: Known,
    *,
    found: Found | None,
    exported: Mapping[str, Any] | None,
    latency: Iterable[Mapping[str, Any]],
    run: Mapping[str, Any],
    overlays: Mapping[str, Any] | None = None,
    cams: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The content of report.json, from what is known so far.

    Args:
        prepared: the run.
        known: what was found out.
        found: how the search ended; None while it runs.
        exported: the `export` section; None before the export.
        latency: rows of the latency table.
        run: the content of run.json.
        overlays: of a segmentation, the pictures of some cases; None before the export.
        cams: of a classification, the Grad-CAM of some cases; None before the export.
    """
    content: dict[str, Any] = {
        "schema": SCHEMA,
        "status": "finished" if found and exported else "unfinished",
        "metric": prepared.metric,
        "task": _task(prepared),
        "model": _model(prepared),
        "points": [
            {key: value for key, value in point.items() if key not in ("values", "image_size")}
            for point in prepared.points.to_json()
        ],
        "recipe": _recipe(prepared),
        "candidates": [_candidate(repeats) for repeats in sorted(known.tried.values(), key=lambda r: r.best["index"])],
        "failed": [{"cut": p.name, "cause": known.failed[p.name]} for p in prepared.points if p.name in known.failed],
        "search": _search(prepared, known, found),
        "probe": [{"cut": name, **probed.to_json()} for name, probed in known.probe.items()],
        "joint": [{"cut": name, **probed.to_json()} for name, probed in known.joint.items()],
        "svcca": _svcca(known.similarities),
        "latency": list(latency),
        "run": dict(run),
    }
    whole = known.tried.get(prepared.points[-1].name)
    if whole is not None:
        content["full"] = _figures(whole)
    if found is not None:
        chosen = known.tried[found.choice.point.name]
        content["chosen"] = _figures(chosen)
        if whole is not None:
            content["comparison"] = _comparison(prepared, chosen.best, whole.best)
            networks = {"chosen": chosen.best, "full": whole.best}
            if not prepared.segments:
                same = chosen.best["id"] == whole.best["id"]
                content |= judged(prepared, {"full": whole.best} if same else networks)
            else:
                content["per_class"] = {name: _per_class(prepared, record) for name, record in networks.items()}
    if exported is not None:
        content["export"] = dict(exported)
    if overlays is not None:
        content["overlays"] = dict(overlays)
    if cams is not None:
        content["cams"] = dict(cams)
    return content


def _recipe(prepared: Prepared) -> dict[str, Any]:
    recipe, config = prepared.recipe, prepared.config
    return {
        "name": recipe.name,
        "source": recipe.source,
        "phases": recipe.words(),
        "epochs_cap": config.epochs,
        "batch_size": config.batch_size or recipe.batch_size,
        "accumulate": config.accumulate,
        "augment": recipe.augment if isinstance(recipe.augment, str) else dict(recipe.augment),
        "dropout": prepared.dropout,
        "balance": config.balance,
        "amp": config.amp,
        "processes": processes.count(),
        "seeds": list(prepared.seeds),
    }


def _task(prepared: Prepared) -> dict[str, Any]:
    unit = {"distance_unit": prepared.distance_unit} if prepared.segments else {}
    return describe_task(prepared.task) | unit


def describe_task(task: Task) -> dict[str, Any]:
    """`ttl.data.describe`, with the counts as split -> class -> images that hold it, and split -> images."""
    content = describe(task)
    splits = content.pop("splits")
    return content | {
        "counts": {name: split["classes"] for name, split in splits.items()},
        "split_images": {name: split["images"] for name, split in splits.items()},
        "groups": {name: split["groups"] for name, split in splits.items()},
    }


def _model(prepared: Prepared) -> dict[str, Any]:
    backbone = prepared.backbone
    weights = {**asdict(backbone.weights), "summary": backbone.weights.summary()}
    return {"name": backbone.name, **asdict(backbone.spec), "weights": weights}


def _figures(repeats: Repeats) -> dict[str, Any]:
    """Of the trial whose weights are delivered, and how the seeds differ where there are several."""
    best = repeats.best
    content = {"trial": best["id"]} | {key: best[key] for key in ("cut", "index", *COSTS, "val", "test") if key in best}
    return content | ({"spread": repeats.spread()} if len(repeats.records) > 1 else {})


def _candidate(repeats: Repeats) -> dict[str, Any]:
    kept = ("epochs", "best_epoch", "seconds", "curve", "notes")
    trials = [record["id"] for record in repeats.records]
    return {**_figures(repeats), "trials": trials, **{key: repeats.best[key] for key in kept}}


def _svcca(similarities: Mapping[str, Similarity]) -> dict[str, Any]:
    """The distributions in five numbers a point; whole they are in svcca.json."""
    if not similarities:
        return {}
    chance = next(iter(similarities.values())).random
    points = [
        {"cut": name, "percentiles": _percentiles(found.coefficients), "overlap": found.overlap}
        for name, found in similarities.items()
    ]
    return {"points": points, "random": _percentiles(chance), "threshold": OVERLAP}


def _percentiles(values: Sequence[float]) -> list[float]:
    """The 5th, 25th, 50th, 75th and 95th percentile."""
    return [float(value) for value in np.percentile(values, [5, 25, 50, 75, 95])]


def _search(prepared: Prepared, known: Known, found: Found | None) -> dict[str, Any]:
    images, records = prepared.shown, known.records
    steps: tuple[Batch, ...] = found.steps if found else ()
    content: dict[str, Any] = {
        "strategy": prepared.config.strategy,
        "select": prepared.config.select,
        "reason": found.choice.reason if found else None,
        "fine_tunes": len(records),
        "epochs": sum(record["epochs"] for record in records),
        "train_macs": sum(MACS_PER_TRAINING_STEP * r["macs"] * images * r["epochs"] for r in records),
        "seconds": sum(record["seconds"] for record in records),
        "steps": [_step(step) for step in steps],
        **({"stopped": _stopped(prepared, known)} if prepared.config.halving else {}),
    }
    return content | ({"max_latency_ms": prepared.latency.to_json()} if prepared.latency else {})


def _step(step: Batch) -> dict[str, Any]:
    epochs = {"epochs": step.epochs} if step.epochs else {}
    return {"phase": step.phase, "points": [point.name for point in step.points], **epochs}


def _stopped(prepared: Prepared, known: Known) -> dict[str, Any]:
    """The fine-tunes that fell behind, and what they would have cost had they gone on to the cap."""
    cap, images = prepared.config.epochs, prepared.shown
    cut_short = [record for paused in known.stopped.values() for record in paused.records]
    saved = sum(
        MACS_PER_TRAINING_STEP * record["macs"] * images * (cap - record["epochs"]) for record in cut_short if cap
    )
    points = [{"cut": name, "epochs": paused.epochs, "val": paused.score} for name, paused in known.stopped.items()]
    return {"points": points, "train_macs_saved_at_most": saved if cap else None}


def compared(prepared: Prepared, one: Mapping[str, Any], other: Mapping[str, Any], split: str) -> NonInferiority:
    """`one` minus `other`, on the same images (patients) of a split resampled together: is it non-inferior?"""
    samples = prepared.task.splits[split]
    return non_inferior(
        prepared.metric,
        prepared.task.kind,
        samples.labels,
        predictions(one, split),
        predictions(other, split),
        margin=prepared.margin,
        groups=samples.groups,
        seed=prepared.config.seed,
    )


def _comparison(prepared: Prepared, chosen: Record, whole: Record) -> dict[str, Any]:
    found = compared(prepared, chosen, whole, "test")
    content = {"metric": prepared.metric, "split": "test", "margin": found.margin, "non_inferior": found.shown}
    return content | {"difference": found.difference.to_json()}


def _per_class(prepared: Prepared, record: Record) -> dict[str, dict[str, float | None]]:
    """Metric -> class -> its value on the test images; None where it is undefined."""
    names, labels = prepared.task.class_names, prepared.task.test.labels
    found = per_class(prepared.task.kind, labels, predictions(record, "test"))
    return {
        metric: {name: None if np.isnan(v) else float(v) for name, v in zip(names, values, strict=True)}
        for metric, values in found.items()
        if metric != "support"
    }


def latency_json(row: Latency) -> dict[str, Any]:
    """A row of the latency table as JSON values."""
    content = asdict(row)
    for pair in ("ratio_ci", "load_average"):
        content[pair] = list(content[pair]) if content[pair] else None
    return content
