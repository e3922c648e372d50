"""From a fine-tuned model to files that passed the gate, each with what is known of it beside."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ttl import __version__
from ttl.deliver.acceptance import acceptance, judgement_on_test
from ttl.deliver.deliverable import Deliverable
from ttl.errors import ExportError, GateError
from ttl.export.metadata import Metadata, read_metadata
from ttl.export.options import ExportConfig
from ttl.export.program import export_program
from ttl.export.to_onnx import Calibration, ExportResult, Precision, export_onnx
from ttl.report.card import beside, write_beside
from ttl.study.folder import Study

TOOLS = ("torch", "timm", "onnx", "onnxscript", "onnxruntime")
LICENCE = (
    "not known to the tool: the pretrained weights and the data have terms of their own, read them before you pass "
    "the file on"
)

EXPORTS = "exports.json"

FileRecord = dict[str, Any]
"""What is known of a file, as JSON values."""


@dataclass(frozen=True)
class Wanted:
    """One file."""

    path: Path
    precision: Precision | None
    """None is a `torch.export` program."""


def file_name(stem: str, precision: str | None, *, embedded: bool) -> str:
    """`model.onnx`, `model.int8.onnx`, `model.embedded.onnx`, `model.int8.embedded.onnx`, `model.pt2`."""
    if precision is None:
        return f"{stem}.pt2"
    middle = ([precision] if precision != "fp32" else []) + (["embedded"] if embedded else [])
    return ".".join([stem, *middle, "onnx"])


def attempt(deliverable: Deliverable, wanted: Wanted, config: ExportConfig) -> FileRecord:
    """Export one file, and say how it went: `state` is `passed`, `failed` or `not exported`, `why` its cause.

    Where a check refused it there is no file of that name afterwards, not an earlier one either: nobody is to ship that
    for the one asked for.
    """
    try:
        return export_file(deliverable, wanted, config)
    except GateError as error:
        for stale in (wanted.path, *(beside(wanted.path) if wanted.precision else ())):
            stale.unlink(missing_ok=True)
        return _known(deliverable, wanted, "failed") | {"why": str(error)}
    except ExportError as error:
        return _known(deliverable, wanted, "not exported") | {"why": str(error)}


def _known(deliverable: Deliverable, wanted: Wanted, state: str) -> FileRecord:
    """What is known of a file whatever became of it."""
    precision = wanted.precision or "torch.export"
    return {"file": wanted.path.name, "state": state, "precision": precision, "trial": deliverable.trial}


def export_file(deliverable: Deliverable, wanted: Wanted, config: ExportConfig) -> FileRecord:
    """Export one file, with its JSON and its model card beside it.

    Raises:
        ExportError: the model can't be exported so, or the file can't be written.
        GateError: the file was made and didn't pass.
    """
    known = _known(deliverable, wanted, "passed")
    if wanted.precision is None:
        return known | _program(deliverable, wanted.path)
    result = _onnx(deliverable, wanted.path, wanted.precision, config)
    record = known | _record(deliverable, result)
    try:
        write_beside(wanted.path, read_metadata(wanted.path), record)
    except OSError as error:
        raise ExportError(f"What belongs beside {wanted.path} can't be written: {error.strerror or error}.") from error
    return record


def _program(deliverable: Deliverable, path: Path) -> FileRecord:
    divisor = deliverable.bundle.divisor if deliverable.segments else None
    made = export_program(deliverable.model, path, check_on=deliverable.to_check(), divisor=divisor)
    return {
        "size_bytes": made.size_bytes,
        "parity_max_abs": made.max_abs,
        "parity_tolerance": made.tolerance,
        "checks": [asdict(check) for check in made.checks],
    }


def _onnx(deliverable: Deliverable, path: Path, precision: Precision, config: ExportConfig) -> ExportResult:
    margin = config.margin or deliverable.margin
    calibration = None
    if precision == "int8":
        images = deliverable.to_calibrate(config.calibration_images)
        accept = acceptance(deliverable, margin, config.max_changed)
        calibration = Calibration(images, accept, config.weight_bits)

    def export(free_sides: bool) -> ExportResult:
        return export_onnx(
            deliverable.model,
            path,
            check_on=deliverable.to_check(),
            metadata=describe_file(deliverable, free_sides=free_sides, licence=config.licence or LICENCE),
            opset=config.opset,
            divisor=deliverable.bundle.divisor if free_sides else None,
            precision=precision,
            calibration=calibration,
            decoded=deliverable.decoded() if config.embed_preprocessing else (),
            judge=judgement_on_test(deliverable, precision, margin, config.max_changed),
            devices=config.devices,
        )

    if not deliverable.segments:
        return export(False)
    try:
        return export(True)
    except GateError:
        raise
    except ExportError:  # an encoder whose forward holds for one size: then the file takes windows of that size
        return export(False)


def describe_file(deliverable: Deliverable, *, free_sides: bool, licence: str) -> Metadata:
    """What a file of the model says about itself."""
    bundle = deliverable.bundle
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
        params=sum(parameter.numel() for parameter in deliverable.model.parameters()),
        macs=bundle.point.macs,
        ttl_version=__version__,
        data_fingerprint=bundle.data_fingerprint,
        data_name=deliverable.task.name,
        recipe=bundle.recipe,
        metrics=bundle.metrics,
        versions={"ttl": __version__} | {name: version(name) for name in TOOLS},
        licence=licence,
    )


def _record(deliverable: Deliverable, result: ExportResult) -> FileRecord:
    parity, made = result.parity, result.quantized
    content: FileRecord = {
        "opset": result.opset,
        "size_bytes": result.size_bytes,
        "sha256": result.sha256,
        "parity_max_abs": parity.max_abs,
        "parity_tolerance": parity.tolerance,
        "parity_float64_max_abs": parity.float64_max_abs,
        "parity_batches": list(parity.batches),
        "checks": [asdict(check) for check in result.checks],
        **result.judgement.figures,
    }
    if made is not None:
        content["kept_in_float"] = list(made.kept_in_float)
        content["quantizable"] = made.of_nodes
        content["calibration_images"] = made.calibration_images
    if deliverable.segments:
        content |= {
            "divisor": deliverable.bundle.divisor,
            "free_sides": result.free_sides,
            "distance_unit": deliverable.distance_unit,
        }
    return content


def remember(study: Study, records: Iterable[FileRecord]) -> None:
    """Keep in the run folder what is known of its files."""
    files = (study.read(EXPORTS) or {}).get("files", {})
    study.write(EXPORTS, {"files": files | {record["file"]: record for record in records}})


def remembered(study: Study, trials: Collection[str]) -> list[FileRecord]:
    """What is known of the files of some fine-tunes, but for those that somebody removed."""
    files = (study.read(EXPORTS) or {}).get("files", {}).values()
    return [
        record
        for record in files
        if record.get("trial") in trials and (record["state"] != "passed" or (study.folder / record["file"]).is_file())
    ]
