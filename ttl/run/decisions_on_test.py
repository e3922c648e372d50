"""What the chosen and the whole network decide on the test images, each by its own rule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import nan

from ttl.data.kind import Kind, Rows
from ttl.data.task import Labels
from ttl.deliver.operating_rates import BALANCED, decides_finding, endpoint, outcomes, rates
from ttl.report.schema.decided import AtPoint, Decisions, Endpoint
from ttl.run.setting import RunSetting
from ttl.stats import DECISION_METRICS, DecisionRule, DecisionScorer, Outcomes, intervals
from ttl.study.tested import Tested
from ttl.words.estimate import Estimate


@dataclass(frozen=True, eq=False)
class Decided:
    """What one network gives for the test images, or patients, and decides of them by a rule."""

    kind: Kind
    names: Sequence[str]  # of the classes
    labels: Labels  # as the kind has them
    rows: Rows
    groups: tuple[str, ...] | None
    rule: DecisionRule

    @property
    def has_threshold(self) -> bool:
        """Whether it decides on findings, present or absent; else it gives classes."""
        return bool(self.rule.thresholds)

    @cached_property
    def truth(self) -> Labels:
        """What would be right, `(n,)` or `(n, labels)`; there is none of masks."""
        return self.kind.truth(self.labels, self.rule, self.names)

    @cached_property
    def decisions(self) -> Labels:
        """Likewise, of probabilities `(n, classes)`."""
        return self.rule.decisions(self.rows, self.names)

    @cached_property
    def outcomes(self) -> Mapping[str, Outcomes]:
        """Finding, or label -> its decisions counted; nothing where it gives classes, or masks."""
        return outcomes(self.kind, self.names, self.labels, self.rows, self.rule)

    @property
    def outcome(self) -> Outcomes | None:
        """Those of one finding; None elsewhere."""
        return next(iter(self.outcomes.values())) if len(self.outcomes) == 1 else None


def decided_on(setting: RunSetting, tested: Tested) -> Decided:
    """What a tested network decides, by its rule."""
    judged = setting.judged("test", tested.rows)
    return Decided(setting.kind, setting.task.class_names, judged.labels, judged.rows, judged.groups, tested.rule)


def decisions(setting: RunSetting, tested: Mapping[str, Tested]) -> Decisions:
    """Of the network `full`, and of `chosen` where that is another one."""
    decided = {network: decided_on(setting, of) for network, of in tested.items()}
    whole, chosen = decided["full"], decided.get("chosen")
    has_finding = decides_finding(whole.kind, whole.rule)
    return Decisions(
        split="test",
        units=len(whole.labels),
        prevalence=whole.outcome.prevalence if whole.outcome else nan,
        assumed_prevalence=setting.config.prevalence if has_finding else None,
        endpoint=_endpoint(setting, chosen, whole) if chosen else None,
        full=_at_point(setting, whole),
        chosen=_at_point(setting, chosen) if chosen else None,
    )


def _endpoint(setting: RunSetting, one: Decided, other: Decided) -> Endpoint | None:
    made = endpoint(
        one.kind,
        one.names,
        one.labels,
        (one.rows, one.rule),
        (other.rows, other.rule),
        margin=setting.margin_decision,
        groups=one.groups,
        seed=setting.config.seed,
    )
    if made is None:
        return None
    return Endpoint(metric=made.metric, margin=made.margin, non_inferior=made.shown, difference=made.difference)


def _at_point(setting: RunSetting, decided: Decided) -> AtPoint:
    one = decided.outcome
    counts = (one.true_positives, one.false_negatives, one.false_positives, one.true_negatives) if one else None
    return AtPoint(
        rule=decided.rule,
        words=decided.rule.words(decided.names),
        rates=_rates(setting, decided),
        counts=counts,
        by_label=_by_label(decided) if len(decided.outcomes) > 1 else {},
    )


def _rates(setting: RunSetting, decided: Decided) -> Mapping[str, Estimate]:
    """By metric; of classes their balanced accuracy, and of masks, which are decisions already, their own metric."""
    kind, labels, rows, groups, config = decided.kind, decided.labels, decided.rows, decided.groups, setting.config
    if not decides_finding(kind, decided.rule):
        name = setting.metric if kind.per_pixel else BALANCED
        return intervals(kind, labels, rows, names=(name,), groups=groups, seed=config.seed)
    prevalence = config.prevalence
    return rates(
        kind, decided.names, labels, rows, decided.rule, prevalence=prevalence, groups=groups, seed=config.seed
    )


def _by_label(decided: Decided) -> Mapping[str, Mapping[str, float]]:
    of = DecisionScorer("decision", decided.truth, decided.decisions, ()).per_class()
    return {
        name: {key: float(of[key][number]) for key in DECISION_METRICS} for number, name in enumerate(decided.names)
    }
