"""ROC and precision-recall curves of one network on the test images, marked where its rule decides."""

from __future__ import annotations

from math import isfinite, nan

import numpy as np
import numpy.typing as npt

from ttl.data.task import Labels
from ttl.report.schema import on_test
from ttl.run.decisions_on_test import Decided
from ttl.stats import ClassCurves, curves

DIGITS = 6  # of the points of a curve: more than a screen or a printer can show


def class_records(decided: Decided, seed: int) -> tuple[on_test.ClassRecord, ...]:
    """Of each class against the rest; before them of a finding of several classes, which is what is decided on."""
    rule, kind, names, decisions = decided.rule, decided.kind, decided.names, decided.decisions
    thresholds: dict[int, float | None] = dict.fromkeys(range(len(names)))  # of the classes that are decided on
    drawn: list[on_test.ClassRecord] = []
    called = _one_hot(decisions, len(names))
    if decisions.ndim == 2:
        called, thresholds = decisions, dict(enumerate(rule.thresholds))
    elif decided.has_threshold and kind.has_positive:
        thresholds = dict.fromkeys(range(2), rule.thresholds[0])
    elif decided.has_threshold and len(rule.finding) == 1:
        place = names.index(rule.finding[0])
        called, thresholds = np.zeros((len(decisions), len(names)), np.int64), {place: rule.thresholds[0]}
        called[:, place] = decisions
    elif decided.has_threshold:
        thresholds = {}
        score = rule.finding_scores(decided.rows, names)
        pairs = np.column_stack([1 - score, score])
        both = _one_hot(decisions, 2)
        for of in curves("binary", decided.truth, pairs, called=both, groups=decided.groups, seed=seed):
            drawn.append(_record(" or ".join(rule.finding), of, rule.thresholds[0], is_decided=True))
    for of in curves(kind, decided.labels, decided.rows, called=called, groups=decided.groups, seed=seed):
        is_decided = of.label in thresholds
        drawn.append(_record(names[of.label], of, thresholds.get(of.label), is_decided=is_decided))
    return tuple(drawn)


def _one_hot(decisions: Labels, classes: int) -> Labels:
    return np.eye(classes, dtype=np.int64)[decisions]


def _record(name: str, of: ClassCurves, threshold: float | None, *, is_decided: bool) -> on_test.ClassRecord:
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
