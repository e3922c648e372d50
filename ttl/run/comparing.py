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
from ttl.run.decisions_on_test import Decided, decided_on, decisions
from ttl.run.setting import RunSetting
from ttl.stats import ClassCurves, Recalibration, calibration, confusion, curves, per_class
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
    decided = {network: decided_on(setting, of) for network, of in tested.items()}
    lines = {network: _curves(setting, of) for network, of in decided.items()}
    matrices = on_test.Confusion if kind.one_class_each else on_test.LabelConfusion
    counts = {
        network: _tuples(
            confusion(of.labels, of.rows.argmax(axis=1) if kind.several_classes else of.decisions, len(names)).tolist()
        )
        for network, of in decided.items()
    }
    grouped = decided["full"].groups is not None
    bins = {network: _confidence(setting, of) for network, of in decided.items()}
    return {
        "curves": on_test.Curves(
            split="test",
            grouped=grouped,
            left_out=_left_out(setting, lines["full"]),
            full=lines["full"],
            chosen=lines.get("chosen"),
        ),
        "confusion": matrices(split="test", **counts),
        "calibration": on_test.Calibration(split="test", grouped=grouped, **bins),
    }


def _curves(setting: RunSetting, decided: Decided) -> tuple[on_test.ClassRecord, ...]:
    """Of each class; of more than two with a finding, that of the finding, on which the rule decides, before them."""
    names, kind, rule, seed = setting.task.class_names, setting.kind, decided.rule, setting.config.seed
    drawn: list[on_test.ClassRecord] = []
    called: npt.NDArray[np.int64] | None
    if not kind.several_classes:
        called = decided.decisions if decided.decisions.ndim == 2 else np.eye(2, dtype=np.int64)[decided.decisions]
    elif decided.has_threshold:
        called, score = None, rule.finding_scores(decided.rows, names)
        pairs, both = np.column_stack([1 - score, score]), np.eye(2, dtype=np.int64)[decided.decisions]
        finding = curves("binary", decided.truth, pairs, called=both, groups=decided.groups, seed=seed)
        drawn = [_class(" or ".join(rule.finding), of, rule.thresholds[0], is_decided=True) for of in finding]
    else:
        called = np.eye(len(names), dtype=np.int64)[decided.decisions]
    thresholds = _thresholds(decided, len(names)) if called is not None else [None] * len(names)
    found = curves(kind, decided.labels, decided.rows, called=called, groups=decided.groups, seed=seed)
    by_class = (_class(names[of.label], of, thresholds[of.label], is_decided=called is not None) for of in found)
    return (*drawn, *by_class)


def _thresholds(decided: Decided, classes: int) -> list[float | None]:
    """The threshold of each class; None where the most probable one is taken."""
    given = decided.rule.thresholds
    return list(given) if len(given) == classes else [given[0] if given else None] * classes


def _left_out(setting: RunSetting, drawn: Sequence[on_test.ClassRecord]) -> int:
    names = setting.task.class_names
    if setting.kind.has_positive:
        return 0
    return len(names) - sum(of.name in names for of in drawn)


def _class(name: str, of: ClassCurves, threshold: float | None, *, is_decided: bool) -> on_test.ClassRecord:
    point = on_test.OperatingPoint(sensitivity=of.sensitivity, specificity=of.specificity, precision=of.precision)
    return on_test.ClassRecord(
        name=name,
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
        threshold=threshold,
        at_threshold=point if is_decided else None,
    )


def _rounded(values: npt.NDArray[np.float64]) -> tuple[float, ...]:
    """NaN for the threshold where nothing is called positive: JSON has no infinity."""
    return tuple(round(value, DIGITS) if isfinite(value) else nan for value in values.tolist())


def _confidence(setting: RunSetting, decided: Decided) -> on_test.Confidence:
    of = calibration(setting.kind, decided.labels, decided.rows)
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
