"""How the chosen and the whole network do on the test images, for the report: curves, confusion, calibration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import isfinite, nan
from typing import Any

from ttl.deliver.pictures.cases import Which
from ttl.report.schema.on_test import (
    Calibration,
    ClassRecord,
    Confidence,
    Confusion,
    Curves,
    Histogram,
    LabelConfusion,
    OperatingPoint,
    PerClass,
    PrecisionRecallCurve,
    RocCurve,
)
from ttl.run.setting import RunSetting
from ttl.stats import THRESHOLD, ClassCurves, Line, calibration, confusion, curves, per_class
from ttl.study.record import TrialRecord

DIGITS = 6
"""Of the points of a curve: more than a screen or a printer can show."""


@dataclass(frozen=True)
class OnTest:
    """The three sections of a classification."""

    curves: Curves
    confusion: Confusion | LabelConfusion
    calibration: Calibration


def on_test(setting: RunSetting, records: Mapping[Which, TrialRecord]) -> OnTest:
    """How networks do on the test images.

    Args:
        setting: of the run, of a classification.
        records: of the fine-tunes, `chosen` and `full`; `full` alone where they are the same.
    """
    test, names, kind = setting.task.test, setting.task.class_names, setting.kind
    rows = {network: record.predictions["test"] for network, record in records.items()}
    by_class = {
        network: curves(kind, test.labels, predicted, groups=test.groups, seed=setting.config.seed)
        for network, predicted in rows.items()
    }
    grouped = test.groups is not None
    drawn = len(next(iter(by_class.values())))
    counts = {network: confusion(kind, test.labels, predicted).tolist() for network, predicted in rows.items()}
    left_out = 0 if len(names) == 2 and kind.one_class_each else len(names) - drawn
    matrices = Confusion if kind.one_class_each else LabelConfusion
    return OnTest(
        Curves(
            split="test",
            threshold=THRESHOLD,
            grouped=grouped,
            left_out=left_out,
            **{network: tuple(_class(names, of) for of in each) for network, each in by_class.items()},
        ),
        matrices(split="test", threshold=THRESHOLD, **{network: _tuples(rows) for network, rows in counts.items()}),
        Calibration(
            split="test",
            grouped=grouped,
            **{network: _confidence(setting, record) for network, record in records.items()},
        ),
    )


def _class(names: Sequence[str], of: ClassCurves) -> ClassRecord:
    return ClassRecord(
        name=names[of.label],
        positives=of.positives,
        negatives=of.negatives,
        auroc=of.auroc,
        auprc=of.auprc,
        roc=RocCurve(
            false_positive_rate=_rounded(of.roc.x.tolist()),
            sensitivity=_rounded(of.roc.y.tolist()),
            threshold=_thresholds(of.roc),
        ),
        precision_recall=PrecisionRecallCurve(
            recall=_rounded(of.precision_recall.x.tolist()),
            precision=_rounded(of.precision_recall.y.tolist()),
            threshold=_thresholds(of.precision_recall),
        ),
        at_threshold=OperatingPoint(sensitivity=of.sensitivity, specificity=of.specificity, precision=of.precision),
    )


def _rounded(values: Sequence[float]) -> tuple[float, ...]:
    return tuple(map(partial(round, ndigits=DIGITS), values))


def _thresholds(line: Line) -> tuple[float, ...]:
    """NaN where nothing is called positive: JSON has no infinity."""
    return tuple(round(value, DIGITS) if isfinite(value) else nan for value in line.thresholds.tolist())


def _confidence(setting: RunSetting, record: TrialRecord) -> Confidence:
    found = calibration(setting.kind, setting.task.test.labels, record.predictions["test"])
    return Confidence(
        bins=found.bins, histogram=Histogram(edges=tuple(found.edges.tolist()), counts=tuple(found.counts.tolist()))
    )


def class_values(setting: RunSetting, record: TrialRecord) -> PerClass:
    """Of a segmentation: metric -> class -> its value on the test images; NaN where it is undefined."""
    names = setting.task.class_names
    found = per_class(setting.kind, setting.task.test.labels, record.predictions["test"])
    return {
        metric: dict(zip(names, map(float, values), strict=True))
        for metric, values in found.items()
        if metric != "support"
    }


def _tuples(values: Any) -> Any:
    """Nested lists as nested tuples."""
    return tuple(map(_tuples, values)) if isinstance(values, list) else values
