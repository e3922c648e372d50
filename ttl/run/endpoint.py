"""The decision endpoint: what two networks decide, each by its own rule, compared on the same images or patients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ttl.data import Kind
from ttl.data.kind import Rows
from ttl.data.task import Labels
from ttl.stats import DecisionRule, DecisionScorer, NonInferiority, costs_of, intervals, intervals_of, non_inferior
from ttl.stats.operating import endpoint_of
from ttl.words.estimate import Estimate

RATES = ("sensitivity", "specificity", "ppv", "npv", "balanced_accuracy")


@dataclass(frozen=True, eq=False)
class Decided:
    """What one network decides, and what would be right, `(n,)` each or `(n, labels)`.

    By a rule that has a threshold these are of a finding (of labels), 0 or 1; without one they are classes.
    """

    kind: Kind
    rule: DecisionRule
    labels: Labels  # as the kind has them; `rows` likewise, `(n, classes)` probabilities
    rows: Rows
    truth: Labels
    decisions: Labels
    groups: Sequence[str] | None

    @classmethod
    def of(
        cls,
        kind: Kind,
        class_names: Sequence[str],
        labels: Labels,
        rows: Rows,
        groups: Sequence[str] | None,
        rule: DecisionRule,
    ) -> Decided:
        """Decide on images, or on patients that were made of theirs, by a rule."""
        truth = kind.truth(labels, rule, class_names)
        return cls(kind, rule, labels, rows, truth, rule.decisions(rows, class_names), groups)

    @property
    def has_threshold(self) -> bool:
        """Whether it decides on a finding, or on labels; else it gives classes."""
        return bool(self.rule.thresholds)


def endpoint(one: Decided, other: Decided, *, margin: float, seed: int) -> NonInferiority:
    """The endpoint that the rule's aim asks for (see `ttl.stats.operating.endpoint_of`) of `one` less that of `other`.

    Where classes are given it is the balanced accuracy.
    """
    labels, groups = one.truth, one.groups
    if not one.has_threshold:
        name = "balanced_accuracy"
        return non_inferior(name, one.kind, labels, one.rows, other.rows, margin=margin, groups=groups, seed=seed)
    name = endpoint_of(one.rule.aim)
    if name == "cost" and one.rule.aim.costs:
        first, second = (costs_of(labels, each.decisions, one.rule.aim.costs) for each in (one, other))
        return non_inferior(name, "values", labels, first, second, margin=margin, groups=groups, seed=seed)
    return non_inferior(
        name, "decision", labels, one.decisions, other.decisions, margin=margin, groups=groups, seed=seed
    )


def rates(decided: Decided, *, prevalence: float | None, seed: int) -> dict[str, Estimate]:
    """Metric -> value of the decisions, of several labels their means; PPV and NPV for the prevalence, if given."""
    if not decided.has_threshold:
        names = ("balanced_accuracy", "accuracy")
        return intervals(decided.kind, decided.labels, decided.rows, names=names, groups=decided.groups, seed=seed)
    found = intervals("decision", decided.truth, decided.decisions, names=RATES, groups=decided.groups, seed=seed)
    if prevalence is not None:
        scorer = DecisionScorer("decision", decided.truth, decided.decisions, ("ppv", "npv"), prevalence)
        found |= intervals_of(scorer, groups=decided.groups, seed=seed)
    return found


def rates_by_label(decided: Decided, names: Sequence[str]) -> Mapping[str, Mapping[str, float]]:
    """Label -> metric -> value, of several labels; nothing elsewhere."""
    if decided.truth.ndim == 1 or not decided.has_threshold:
        return {}
    of = DecisionScorer("decision", decided.truth, decided.decisions, RATES).per_class()
    return {name: {key: float(of[key][number]) for key in RATES} for number, name in enumerate(names)}


def counts(decided: Decided) -> tuple[int, int, int, int] | None:
    """Found, missed, false alarms and rightly left alone, of one finding; None elsewhere."""
    if decided.truth.ndim > 1 or not decided.has_threshold:
        return None
    positive, found = decided.truth == 1, decided.decisions == 1
    pairs = (positive & found, positive & ~found, ~positive & found, ~positive & ~found)
    hits, misses, alarms, rejections = (int(np.count_nonzero(pair)) for pair in pairs)
    return hits, misses, alarms, rejections
