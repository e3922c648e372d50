"""What models do at their operating points: rates, counts, and the decision endpoint of one against another's.

Rows here are probabilities `(n, classes)`, of images or, where a rule decides on patients, of patients (see
`ttl.stats.combined`). Masks have no endpoint: their rows are decisions already, and their primary metric is of those.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ttl.data.kind import Kind, Rows
from ttl.data.task import Labels
from ttl.stats import (
    DECISION_METRICS,
    Aim,
    DecisionRule,
    DecisionScorer,
    NonInferiority,
    Outcomes,
    costs_of,
    intervals,
    intervals_of,
    non_inferior,
)
from ttl.stats.operating import Endpoint
from ttl.words.estimate import Estimate

BALANCED: Endpoint = "balanced_accuracy"
OTHER_RATE: dict[str, Endpoint] = {"sensitivity": "specificity", "specificity": "sensitivity"}
"""An aim that holds one rate -> the rate that is left to compare."""


def endpoint_metric(aim: Aim) -> Endpoint:
    """What models whose thresholds were set for this aim are compared by, at their operating points."""
    return "cost" if aim.rule == "costs" else OTHER_RATE.get(aim.rule, BALANCED)


def endpoint(
    kind: Kind,
    class_names: Sequence[str],
    labels: Labels,
    one: tuple[Rows, DecisionRule],
    other: tuple[Rows, DecisionRule],
    *,
    margin: float,
    groups: Sequence[str] | None = None,
    seed: int = 0,
) -> NonInferiority | None:
    """The decision endpoint of `one` minus that of `other`, rows with their rule, each at its own operating point.

    Its metric follows from what the thresholds were set for, see `endpoint_metric`; where each image gets the most
    probable of its classes it is their balanced accuracy. None where there are masks.

    Raises:
        UsageError: the margin isn't positive, or shapes that don't fit.
    """
    if kind.per_pixel:
        return None
    if not decides_finding(kind, one[1]):
        given = (one[0], other[0])
        return non_inferior(BALANCED, kind, labels, *given, margin=margin, groups=groups, seed=seed)
    aim = one[1].aim
    metric, truth = endpoint_metric(aim), kind.truth(labels, one[1], class_names)
    decided = [rule.decisions(rows, class_names) for rows, rule in (one, other)]
    if aim.rule == "costs" and aim.costs:
        costs = [costs_of(truth, each, aim.costs) for each in decided]
        return non_inferior(metric, "values", truth, *costs, margin=margin, groups=groups, seed=seed)
    return non_inferior(metric, "decision", truth, *decided, margin=margin, groups=groups, seed=seed)


def rates(
    kind: Kind,
    class_names: Sequence[str],
    labels: Labels,
    rows: Rows,
    rule: DecisionRule,
    *,
    prevalence: float | None = None,
    groups: Sequence[str] | None = None,
    seed: int = 0,
) -> Mapping[str, Estimate]:
    """Sensitivity, specificity, PPV, NPV and balanced accuracy at the operating point; the cost, where it was set for.

    Of several labels means over them. PPV and NPV are those at the `prevalence`, by default the one of these samples.
    Nothing where there is no finding to decide on: of masks, and of more than two classes without one.

    Raises:
        UsageError: a prevalence outside (0, 1), or shapes that don't fit.
    """
    if not decides_finding(kind, rule):
        return {}
    truth, decided = kind.truth(labels, rule, class_names), rule.decisions(rows, class_names)
    found = intervals_of(DecisionScorer("decision", truth, decided, DECISION_METRICS, prevalence), groups, seed)
    if rule.aim.rule == "costs" and rule.aim.costs:
        costs = costs_of(truth, decided, rule.aim.costs)
        found |= intervals("values", truth, costs, names=("cost",), groups=groups, seed=seed)
    return found


def outcomes(
    kind: Kind, class_names: Sequence[str], labels: Labels, rows: Rows, rule: DecisionRule
) -> Mapping[str, Outcomes]:
    """Finding (its classes), or label -> its decisions counted; nothing where `rates` gives nothing."""
    if not decides_finding(kind, rule):
        return {}
    truth, decided = kind.truth(labels, rule, class_names), rule.decisions(rows, class_names)
    names = (" or ".join(rule.finding) or class_names[-1],) if truth.ndim == 1 else class_names
    counts = DecisionScorer("decision", truth, decided, ()).counts()
    return dict(zip(names, counts, strict=True))


def decides_finding(kind: Kind, rule: DecisionRule) -> bool:
    """Whether decisions are on findings, present or absent, and not on which of several classes, or on pixels."""
    return not kind.per_pixel and (bool(rule.thresholds) or kind.has_positive)
