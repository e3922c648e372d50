"""How the chosen and the whole network do on the test images, for the report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite, nan
from typing import Any

import numpy as np
import numpy.typing as npt

from ttl.report.schema import on_test
from ttl.report.schema.decided import Probabilities
from ttl.run.believing import believable
from ttl.run.by_group import subgroups
from ttl.run.decisions_on_test import decisions
from ttl.run.setting import Judged, RunSetting
from ttl.stats import THRESHOLD, ClassCurves, Recalibration, calibration, confusion, curves, per_class
from ttl.study.tested import Tested

DIGITS = 6  # of the points of a curve: more than a screen or a printer can show


def sections_on_test(
    setting: RunSetting, chosen: Tested, whole: Tested, recalibrated: Mapping[str, Recalibration | None]
) -> dict[str, Any]:
    """The sections of the report that compare both networks on the test images, under their names.

    `recalibrated`: trial -> how its logits were recalibrated.
    """
    found = setting.compared(chosen.rows, whole.rows, "test")
    comparison = on_test.Comparison(
        metric=setting.metric,
        split="test",
        margin=found.margin,
        non_inferior=found.shown,
        difference=found.difference,
        power=setting.power(),
    )
    tested = {"full": whole} if chosen.trial == whole.trial else {"chosen": chosen, "full": whole}
    groups = subgroups(setting, tested)
    decided = {"comparison": comparison, "decisions": decisions(setting, tested), "subgroups": groups}
    if setting.kind.per_pixel:
        per_class = {"chosen": _class_values(setting, chosen), "full": _class_values(setting, whole)}
        return {**decided, "per_class": per_class}
    believed = {
        network: believable(setting, made, of.rows)
        for network, of in tested.items()
        if (made := recalibrated[of.trial]) is not None
    }
    return {**decided, "probabilities": Probabilities(split="test", **believed), **_of_classes(setting, tested)}


def _of_classes(setting: RunSetting, tested: Mapping[str, Tested]) -> dict[str, Any]:
    names, kind = setting.task.class_names, setting.kind
    judged = {network: setting.judged("test", of.rows) for network, of in tested.items()}
    test, rows = judged["full"], {network: of.rows for network, of in judged.items()}
    by_class = {
        network: curves(kind, test.labels, predicted, groups=test.groups, seed=setting.config.seed)
        for network, predicted in rows.items()
    }
    drawn = len(next(iter(by_class.values())))
    left_out = 0 if len(names) == 2 and kind.one_class_each else len(names) - drawn
    counts = {network: confusion(kind, test.labels, predicted).tolist() for network, predicted in rows.items()}
    matrices = on_test.Confusion if kind.one_class_each else on_test.LabelConfusion
    lines = {network: tuple(_class(names, of) for of in each) for network, each in by_class.items()}
    bins = {network: _confidence(setting, of) for network, of in judged.items()}
    grouped = test.groups is not None
    return {
        "curves": on_test.Curves(split="test", threshold=THRESHOLD, grouped=grouped, left_out=left_out, **lines),
        "confusion": matrices(
            split="test", threshold=THRESHOLD, **{network: _tuples(rows) for network, rows in counts.items()}
        ),
        "calibration": on_test.Calibration(split="test", grouped=grouped, **bins),
    }


def _class(names: Sequence[str], of: ClassCurves) -> on_test.ClassRecord:
    return on_test.ClassRecord(
        name=names[of.label],
        positives=of.positives,
        negatives=of.negatives,
        auroc=of.auroc,
        auprc=of.auprc,
        roc=on_test.RocCurve(
            false_positive_rate=_rounded(of.roc.x),
            sensitivity=_rounded(of.roc.y),
            threshold=_rounded(of.roc.thresholds),
        ),
        precision_recall=on_test.PrecisionRecallCurve(
            recall=_rounded(of.precision_recall.x),
            precision=_rounded(of.precision_recall.y),
            threshold=_rounded(of.precision_recall.thresholds),
        ),
        at_threshold=on_test.OperatingPoint(
            sensitivity=of.sensitivity, specificity=of.specificity, precision=of.precision
        ),
    )


def _rounded(values: npt.NDArray[np.float64]) -> tuple[float, ...]:
    """NaN for the threshold where nothing is called positive: JSON has no infinity."""
    return tuple(round(value, DIGITS) if isfinite(value) else nan for value in values.tolist())


def _confidence(setting: RunSetting, judged: Judged) -> on_test.Confidence:
    of = calibration(setting.kind, judged.labels, judged.rows)
    histogram = on_test.Histogram(edges=tuple(of.edges.tolist()), counts=tuple(of.counts.tolist()))
    return on_test.Confidence(bins=of.bins, histogram=histogram)


def _class_values(setting: RunSetting, tested: Tested) -> on_test.PerClass:
    """Of a segmentation: metric -> class -> its value on the test images; NaN where it is undefined."""
    values = per_class(setting.kind, setting.task.test.labels, tested.rows)
    return {
        metric: dict(zip(setting.task.class_names, map(float, row), strict=True))
        for metric, row in values.items()
        if metric != "support"
    }


def _tuples(values: Any) -> Any:
    """Nested lists as nested tuples."""
    return tuple(map(_tuples, values)) if isinstance(values, list) else values
