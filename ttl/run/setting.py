"""The setting of a run: all that its trials share, as values."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ttl.config import RunConfig
from ttl.cut.head import HeadSpec
from ttl.cut.network import Network
from ttl.cut.points import TruncationPoint
from ttl.data import Kind, Task
from ttl.data.folds import fold_task
from ttl.data.kind import Rows
from ttl.data.modality.resizing import Resizing
from ttl.deliver.operating_rates import endpoint_metric
from ttl.errors import UsageError
from ttl.finetune import Recipe
from ttl.report.schema.searched import LatencyLimit
from ttl.run.judged import Judged
from ttl.search.candidates import Cut
from ttl.stats import Aim, NonInferiority, Power, non_inferior, power
from ttl.study.candidate import Candidate, Definition
from ttl.study.trial import Trial, trial_id
from ttl.words.sides import Sides

RECALIBRATION = 2
"""The version of what is done to a model at the end of its fine-tune; a change in it makes other trials."""


@dataclass(frozen=True, eq=False)
class RunSetting:
    """What a run works on. Asking it decodes, builds and trains nothing."""

    config: RunConfig
    task: Task
    network: Network
    recipe: Recipe
    device: str
    frozen: frozenset[str]
    """Names of the parameters and buffers below the freeze point."""
    candidates: tuple[Candidate, ...]
    """To search among, lowest first."""
    drawn: Task | None = None
    """The data as they were split, where `task` has train and val together, to cross-validate."""
    fold: int | None = None
    """Of a cross-validation, where `task` leaves one out."""
    latency: LatencyLimit | None = None
    """What was measured to keep to `max_latency_ms`; None before that, and where it isn't asked for."""

    @property
    def data(self) -> Task:
        """The data as they were split."""
        return self.drawn or self.task

    @property
    def folds(self) -> tuple[int | None, ...]:
        """The folds that a candidate is fine-tuned in; None where there are none."""
        return tuple(range(self.config.folds)) if self.config.folds else (None,)

    def of_fold(self, fold: int | None) -> RunSetting:
        """The same, to leave a fold out.

        Raises:
            DataError: what is left lacks a class.
        """
        if fold is None or fold == self.fold or self.config.folds is None:
            return self
        return replace(self, task=fold_task(self.task, fold, self.config.folds, self.config.seed), fold=fold)

    @property
    def kind(self) -> Kind:
        """What is predicted."""
        return self.task.kind

    @property
    def sides(self) -> Sides:
        """Of the network's input in pixels; in segmentation of crops and windows."""
        return self.network.spec.sides

    @property
    def resizing(self) -> Resizing:
        """How images become the network's input, but for segmentation."""
        return Resizing(self.sides, self.network.spec.interpolation, self.config.fit)

    @property
    def whole(self) -> Cut:
        """The whole network."""
        return Cut(self.network.name, self.network.points[-1])

    @property
    def points(self) -> tuple[TruncationPoint, ...]:
        """That the candidates end at, lowest first."""
        return tuple(dict.fromkeys(candidate.top for candidate in self.candidates))

    @property
    def metric(self) -> str:
        """The validation metric that a search compares candidates by, whatever a recipe watches while it trains."""
        return self.kind.primary

    @property
    def margin(self) -> float:
        """The loss in the metric that doesn't matter."""
        return self.config.margin or self.kind.margin

    @property
    def margin_decision(self) -> float:
        """Likewise in the decision endpoint."""
        return self.config.margin_decision

    @property
    def head(self) -> HeadSpec:
        """What is put on a cut."""
        dropout = self.recipe.dropout if self.config.dropout is None else self.config.dropout
        return HeadSpec(self.kind.outputs(len(self.task.class_names)), self.config.pool, dropout)

    @property
    def seeds(self) -> range:
        """Of the fine-tunes of each candidate."""
        return range(self.config.seed, self.config.seed + self.config.seeds)

    @property
    def samples_per_epoch(self) -> int:
        """Training samples that an epoch shows: images; in segmentation as many crops as cover them."""
        return self.kind.samples_per_epoch(self.task.train, self.sides)

    def divisor(self, point: TruncationPoint) -> int:
        """What the sides of an image must be multiples of for a network that is cut at `point`; 1 in classifiers."""
        return point.reduction if self.kind.per_pixel else 1

    def candidate(self, cut: str) -> Cut:
        """The one that a person means: a point's name, its index from 1, or `full`.

        Raises:
            PointError: there is no such point.
        """
        return Cut(self.network.name, self.network.points.find(cut))

    @property
    def aim(self) -> Aim:
        """What the threshold is set for."""
        config = self.config
        for rule in ("sensitivity", "specificity", "threshold"):
            if (value := getattr(config, rule)) is not None:
                return Aim(rule, value, confidence=config.confidence)
        if config.costs is not None:
            return Aim("costs", costs=config.costs)
        return Aim("dice" if self.kind.per_pixel else "balanced accuracy")

    @property
    def decides_on_patients(self) -> bool:
        """Whether patients are decided on, not images."""
        return self.config.decide_per == "patient"

    def judged(self, split: str, rows: Rows) -> Judged:
        """What predictions of a split are judged on: its images, or its patients."""
        combine = self.config.combine if self.decides_on_patients else None
        return Judged.of(self.task.splits[split], rows, combine)

    def compared(self, one: Rows, other: Rows, split: str) -> NonInferiority:
        """Predictions `one` minus `other`, on the same images (patients) of a split."""
        first, second = self.judged(split, one), self.judged(split, other)
        return non_inferior(
            self.metric,
            self.kind,
            first.labels,
            first.rows,
            second.rows,
            margin=self.margin,
            groups=first.groups,
            seed=self.config.seed,
        )

    def power(self) -> Power:
        """What the test images can show of a candidate that is as good as the whole network."""
        test = self.task.test
        labels, groups = test.labels, test.groups
        if self.decides_on_patients:
            of = self.judged("test", np.full((len(test), len(self.task.class_names)), 0.5))
            labels, groups = of.labels, of.groups
        names, finding = self.task.class_names, self.task.finding
        return power(
            self.kind,
            labels,
            margin=self.margin,
            margin_decision=self.margin_decision,
            endpoint=endpoint_metric(self.aim),
            finding=[names.index(name) for name in finding],
            groups=groups,
        )

    def definition(self) -> Definition:
        """What, beside the candidate and the seed, defines a trial's result: what differs from the defaults."""
        spec, weights = self.network.spec, self.network.weights
        loss = self.kind.loss_name(self.config.loss)
        split = json.dumps({name: sorted(samples.ids) for name, samples in self.task.splits.items()}, sort_keys=True)
        return {
            "network": self.network.name,
            "weights": weights.sha256 or weights.source,
            "data": self.task.fingerprint,
            "split": hashlib.sha256(split.encode("utf-8", "surrogatepass")).hexdigest()[:16],
            "image_size": spec.image_size,
            "mean": list(spec.mean),
            "std": list(spec.std),
            "interpolation": spec.interpolation,
            "recipe": self.recipe.definition(),
            "recalibration": RECALIBRATION,
            **self.config.trial_definition(),
            **({"loss": loss} if loss != self.kind.loss_name(None) else {}),
        }

    def trial_id(self, trial: Trial) -> str:
        """The trial's name: a hash of all that defines its result, but for how far it is to go."""
        return trial_id({**self.of_fold(trial.fold).definition(), **trial.definition()})


def affordable(network: Network, config: RunConfig) -> tuple[Cut, ...]:
    """The candidates of a network that a run asks for: within its weights and its budgets of params and MACs.

    Raises:
        UsageError: none of them is left.
        PointError: the lowest one asked for isn't there.
    """
    points: Sequence[TruncationPoint] = network.points
    if config.within_weights:
        if not network.weights.loaded:
            raise UsageError("--within-weights needs weights to stay within, and nothing was loaded: give --weights")
        points = [point for point in points if point.is_within_weights]
        if not points:
            raise UsageError(
                f"--within-weights leaves no point: {network.points[0].name}, the lowest, already holds tensors that "
                f"{config.weights} has not ({network.weights.summary()})"
            )
    lowest = network.points.find(config.min_point).index if config.min_point else 1
    kept = [
        point
        for point in points
        if point.index >= lowest
        and (config.max_params is None or point.params <= config.max_params)
        and (config.max_macs is None or point.macs <= config.max_macs)
    ]
    if not kept:
        first = next((point for point in points if point.index >= lowest), points[-1])
        raise UsageError(
            f"No point is left to search among: the smallest from {first.name} on has {first.params:,} parameters "
            f"and {first.macs:,} MACs; raise --max-params or --max-macs, or lower --min-point"
        )
    return tuple(Cut(network.name, point) for point in kept)
