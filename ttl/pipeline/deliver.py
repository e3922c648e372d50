"""From a fine-tuned model to a checked ONNX file, and its latency against the whole network's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

from ttl import __version__
from ttl.bundle import Bundle, load_bundle
from ttl.cost.bench import bench
from ttl.cost.latency import Latency, latency_rows
from ttl.cost.subject import Subject
from ttl.errors import ExportError
from ttl.export.metadata import Metadata
from ttl.export.run import OnnxModel
from ttl.export.to_onnx import ExportResult, export_onnx
from ttl.finetune import normalised
from ttl.pipeline.prepared import Prepared
from ttl.pipeline.trial import Record, Rows, predictions
from ttl.search.study import Study
from ttl.stats import metrics, ratio_interval

CHOSEN, FULL = "model.onnx", "full.onnx"
IMAGES_CHECKED = 7
METRIC_TOLERANCE = 1e-3
"""Rounding may swap two near-equal scores; more than this in a metric is another model."""


def export_model(model: nn.Module, bundle: Bundle, path: Path, images: torch.Tensor) -> ExportResult:
    """Write a checked ONNX file of `model`.

    Args:
        model: as `truncate` made it and `fit` trained it.
        bundle: what it is; goes into the file's metadata.
        path: the file.
        images: uint8 `(n, 1 or 3, image_size, image_size)`, real ones: outputs are compared on them.

    Raises:
        ExportError: the file can't be written, or doesn't compute what the model computes.
    """
    check_on = normalised(images[:IMAGES_CHECKED], bundle.mean, bundle.std)
    if bundle.kind != "segmentation":
        return export_onnx(model, path, check_on=check_on, metadata=_metadata(model, bundle))
    try:
        said = _metadata(model, bundle, free_sides=True)
        return export_onnx(model, path, check_on=check_on, metadata=said, divisor=bundle.divisor)
    except ExportError:  # an encoder whose forward holds for one size: then the file takes windows of that size
        return export_onnx(model, path, check_on=check_on, metadata=_metadata(model, bundle))


def _metadata(model: nn.Module, bundle: Bundle, *, free_sides: bool = False) -> Metadata:
    return Metadata(
        kind=bundle.kind,  # type: ignore[arg-type]
        class_names=bundle.class_names,
        image_size=bundle.image_size,
        channels=bundle.channels,
        mean=bundle.mean,  # type: ignore[arg-type]
        std=bundle.std,  # type: ignore[arg-type]
        interpolation=bundle.interpolation,
        divisor=bundle.divisor,
        free_sides=free_sides,
        window=bundle.window,
        backbone=bundle.backbone,
        weights=bundle.weights,
        cut=bundle.point.name,
        index=bundle.point.index,
        params=sum(parameter.numel() for parameter in model.parameters()),
        macs=bundle.point.macs,
        ttl_version=__version__,
        data_fingerprint=bundle.data_fingerprint,
        metrics=bundle.metrics,
    )


def export_trial(prepared: Prepared, study: Study, record: Record, path: Path) -> dict[str, Any]:
    """Export a finished trial, recompute its test metric from the file, and say what was found.

    Raises:
        ExportError: the file doesn't compute what the model computes, on images or in the metric.
    """
    model, bundle = load_bundle(study.trial_folder(record["id"]), backbone=prepared.backbone.model)
    path.unlink(missing_ok=True)
    result = export_model(model, bundle, path, prepared.stills("val"))
    delta = _metric_delta(prepared, record, path)
    return {
        "path": path.name,
        "precision": result.precision,
        "opset": result.opset,
        "size_bytes": result.size_bytes,
        "parity_max_abs": result.parity.max_abs,
        "parity_tolerance": result.parity.tolerance,
        "parity_batches": list(result.parity.batches),
        "parity_metric_delta": delta,
        **({"divisor": bundle.divisor, "free_sides": result.free_sides} if prepared.segments else {}),
    }


def _metric_delta(prepared: Prepared, record: Record, path: Path) -> dict[str, float]:
    kind, labels = prepared.task.kind, prepared.task.test.labels
    from_file = metrics(kind, labels, _from_file(prepared, OnnxModel(path)))
    from_torch = metrics(kind, labels, predictions(record, "test"))
    deltas = {name: from_file[name] - from_torch[name] for name in from_file if from_torch[name] == from_torch[name]}
    worst = max(deltas, key=lambda name: abs(deltas[name]), default=None)
    if worst is not None and abs(deltas[worst]) > METRIC_TOLERANCE:
        path.unlink(missing_ok=True)
        raise ExportError(
            f"{path} gives a test {worst} of {from_file[worst]:.4f} where the fine-tuned model gave "
            f"{from_torch[worst]:.4f}: the exported graph isn't the model, so the file was removed"
        )
    return deltas


def _from_file(prepared: Prepared, model: OnnxModel) -> Rows:
    """What the file gives for the test images, as `ttl.stats` scores it."""
    if prepared.segments:
        test = prepared.masked["test"]
        return test.overlaps(model.maps(test.pixels))
    return model.predict(prepared.images["test"].pixels)


def measure_latency(
    folder: Path, *, image_size: int, threads: int | None, budget_seconds: float, seed: int
) -> tuple[Latency, ...]:
    """Both files of a run folder, by the protocol of `ttl bench`, on one thread and on all (or on `threads`)."""
    timed = bench(
        [Subject(name, folder / name) for name in (CHOSEN, FULL)],
        threads=[threads] if threads else None,
        seconds=budget_seconds,
        image_size=image_size,
        seed=seed,
    )
    return latency_rows(timed, reference=FULL, ratio=ratio_interval)
