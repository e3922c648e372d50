"""How the chosen and the whole network do on the test images, for the report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ttl.report.schema import on_test
from ttl.report.schema.decided import Probabilities
from ttl.run.believing import believable
from ttl.run.by_group import subgroups
from ttl.run.curves_on_test import class_records
from ttl.run.decisions_on_test import Decided, decided_on, decisions
from ttl.run.setting import RunSetting
from ttl.stats import calibration, confusion, per_class
from ttl.study.record import TrialRecord
from ttl.study.tested import Tested


def compared_on_test(
    setting: RunSetting, found: Mapping[str, Tested], one: TrialRecord, other: TrialRecord
) -> dict[str, Any]:
    """The sections of the report that compare the chosen network with the whole one, under their names.

    `found`: trial -> what it gives for the test images.
    """
    chosen, whole = found[one.id], found[other.id]
    recalibrated = {record.id: record.recalibration for record in (one, other)}
    test = setting.compared(chosen.rows, whole.rows, "test")
    comparison = on_test.Comparison(
        metric=setting.metric,
        split="test",
        margin=test.margin,
        non_inferior=test.shown,
        difference=test.difference,
        power=setting.power(),
    )
    tested = {"full": whole} if chosen.trial == whole.trial else {"chosen": chosen, "full": whole}
    groups = subgroups(setting, tested)
    decided: dict[str, Any] = {
        "comparison": comparison,
        "decisions": decisions(setting, tested),
        "subgroups": groups,
    }
    believed = {
        network: believable(setting, made, of)
        for network, of in tested.items()
        if (made := recalibrated[of.trial]) is not None
    }
    decided["probabilities"] = Probabilities(split="test", **believed)
    if setting.kind.per_pixel:
        per_class = {"chosen": _class_values(setting, chosen), "full": _class_values(setting, whole)}
        return {**decided, "per_class": per_class}
    return {**decided, **_of_classes(setting, tested)}


def _of_classes(setting: RunSetting, tested: Mapping[str, Tested]) -> dict[str, Any]:
    names, kind = setting.task.class_names, setting.kind
    decided = {network: decided_on(setting, of) for network, of in tested.items()}
    lines = {network: class_records(of, setting.config.seed) for network, of in decided.items()}
    matrices = on_test.Confusion if kind.one_class_each else on_test.LabelConfusion
    counts = {network: _counts(of) for network, of in decided.items()}
    drawn = sum(of.name in names for of in lines["full"])
    grouped = decided["full"].groups is not None
    bins = {network: _confidence(of) for network, of in decided.items()}
    return {
        "curves": on_test.Curves(
            split="test",
            grouped=grouped,
            left_out=0 if kind.has_positive else len(names) - drawn,
            full=lines["full"],
            chosen=lines.get("chosen"),
        ),
        "confusion": matrices(split="test", **counts),
        "calibration": on_test.Calibration(split="test", grouped=grouped, **bins),
    }


def _counts(decided: Decided) -> Any:
    """By the rule; of more than two classes, also where some are one finding, by the most probable one."""
    called = decided.rows.argmax(axis=1) if decided.kind.several_classes else decided.decisions
    return _tuples(confusion(decided.labels, called, len(decided.names)).tolist())


def _confidence(decided: Decided) -> on_test.Confidence:
    of = calibration(decided.kind, decided.labels, decided.rows)
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
