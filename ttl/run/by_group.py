"""The test figures of groups of images, by what the data know of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf, isnan

import numpy as np

from ttl.data import Samples, Task
from ttl.data.kind import Rows
from ttl.data.task import Labels
from ttl.deliver.group_figures import OfGroup
from ttl.deliver.operating_rates import BALANCED, outcomes, rates
from ttl.report.schema.subgroups import FEWEST, Subgroup
from ttl.run.judged import Judged
from ttl.run.setting import RunSetting
from ttl.stats import DecisionRule, intervals, paired_difference
from ttl.stats.jackknife import Units
from ttl.study.tested import Tested
from ttl.words.csv_text import csv_text

UNKNOWN = "unknown"
COLUMNS = ("column", "value", "units", "positives", "too_few", "network", "metric", "figure", "low", "high")
SHOWN = ("sensitivity", "specificity", BALANCED)


@dataclass(frozen=True, eq=False)
class Decider:
    """What a network gives for samples, and the rule that it decides by."""

    rows: Rows
    rule: DecisionRule
    pixels: Rows | None = None  # of masks `(n, ...)`, of `ttl.stats.pixel_calibration`, where they are asked for

    def judged(self, samples: Samples, inside: Labels | None = None) -> Judged:
        """What it is judged on: the samples, those at some positions, or their patients where it decides on those."""
        return Judged.of(samples, self.rows, self.rule.combine if self.rule.per == "patient" else None, inside)


def subgroups(setting: RunSetting, tested: Mapping[str, Tested]) -> tuple[Subgroup, ...]:
    """Of the test images; `tested` has the network `full`, and `chosen` where that is another one."""
    networks = {name: Decider(of.rows, of.rule) for name, of in tested.items()}
    return subgroups_of(setting.task, networks["full"], networks.get("chosen"), setting.config.seed)


def subgroups_of(task: Task, full: Decider, chosen: Decider | None, seed: int) -> tuple[Subgroup, ...]:
    """Every group of every attribute of the test images, of each attribute the worst first, those too small last.

    Of the whole network, and of the chosen one where that is another.
    """
    networks = {"full": full} | ({"chosen": chosen} if chosen else {})
    found = []
    for column, values in task.test.attributes.items():
        groups = [_group(task, networks, (column, value), values, seed) for value in sorted(set(values))]
        found += sorted(groups, key=lambda one: (one.too_few, _level(one)))
    return tuple(found)


def as_csv(groups: Sequence[Subgroup]) -> str:
    """A row for each figure of each group and network."""
    rows: list[tuple[object, ...]] = [COLUMNS]
    for group in groups:
        own = (group.column, group.value, group.units, group.positives, group.too_few)
        for network, of in (("chosen", group.chosen), ("full", group.full)):
            figures = {"score": of.score, **of.rates} if of else {}
            for metric, figure in figures.items():
                rows.append((*own, network, metric, figure.value, figure.ci_low, figure.ci_high))
        if group.difference is not None:
            gap = group.difference
            rows.append((*own, "chosen less full", "score", gap.value, gap.ci_low, gap.ci_high))
    return csv_text(rows)


def _level(group: Subgroup) -> float:
    value = (group.chosen or group.full).score.value
    return inf if isnan(value) else value


def _group(
    task: Task, networks: Mapping[str, Decider], named: tuple[str, str], values: Sequence[str], seed: int
) -> Subgroup:
    column, value = named
    inside = np.flatnonzero(np.array(values, object) == value)
    judged = {network: of.judged(task.test, inside) for network, of in networks.items()}
    figures = {network: _figures(task, judged[network], of.rule, seed) for network, of in networks.items()}
    whole, cut, kind = judged["full"], judged.get("chosen"), task.kind
    counted = outcomes(kind, task.class_names, whole.labels, whole.rows, networks["full"].rule)
    (finding,) = counted.values() if len(counted) == 1 else (None,)
    gap = None
    if cut is not None:
        gap = paired_difference(kind.primary, kind, whole.labels, cut.rows, whole.rows, groups=whole.groups, seed=seed)
    few = bool(Units.of(whole.labels, whole.groups, 0).total < FEWEST)
    return Subgroup(
        column=column,
        value=value or UNKNOWN,
        units=len(whole.labels),
        positives=finding.true_positives + finding.false_negatives if finding else None,
        too_few=few or isnan(figures["full"].score.ci_low),
        full=figures["full"],
        chosen=figures.get("chosen"),
        difference=gap,
    )


def _figures(task: Task, judged: Judged, rule: DecisionRule, seed: int) -> OfGroup:
    kind, labels, rows, groups = task.kind, judged.labels, judged.rows, judged.groups
    score = intervals(kind, labels, rows, names=(kind.primary,), groups=groups, seed=seed)[kind.primary]
    found = rates(kind, task.class_names, labels, rows, rule, groups=groups, seed=seed)
    return OfGroup(score=score, rates={name: found[name] for name in SHOWN if name in found})
