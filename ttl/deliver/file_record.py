"""What became of an exported file, in the run folder and beside the file."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from math import isnan, nan
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, PlainSerializer

from ttl.deliver.group_figures import GroupFigures
from ttl.export.checks import Check, Figures
from ttl.files import sha256
from ttl.study.folder import Study
from ttl.typed import OptionalKey

EXPORTS = "exports.json"
CHOSEN, FULL = "model.onnx", "full.onnx"
"""What a run exports: the chosen model, and the whole network."""

Tolerance = Annotated[
    float | None,
    BeforeValidator(lambda value: nan if value is None else value),
    PlainSerializer(lambda value: None if isnan(value) else value),
    Field(exclude_if=lambda value: value is None),
]
"""NaN, null in JSON, where the metric alone decides; None, and no key, where nothing was compared."""


@dataclass(frozen=True, kw_only=True)
class FileRecord(Figures):
    """What became of one file; what isn't known of it is None, and has no key in JSON.

    Differences are of logits; `divisor`, `free_sides` and `distance_unit` are of segmentations, `kept_in_float` (layers
    of `quantizable`) and `calibration_images` of int8. `trial` is empty where the model came without its run.
    """

    file: str
    state: Literal["passed", "failed", "not exported"]
    precision: str
    trial: str
    why: OptionalKey[str] = None
    opset: OptionalKey[int] = None
    size_bytes: OptionalKey[int] = None
    sha256: OptionalKey[str] = None
    parity_max_abs: OptionalKey[float] = None
    parity_tolerance: Tolerance = None
    parity_float64_max_abs: OptionalKey[float] = None
    parity_batches: OptionalKey[tuple[int, ...]] = None
    checks: OptionalKey[tuple[Check, ...]] = None
    kept_in_float: OptionalKey[tuple[str, ...]] = None
    quantizable: OptionalKey[int] = None
    calibration_images: OptionalKey[int] = None
    divisor: OptionalKey[int] = None
    free_sides: OptionalKey[bool] = None
    distance_unit: OptionalKey[str] = None
    groups: OptionalKey[tuple[GroupFigures, ...]] = None
    rule: OptionalKey[str] = None  # the hash of what it decides by
    looks: OptionalKey[int] = None  # that were taken at the test images until it was made, those at it included


@dataclass(frozen=True)
class Exports:
    """exports.json: name of the file -> what became of it."""

    files: Mapping[str, FileRecord]


def remember(study: Study, records: Iterable[FileRecord]) -> None:
    """Keep in the run folder what became of its files.

    Raises:
        RunFolderError: what is there can't be trusted, or the folder can't be written.
    """
    study.write(EXPORTS, Exports({**_all(study), **{record.file: record for record in records}}))


def forget(study: Study, trial: str) -> None:
    """Keep no longer what became of the files of a fine-tune: it is done again.

    Raises:
        RunFolderError: what is there can't be trusted, or the folder can't be written.
    """
    records = _all(study)
    if any(record.trial == trial for record in records.values()):
        study.write(EXPORTS, Exports({name: record for name, record in records.items() if record.trial != trial}))


def remembered(study: Study, trials: Collection[str]) -> list[FileRecord]:
    """What became of the files of some fine-tunes, but for those that somebody removed.

    Raises:
        RunFolderError: what is there can't be trusted.
    """
    records = (record for record in _all(study).values() if record.trial in trials)
    return [record for record in records if record.state != "passed" or (study.folder / record.file).is_file()]


def is_whole(study: Study, file: str) -> bool:
    """Whether a file of the run folder is there with the bytes that passed the checks.

    Raises:
        RunFolderError: the records of the files can't be trusted.
    """
    record, path = _all(study).get(file), study.folder / file
    return record is not None and path.is_file() and record.sha256 == sha256(path)


def _all(study: Study) -> Mapping[str, FileRecord]:
    exports = study.read(Exports, EXPORTS)
    return exports.files if exports else {}
