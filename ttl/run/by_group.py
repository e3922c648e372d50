"""The test figures of groups of images, by what the data know of them."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from math import inf, isnan

import numpy as np

from ttl.data.kind import Rows
from ttl.data.task import Labels
from ttl.report.schema.subgroups import FEWEST, OfGroup, Subgroup
from ttl.run.endpoint import BALANCED, decides_finding, outcomes, rates
from ttl.run.setting import Judged, RunSetting
from ttl.stats import DecisionRule, combined, intervals, paired_difference
from ttl.stats.jackknife import Units
from ttl.study.tested import Tested
from ttl.words.estimate import Estimate

UNKNOWN = "unknown"
COLUMNS = ("column", "value", "units", "positives", "too_few", "network", "metric", "figure", "low", "high")
SHOWN = ("sensitivity", "specificity", BALANCED)


def subgroups(setting: RunSetting, tested: Mapping[str, Tested]) -> tuple[Subgroup, ...]:
    """Every group of every attribute of the test images, of each attribute the worst first, those too small last.

    `tested` has the network `full`, and `chosen` where that is another one.
    """
    found = []
    for column, values in setting.task.test.attributes.items():
        groups = [_group(setting, tested, column, values, value) for value in sorted(set(values))]
        found += sorted(groups, key=lambda one: (one.too_few, _level(one)))
    return tuple(found)


def as_csv(groups: Sequence[Subgroup]) -> str:
    """A row for each figure of each group and network."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for group in groups:
        own = (group.column, group.value, group.units, group.positives, group.too_few)
        for network, of in (("chosen", group.chosen), ("full", group.full)):
            figures = {"score": of.score, **of.rates} if of else {}
            for metric, figure in figures.items():
                writer.writerow((*own, network, metric, figure.value, figure.ci_low, figure.ci_high))
        if group.difference is not None:
            gap = group.difference
            writer.writerow((*own, "chosen less full", "score", gap.value, gap.ci_low, gap.ci_high))
    return text.getvalue()


def _level(group: Subgroup) -> float:
    value = (group.chosen or group.full).score.value
    return inf if isnan(value) else value


def _group(
    setting: RunSetting, tested: Mapping[str, Tested], column: str, values: Sequence[str], value: str
) -> Subgroup:
    inside = np.flatnonzero(np.array(values, object) == value)
    whole, chosen = tested["full"], tested.get("chosen")
    one, other = _judged(setting, whole.rows, inside), _judged(setting, chosen.rows, inside) if chosen else None
    kind, names = setting.kind, setting.task.class_names
    counted = {} if kind.per_pixel else outcomes(kind, names, one.labels, one.rows, whole.rule)
    (finding,) = counted.values() if len(counted) == 1 else (None,)
    gap = None
    if other is not None:
        gap = paired_difference(
            setting.metric, kind, one.labels, other.rows, one.rows, groups=one.groups, seed=setting.config.seed
        )
    return Subgroup(
        column=column,
        value=value or UNKNOWN,
        units=len(one.labels),
        positives=finding.true_positives + finding.false_negatives if finding else None,
        too_few=bool(Units.of(one.labels, one.groups, 0).total < FEWEST) or isnan(_score(setting, one).ci_low),
        full=OfGroup(score=_score(setting, one), rates=_rates(setting, one, whole.rule)),
        chosen=OfGroup(score=_score(setting, other), rates=_rates(setting, other, chosen.rule))
        if other is not None and chosen is not None
        else None,
        difference=gap,
    )


def _judged(setting: RunSetting, rows: Rows, inside: Labels) -> Judged:
    """Some test images, or their patients by these images."""
    test, config = setting.task.test, setting.config
    labels, own = test.labels[inside], rows[inside]
    groups = None if test.groups is None else tuple(test.groups[i] for i in inside.tolist())
    if config.decide_per == "patient" and groups is not None:
        labels, own, _ = combined(labels, own, groups, config.combine)
        groups = None
    return Judged(labels, own, groups)


def _score(setting: RunSetting, judged: Judged) -> Estimate:
    name, seed = setting.metric, setting.config.seed
    return intervals(setting.kind, judged.labels, judged.rows, names=(name,), groups=judged.groups, seed=seed)[name]


def _rates(setting: RunSetting, judged: Judged, rule: DecisionRule) -> dict[str, Estimate]:
    if not decides_finding(setting.kind, rule):
        return {}
    names, seed = setting.task.class_names, setting.config.seed
    found = rates(setting.kind, names, judged.labels, judged.rows, rule, groups=judged.groups, seed=seed)
    return {name: found[name] for name in SHOWN}
