"""From a fine-tuned model to files that passed the gate, each with its record and its model card beside."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import version
from math import nan
from pathlib import Path
from typing import Literal

from ttl import __version__
from ttl.deliver.acceptance import Acceptance
from ttl.deliver.against_whole import AgainstWhole
from ttl.deliver.deliverable import Deliverable
from ttl.deliver.file_record import FileRecord
from ttl.deliver.model_card import beside, write_beside
from ttl.errors import ExportError, GateError
from ttl.export.contract import Contract
from ttl.export.example import example_in
from ttl.export.options import ExportConfig
from ttl.export.run import open_model
from ttl.export.targets.target import Calibration, Target
from ttl.export.to_file import ExportResult, export_model

TOOLS = ("torch", "timm", "onnx", "onnxscript", "onnxruntime")
LICENCE = (
    "not known to the tool: the pretrained weights and the data have terms of their own, read them before you pass "
    "the file on"
)


@dataclass(frozen=True)
class Wanted:
    """One file."""

    path: Path
    target: Target
    looks: int | None = None  # at the test images so far, those at this file included; None outside of a run folder

    @property
    def precision(self) -> str:
        """What the report calls it."""
        return self.target.label or self.target.name


def attempt(deliverable: Deliverable, wanted: Wanted, config: ExportConfig) -> FileRecord:
    """Export one file, and say how it went: `state` is `passed`, `failed` or `not exported`, `why` its cause.

    Where a check refused it there is no file of that name afterwards, not an earlier one either: nobody is to ship that
    for the one asked for.
    """
    state: Literal["failed", "not exported"] = "not exported"
    try:
        return export_file(deliverable, wanted, config)
    except GateError as error:
        state, why = "failed", str(error)
        for stale in (*wanted.target.files(wanted.path), *(beside(wanted.path) if wanted.target.is_described else ())):
            stale.unlink(missing_ok=True)
    except ExportError as error:
        why = str(error)
    file, trial = wanted.path.name, deliverable.trial
    return FileRecord(file=file, state=state, precision=wanted.precision, trial=trial, why=why)


def export_file(deliverable: Deliverable, wanted: Wanted, config: ExportConfig) -> FileRecord:
    """Export one file; an ONNX file with its JSON and its model card beside it.

    Raises:
        ExportError: the model can't be exported so, or the file can't be written.
        GateError: the file was made and didn't pass.
    """
    record = _record(deliverable, wanted, _exported(deliverable, wanted, config))
    if wanted.target.is_described:
        describe(wanted.path, record)
    return record


def describe(path: Path, record: FileRecord, against: AgainstWhole | None = None) -> None:
    """Write a file's JSON and its model card beside it, with the comparison `against` the whole network's file.

    Raises:
        ExportError: they can't be written, or the file's graph takes or gives something else than its contract says.
    """
    model = open_model(path)
    try:
        write_beside(path, model.contract, record, example_in(model.properties, path), against)
    except OSError as error:
        raise ExportError(f"What belongs beside {path} can't be written: {error.strerror or error}.") from error


def _exported(deliverable: Deliverable, wanted: Wanted, config: ExportConfig) -> ExportResult:
    contract, target = deliverable.contract, wanted.target
    acceptance = Acceptance(deliverable, config.margin or deliverable.margin, config.max_changed)
    calibration = None
    if target.is_calibrated:
        images = deliverable.to_calibrate(config.calibration_images)
        calibration = Calibration(images, acceptance.accept, config.weight_bits)
    export = partial(
        export_model,
        deliverable.model,
        wanted.path,
        check_on=deliverable.to_check(),
        contract=_described(deliverable, config.licence or LICENCE),
        opset=config.opset,
        precision=target.name,
        calibration=calibration,
        decoded=deliverable.decoded() if config.embed_preprocessing and target.is_onnx else (),
        judge=partial(acceptance.judge, target),
        devices=config.devices,
    )
    try:
        return export(divisor=contract.divisor if contract.per_pixel else None)
    except GateError:
        raise
    except ExportError:
        if not contract.per_pixel:
            raise
        return export(divisor=None)  # an encoder whose forward holds for one size: the file takes windows of that size


def _described(deliverable: Deliverable, licence: str) -> Contract:
    """What a file of the model says of itself; the rest is added when it is written."""
    provenance = replace(
        deliverable.contract.provenance,
        params=sum(parameter.numel() for parameter in deliverable.model.parameters()),
        ttl_version=__version__,
        data_name=deliverable.task.name,
        versions={"ttl": __version__} | {name: version(name) for name in TOOLS},
        licence=licence,
    )
    return replace(deliverable.contract, provenance=provenance)


def _record(deliverable: Deliverable, wanted: Wanted, result: ExportResult) -> FileRecord:
    parity, made, contract, task = result.parity, result.quantized, deliverable.contract, deliverable.task
    record = FileRecord(
        file=wanted.path.name,
        state="passed",
        precision=wanted.precision,
        trial=deliverable.trial,
        size_bytes=result.size_bytes,
        sha256=result.sha256,
        parity_max_abs=parity.max_abs,
        parity_tolerance=nan if parity.tolerance is None else parity.tolerance,
        checks=result.checks,
        groups=deliverable.groups or None,
        rule=deliverable.contract.decision.identity if deliverable.contract.decision else None,
        looks=wanted.looks,
        **vars(result.judgement.figures),
    )
    if not wanted.target.is_described:
        return record
    return replace(
        record,
        opset=result.opset,
        parity_float64_max_abs=parity.float64_max_abs,
        parity_batches=parity.batches,
        kept_in_float=made.kept_in_float if made else None,
        quantizable=made.of_nodes if made else None,
        calibration_images=made.calibration_images if made else None,
        divisor=contract.divisor if contract.per_pixel else None,
        free_sides=result.free_sides if contract.per_pixel else None,
        distance_unit=task.kind.distance_unit(task.train) if contract.per_pixel else None,
    )
