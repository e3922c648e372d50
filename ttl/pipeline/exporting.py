"""From a fine-tuned model to files that passed the gate, each with what is known of it beside."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from ttl import __version__
from ttl.errors import ExportError, GateError
from ttl.export.gate import Check, Judge, Judgement
from ttl.export.metadata import Metadata, read_metadata
from ttl.export.options import ExportConfig
from ttl.export.program import export_program
from ttl.export.quantize import Verdict
from ttl.export.to_onnx import Calibration, ExportResult, Precision, export_onnx
from ttl.pipeline.deliverable import Deliverable
from ttl.pipeline.trial import Rows
from ttl.report.card import write_beside
from ttl.report.metric import metric
from ttl.search.study import Study
from ttl.stats import NonInferiority, metrics

METRIC_TOLERANCE = 1e-3
"""Rounding may swap two near-equal scores; more than this in a metric is another model."""
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
    """Export one file, and say how it went: `state` is `passed`, `failed` or `not exported`, `why` its cause."""
    try:
        return export_file(deliverable, wanted, config)
    except GateError as error:
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
        accept = _acceptance(deliverable, margin, config.max_changed / 2)
        calibration = Calibration(images, accept, config.weight_bits)

    def export(free_sides: bool) -> ExportResult:
        return export_onnx(
            deliverable.model,
            path,
            check_on=deliverable.to_check(),
            metadata=describe_file(deliverable, free_sides=free_sides),
            opset=config.opset,
            divisor=deliverable.bundle.divisor if free_sides else None,
            precision=precision,
            calibration=calibration,
            decoded=deliverable.decoded() if config.embed_preprocessing else (),
            judge=_judge(deliverable, precision, margin, config.max_changed),
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


def describe_file(deliverable: Deliverable, *, free_sides: bool = False) -> Metadata:
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
        licence=LICENCE,
    )


def _acceptance(deliverable: Deliverable, margin: float, most_changed: float) -> Callable[[onnx.ModelProto], Verdict]:
    """Whether a candidate is not inferior to float32 on the validation images, and decides them alike.

    Half of what the test images are allowed: they are others, and shall rarely refuse what these accepted.
    """

    def accept(graph: onnx.ModelProto) -> Verdict:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "candidate.onnx"
            path.write_bytes(graph.SerializeToString())
            rows = deliverable.from_file(path, "val")
        found, (changed, of) = deliverable.compared(rows, "val", margin), _changed(deliverable, rows, "val")
        words = f"{_sentence(deliverable, found, 'validation')}; {changed} of {of} decided otherwise"
        return Verdict(found.shown and changed <= most_changed * of, words)

    return accept


def _judge(deliverable: Deliverable, precision: Precision, margin: float, most_changed: float) -> Judge:
    """Recomputes the task's metrics on the test images from the final file."""

    def judge(path: Path) -> Judgement:
        rows = deliverable.from_file(path, "test")
        labels, kind = deliverable.task.test.labels, deliverable.task.kind
        own, torchs = metrics(kind, labels, rows), metrics(kind, labels, deliverable.predicted["test"])
        deltas = {name: own[name] - torchs[name] for name in own if torchs[name] == torchs[name]}
        changed, of = _changed(deliverable, rows, "test")
        if precision == "fp32":
            _refuse_another_model(deltas, own, torchs)
        elif changed > most_changed * of:
            raise GateError(
                f"The file decides {changed} of {of} test images otherwise than fp32, more than "
                f"{most_changed:.0%}: keep fp32, or allow more with --max-changed; the file was removed"
            )
        found = deliverable.compared(rows, "test", margin)
        sentence = _sentence(deliverable, found, "test", "PyTorch" if precision == "fp32" else "fp32")
        if precision != "fp32" and not found.shown:
            raise GateError(
                f"{sentence}: raise --margin ({margin:g}) if more may be lost, or keep fp32; the file was removed"
            )
        allowed = "" if precision == "fp32" else f"at most {most_changed:.0%}"
        decided = Check("Decisions on the test images that differ", f"{changed} of {of}", allowed)
        judged = Check(f"Test {metric(deliverable.metric, '').name} of the file", sentence)
        checks = (judged,) if deliverable.segments else (decided, judged)
        figures = {
            **({} if deliverable.segments else {"decisions_changed": [changed, of]}),
            "test": {name: _plain(value) for name, value in own.items()},
            "parity_metric_delta": deltas,
            "sentence": f"{sentence}.",
            "comparison": {"margin": margin, "non_inferior": found.shown, "difference": found.difference.to_json()},
        }
        return Judgement(checks, figures)

    return judge


def _refuse_another_model(deltas: Mapping[str, float], own: Mapping[str, float], torchs: Mapping[str, float]) -> None:
    worst = max(deltas, key=lambda name: abs(deltas[name]), default=None)
    if worst is not None and not abs(deltas[worst]) <= METRIC_TOLERANCE:
        raise GateError(
            f"The file gives a test {worst} of {own[worst]:.4f} where the fine-tuned model gave {torchs[worst]:.4f}: "
            "the exported graph isn't the model, so the file was removed"
        )


def _changed(deliverable: Deliverable, rows: Rows, split: str) -> tuple[int, int]:
    """How many images (in multi-label tasks labels) are decided otherwise than in PyTorch, and of how many.

    None of a segmentation: its metric is one of decisions.
    """
    wanted, kind = deliverable.predicted[split], deliverable.task.kind
    if kind == "segmentation":
        return 0, len(rows)
    if kind == "multilabel":
        return int(((rows > 0.5) != (wanted > 0.5)).sum()), rows.size
    return int((rows.argmax(1) != wanted.argmax(1)).sum()), len(rows)


def _sentence(deliverable: Deliverable, found: NonInferiority, split: str, reference: str = "fp32") -> str:
    """The non-inferiority sentence against the model in float32."""
    known, gap = metric(deliverable.metric, deliverable.distance_unit), found.difference
    between = f"{gap.ci_low:+.4f} to {gap.ci_high:+.4f}"
    verdict = (
        f"not inferior to {reference} by a margin of {found.margin:g}"
        if found.shown
        else f"not shown to lose less than {found.margin:g} against {reference}"
    )
    return f"Difference in {split} {known.name} from {reference} {gap.value:+.4f} (95 % interval {between}): {verdict}"


def _plain(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


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
