"""What is computed of a validation: figures of each file, and what is claimed of the cut against the whole network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from ttl.data import Task
from ttl.data.kind import Rows
from ttl.data.task import Labels
from ttl.deliver.operating_rates import decides_finding, endpoint, endpoint_metric, outcomes, rates
from ttl.deliver.pictures.cases import Which
from ttl.export.run import OnnxModel
from ttl.files import sha256
from ttl.report.schema.searched import PointResult
from ttl.report.schema.validation import Claim, Probabilities, ValidatedFile
from ttl.run.believing import Trust
from ttl.run.by_group import Decider
from ttl.run.judged import Judged
from ttl.stats import (
    DecisionRule,
    NonInferiority,
    Power,
    confusion,
    intervals,
    non_inferior,
    power,
)
from ttl.words.estimate import Estimate

OF_SEVERAL = ("auprc", "auroc", "balanced_accuracy", "f1", "kappa", "ppv", "npv")
"""Figures of more than one class: of images of one they would be 1 whatever is decided, or that class's alone."""


@dataclass(frozen=True)
class Claims:
    """In the primary metric, in what is decided (of masks there is none), and what the images can show of both.

    The last isn't known where the images lack a class.
    """

    primary: Claim | None = None
    decision: Claim | None = None
    power: Power | None = None


@dataclass(frozen=True, eq=False)
class Judging:
    """What all files are judged on."""

    task: Task
    prevalence: float | None  # that PPV and NPV are of; None takes that of the images
    seed: int

    def of(self, model: OnnxModel, result: PointResult, network: Decider) -> ValidatedFile:
        """All figures of a file; `result` is what the run says of its network."""
        rule, judged, seed = network.rule, network.judged(self.task.test), self.seed
        kind, names = self.task.kind, self.task.class_names
        labels, rows, groups = judged.labels, judged.rows, judged.groups
        is_counted = not (kind.per_pixel or decides_finding(kind, rule))
        return ValidatedFile(
            file=model.path.name,
            sha256=sha256(model.path),
            cut=result.cut,
            trial=result.trial,
            rule=rule,
            decides=rule.words(names),
            metrics=_of_classes_there(
                intervals(kind, labels, rows, names=self.task.metrics, groups=groups, seed=seed), labels
            ),
            tested=result.test,
            rates=_of_classes_there(
                rates(kind, names, labels, rows, rule, prevalence=self.prevalence, groups=groups, seed=seed),
                kind.truth(labels, rule, names),
            ),
            outcomes=outcomes(kind, names, labels, rows, rule),
            confusion=_counted(labels, rows, len(names)) if is_counted else None,
            probabilities=self._probabilities(network),
        )

    def _probabilities(self, network: Decider) -> Probabilities:
        kind, names, seed, rule = self.task.kind, self.task.class_names, self.seed, network.rule
        if network.pixels is not None:
            trust = Trust.of_pixels(names, Judged.of(self.task.test, network.pixels, None))
        else:
            trust = Trust.of_classes(kind, names, network.judged(self.task.test))
            if kind.several_classes and rule.finding:
                trust = replace(trust, gaps=_gaps_of_finding(self.task, trust.judged, rule))
        labels, rows, groups = trust.judged.labels, trust.judged.rows, trust.judged.groups
        return Probabilities(
            calibration_error=intervals(trust.scored, labels, rows, names=("ece",), groups=groups, seed=seed)["ece"],
            expected_error=trust.expected(seed),
            bias=trust.bias(seed),
            log_loss=trust.loss("log_loss", seed),
            brier=trust.loss("brier", seed),
        )

    def claims(self, networks: Mapping[Which, Decider], margin: float, margin_decision: float) -> Claims:
        """What is claimed of the cut against the whole network; nothing where there is one file."""
        if "chosen" not in networks:
            return Claims()
        cut, whole, kind, names = networks["chosen"], networks["full"], self.task.kind, self.task.class_names
        one, other = cut.judged(self.task.test), whole.judged(self.task.test)
        labels, groups, seed, rule = one.labels, one.groups, self.seed, whole.rule
        rows = one.rows, other.rows
        primary = non_inferior(kind.primary, kind, labels, *rows, margin=margin, groups=groups, seed=seed)
        pair = (one.rows, cut.rule), (other.rows, rule)
        decided = endpoint(kind, names, labels, *pair, margin=margin_decision, groups=groups, seed=seed)
        claimed = Claims(_claim(primary), None if decided is None else _claim(decided))
        if not (kind.per_pixel or _has_every_class(labels, len(names))):
            return claimed
        can_show = power(
            kind,
            labels,
            margin=margin,
            margin_decision=None if decided is None else margin_decision,
            endpoint=endpoint_metric(rule.aim),
            finding=[names.index(name) for name in rule.finding] if kind.several_classes else (),
            groups=groups,
        )
        return replace(claimed, power=can_show)


def _of_classes_there(figures: Mapping[str, Estimate], truth: Labels) -> dict[str, Estimate]:
    """The figures; of images that are all of one class those are undefined that weigh one class against another."""
    is_one = truth.ndim == 1 and len(np.unique(truth)) < 2
    return {name: Estimate() if is_one and name in OF_SEVERAL else figure for name, figure in figures.items()}


def _has_every_class(labels: Labels, classes: int) -> bool:
    """Whether each class, or presence and absence of each label, is there: else nothing is known of what could be."""
    if labels.ndim == 1:
        return len(np.unique(labels)) == classes
    return bool(((labels == 1).any(axis=0) & (labels == 0).any(axis=0)).all())


def _counted(labels: Labels, rows: Rows, classes: int) -> tuple[tuple[int, ...], ...]:
    """`(classes, classes)` by truth and by the most probable class."""
    return tuple(map(tuple, confusion(labels, rows.argmax(axis=1), classes).tolist()))


def _claim(of: NonInferiority) -> Claim:
    return Claim(
        metric=of.metric,
        margin=of.margin,
        difference=of.difference,
        non_inferior=of.shown,
        worse=of.worse,
    )


def _gaps_of_finding(task: Task, judged: Judged, rule: DecisionRule) -> dict[str, Rows]:
    """Predicted less observed of several classes that are one finding."""
    truth = task.kind.truth(judged.labels, rule, task.class_names)
    return {" or ".join(rule.finding): rule.finding_scores(judged.rows, task.class_names) - truth}
