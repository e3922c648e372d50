"""What the chosen and the whole network decide on the test images, each by its own rule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import nan

from ttl.data.kind import Kind, Rows
from ttl.data.task import Labels
from ttl.report.schema.decided import AtPoint, Decisions, Endpoint
from ttl.run.endpoint import BALANCED, decides_finding, endpoint, outcomes, rates
from ttl.run.setting import RunSetting
from ttl.stats import DECISION_METRICS, DecisionRule, DecisionScorer, intervals
from ttl.study.tested import Tested
from ttl.words.estimate import Estimate


@dataclass(frozen=True, eq=False)
class Decided:
    """What one network gives for the test images, or patients, and decides of them: `(n,)`, or `(n, labels)`."""

    kind: Kind
    rule: DecisionRule
    labels: Labels  # as the kind has them
    rows: Rows
    groups: tuple[str, ...] | None
    truth: Labels  # what would be right; `decisions` likewise
    decisions: Labels

    @classmethod
    def of(
        cls,
        kind: Kind,
        names: Sequence[str],
        labels: Labels,
        rows: Rows,
        groups: tuple[str, ...] | None,
        rule: DecisionRule,
    ) -> Decided:
        """What a rule makes of probabilities `(n, classes)`; `names` are those of the classes."""
        truth = kind.truth(labels, rule, names)
        return cls(kind, rule, labels, rows, groups, truth, rule.decisions(rows, names))

    @property
    def has_threshold(self) -> bool:
        """Whether it decides on findings, present or absent; else it gives classes."""
        return bool(self.rule.thresholds)


def decided_on(setting: RunSetting, tested: Tested) -> Decided:
    """What a tested network decides, by its rule."""
    judged, names = setting.judged("test", tested.rows), setting.task.class_names
    return Decided.of(setting.kind, names, judged.labels, judged.rows, judged.groups, tested.rule)


def decisions(setting: RunSetting, tested: Mapping[str, Tested]) -> Decisions:
    """Of the network `full`, and of `chosen` where that is another one."""
    whole, chosen, task = tested["full"], tested.get("chosen"), setting.task
    judged = setting.judged("test", whole.rows)
    counted = outcomes(task.kind, task.class_names, judged.labels, judged.rows, whole.rule)
    (of_one,) = counted.values() if len(counted) == 1 else (None,)
    has_finding = decides_finding(task.kind, whole.rule)
    return Decisions(
        split="test",
        units=len(judged.labels),
        prevalence=of_one.prevalence if of_one else nan,
        assumed_prevalence=setting.config.prevalence if has_finding else None,
        endpoint=_endpoint(setting, chosen, whole) if chosen else None,
        full=_at_point(setting, whole),
        chosen=_at_point(setting, chosen) if chosen else None,
    )


def _endpoint(setting: RunSetting, one: Tested, other: Tested) -> Endpoint | None:
    first, second = setting.judged("test", one.rows), setting.judged("test", other.rows)
    made = endpoint(
        setting.kind,
        setting.task.class_names,
        first.labels,
        (first.rows, one.rule),
        (second.rows, other.rule),
        margin=setting.margin_decision,
        groups=first.groups,
        seed=setting.config.seed,
    )
    if made is None:
        return None
    return Endpoint(metric=made.metric, margin=made.margin, non_inferior=made.shown, difference=made.difference)


def _at_point(setting: RunSetting, tested: Tested) -> AtPoint:
    kind, names, rule = setting.kind, setting.task.class_names, tested.rule
    judged = setting.judged("test", tested.rows)
    counted = outcomes(kind, names, judged.labels, judged.rows, rule)
    (one,) = counted.values() if len(counted) == 1 else (None,)
    counts = (one.true_positives, one.false_negatives, one.false_positives, one.true_negatives) if one else None
    return AtPoint(
        rule=rule,
        words=rule.words(names),
        rates=_rates(setting, tested),
        counts=counts,
        by_label=_by_label(setting, tested) if len(counted) > 1 else {},
    )


def _rates(setting: RunSetting, tested: Tested) -> Mapping[str, Estimate]:
    """By metric; of classes their balanced accuracy, and of masks, which are decisions already, their own metric."""
    kind, judged, config = setting.kind, setting.judged("test", tested.rows), setting.config
    labels, rows, groups, seed = judged.labels, judged.rows, judged.groups, config.seed
    if not decides_finding(kind, tested.rule):
        name = setting.metric if kind.per_pixel else BALANCED
        return intervals(kind, labels, rows, names=(name,), groups=groups, seed=seed)
    names, prevalence = setting.task.class_names, config.prevalence
    return rates(kind, names, labels, rows, tested.rule, prevalence=prevalence, groups=groups, seed=seed)


def _by_label(setting: RunSetting, tested: Tested) -> Mapping[str, Mapping[str, float]]:
    names, judged = setting.task.class_names, setting.judged("test", tested.rows)
    truth = setting.kind.truth(judged.labels, tested.rule, names)
    of = DecisionScorer("decision", truth, tested.rule.decisions(judged.rows, names), ()).per_class()
    return {name: {key: float(of[key][number]) for key in DECISION_METRICS} for number, name in enumerate(names)}
